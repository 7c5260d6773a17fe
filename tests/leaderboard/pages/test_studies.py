"""The studies page: its figures are those of `harness tune show` and of `tuning.report.findings`."""

from __future__ import annotations

import math

import pytest

from tests.harness.runs import json_of
from tests.leaderboard.hostile import hostile
from tests.leaderboard.judged import judged
from tests.leaderboard.page_runner import draw
from tests.leaderboard.searched import measure, searched
from tuning.report.documents import view_of
from tuning.report.findings import in_words, predictions
from tuning.report.trial_scores import under_way
from tuning.store import StepRow, Store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Twelve trials, ten of which have scores: `mmlu` follows the loss, `noise` does not."""
    folder = tmp_path_factory.mktemp("studies")
    study = searched(folder)
    store = Store(folder / "s.duckdb")
    ranked = view_of(store, study.id).ranked[:10]
    values = {t.number: {"mmlu": 0.9 - 0.2 * t.first, "noise": 0.5 + 0.1 * math.sin(97 * t.number)} for t in ranked}
    return store, study, measure(store, study, values), values


def test_the_list_is_that_of_tune_list(made, monkeypatch):
    store, study, _, _ = made
    page = draw("studies", store.path, monkeypatch)
    (listed,) = json_of("tune", "list", "--db", store.path)["studies"]
    best = json_of("tune", "show", study.name, "--db", store.path)["best"]
    row = page.rows()[1]
    assert row[0].startswith(listed["name"])
    assert row[3] == f"{listed['started']} of {listed['budget']}"
    assert row[4] == f"{best['value']:.4f}"
    assert f'href="studies?study={study.id}"' in page.html


def test_the_trials_are_those_of_tune_show(made, monkeypatch):
    store, study, runs, values = made
    page = draw("studies", store.path, monkeypatch, study=study.id, view="trials")
    trials = {trial["number"]: trial for trial in json_of("tune", "show", study.name, "--db", store.path)["trials"]}
    head, *rows = page.rows()
    names = [name.rstrip("▴▾") for name in head]
    assert len(rows) == len(trials) == 12
    for row in rows:
        cells = dict(zip(names, row, strict=True))
        trial = trials[int(cells["Trial"])]
        assert cells["validation"] == f"{trial['values'][0]:.5g}"
        assert cells["State"] == trial["state"]
        assert cells["rank"] == str(trial["hyperparameters"]["rank"])
        assert cells["lr"] == f"{trial['hyperparameters']['lr']:.4g}"
        assert cells["Proposed by"] == (trial["label"] or trial["optimizer"])
        score = values.get(trial["number"], {}).get("mmlu")
        assert cells["mmlu"] == ("" if score is None else f"{100 * score:.1f}")
    assert [row[names.index("validation")] for row in rows] == sorted(
        (row[names.index("validation")] for row in rows), key=float
    )
    assert all(f'href="run?run={run}"' in page.html for run in runs.values())


def test_the_table_sorts_as_the_address_says(made, monkeypatch):
    store, study, _, _ = made
    page = draw("studies", store.path, monkeypatch, study=study.id, view="trials", sort="rank", down="1")
    head, *rows = page.rows()
    place = next(at for at, name in enumerate(head) if name.startswith("rank"))
    ranks = [int(row[place]) for row in rows]
    assert ranks == sorted(ranks, reverse=True) != sorted(ranks)
    assert head[place] == "rank▾"


def test_loss_and_scores_with_correlations(made, monkeypatch):
    store, study, _, values = made
    page = draw("studies", store.path, monkeypatch, study=study.id)
    found = {each.name: each for each in predictions([view_of(store, study.id)])}
    assert set(found) == {"mmlu", "noise"}
    for each in found.values():
        words = in_words(each.agreement)
        assert words[0].upper() + words[1:] in page.text
    assert found["mmlu"].agreement.spearman == pytest.approx(1)
    assert "Lower loss goes with a better score." in page.text
    assert "Cannot be told from chance." in page.text
    cells = {row[0]: row[2:] for row in page.rows() if row[0] in found}
    for name, each in found.items():
        own = each.agreement
        for cell, value, ends in zip(
            cells[name], (own.spearman, own.kendall), (own.spearman_interval, own.kendall_interval), strict=True
        ):
            assert cell == f"{value:+.2f}{ends[0]:+.2f} to {ends[1]:+.2f}"
    view = view_of(store, study.id)
    losses = {trial.number: trial.validation_loss for trial in view.trials}
    dots = {(x, y) for x, y in page.data("x", "y")}
    assert {(losses[number], 100 * own["mmlu"]) for number, own in values.items()} <= dots


def test_from_fewer_than_eight_models_there_is_no_interval(tmp_path, monkeypatch):
    study = searched(tmp_path, budget=8)
    store = Store(tmp_path / "s.duckdb")
    measure(store, study, {n: {"mmlu": 0.1 * n} for n in range(1, 8)})
    page = draw("studies", store.path, monkeypatch, study=study.id)
    assert "fewer than 8 models: no interval" in page.text
    assert "from fewer than 8 there is no interval" in page.text
    assert "Lower loss goes with" not in page.text


def test_partial_and_unfinished_runs_are_no_scores(tmp_path, monkeypatch):
    study = searched(tmp_path, budget=8)
    store = Store(tmp_path / "s.duckdb")
    measure(store, study, {1: {"mmlu": 0.1}, 2: {"mmlu": 0.2}}, partial=True)
    measure(store, study, {3: {"mmlu": 0.1}, 4: {"mmlu": 0.2}}, status="running")
    assert not any(trial.scores for trial in view_of(store, study.id).trials)
    page = draw("studies", store.path, monkeypatch, study=study.id, view="scores")
    assert "No two trials have a score yet." in page.text


def test_preference_is_a_score_of_the_trial_whose_adapter_answered(tmp_path):
    """As `harness ranking` has it."""
    study = searched(tmp_path, budget=8)
    store = judged(tmp_path / "s.duckdb")
    adapters = [a for a in store.attempts(study.id) if a.adapter][:2]
    with store.write() as connection:
        for attempt, name in zip(adapters, ("plain-model", "best-model"), strict=True):
            connection.execute("UPDATE answer_sets SET model = ? WHERE name = ?", [attempt.adapter, name])
    ranked = {model["name"]: model for model in json_of("ranking", "--db", store.path)["models"]}
    found = {trial.number: trial for trial in view_of(store, study.id).trials if trial.scores}
    assert set(found) == {attempt.trial for attempt in adapters}
    for attempt, name in zip(adapters, ("plain-model", "best-model"), strict=True):
        trial, model = found[attempt.trial], ranked[name]
        assert trial.scores == {"preference (made)": model["strength"]}
        assert trial.intervals == {"preference (made)": (model["low"], model["high"])}
    (one,) = predictions([view_of(store, study.id)])
    assert (one.name, one.agreement.n) == ("preference (made)", 2)


def test_studies_on_other_rows_are_left_out_of_the_prediction(tmp_path, monkeypatch):
    store = Store(tmp_path / "s.duckdb")
    one = searched(tmp_path, budget=8, name="one")
    other = searched(tmp_path, budget=8, name="other", data_seed=1)
    again = searched(tmp_path, budget=8, name="again", seed=5)
    for study in (one, other, again):
        measure(store, study, {n: {"mmlu": 0.1 * n} for n in range(1, 9)})
    views = [view_of(store, study.id) for study in (one, other, again)]
    (found,) = predictions(views)
    assert {model.study for model in found.models} == {"one", "again"}
    assert found.agreement.n == 16
    page = draw("studies", store.path, monkeypatch, study=[one.id, other.id, again.id])
    assert "their losses therefore too: other." in page.text
    assert "16 models" in page.text


def test_the_best_so_far_falls_and_ends_at_the_best(made, monkeypatch):
    store, study, _, _ = made
    page = draw("studies", store.path, monkeypatch, study=study.id, view="search")
    assert page.lived == [0]
    lines = [layer["data"]["values"] for layer in page.charts[0]["layer"] if layer["mark"]["type"] == "line"]
    values = [row["y"] for row in lines[0]]
    assert values == sorted(values, reverse=True)
    assert values[-1] == json_of("tune", "show", study.name, "--db", store.path)["best"]["value"]


def test_a_training_under_way_is_shown(tmp_path, monkeypatch):
    study = searched(tmp_path, budget=6)
    store = Store(tmp_path / "s.duckdb")
    assert under_way(store, study.id) == {}
    trial = store.trials(study.id)[-1]
    with store.write() as connection:
        connection.execute("UPDATE trials SET state = 'running' WHERE number = ?", [trial.number])
        connection.execute("DELETE FROM attempts WHERE trial = ?", [trial.number])
        connection.execute("DELETE FROM steps WHERE trial = ?", [trial.number])
    store.update_study(study.id, status="running")
    store.add_steps([StepRow(study.id, trial.number, "search", 0.3, 0, n, 5.0 - n, 1e-3) for n in (1, 2, 3)])
    assert under_way(store, study.id) == {"trial 6, 30% of the rows": ((1, 4.0), (2, 3.0), (3, 2.0))}
    page = draw("studies", store.path, monkeypatch, study=study.id)
    assert "Trainings under way; the page follows." in page.text
    assert ("trial 6, 30% of the rows", 3, 2.0) in page.data("series", "x", "y")


def test_a_long_curve_comes_thinned(tmp_path):
    study = searched(tmp_path, budget=6)
    store = Store(tmp_path / "s.duckdb")
    store.add_steps([StepRow(study.id, 1, "search", 0.5, 0, n, float(n), 1e-3) for n in range(1, 1001)])
    curve = store.curves(study.id, [1], most=100)[1, "search", 0.5, 0]
    assert len(curve) == 100
    assert curve[0] == (10, 5.5)
    assert curve[-1] == (1000, 995.5)


def test_two_objectives_have_a_front(tmp_path, monkeypatch):
    study = searched(tmp_path, budget=12, objective="validation,adapter-size")
    page = draw("studies", tmp_path / "s.duckdb", monkeypatch, study=study.id)
    front = json_of("tune", "show", study.name, "--db", tmp_path / "s.duckdb")["front"]
    assert "Trade-off" in page.text
    (chart,) = [
        c for c in page.charts if any(layer.get("mark") == {"type": "line", "style": "faint"} for layer in c["layer"])
    ]
    assert len(chart["layer"][0]["data"]["values"]) == len(front)


@pytest.mark.parametrize("query", [{}, {"study": "no such study"}, {"study": ""}])
def test_a_store_that_is_not_there_and_an_empty_one(tmp_path, monkeypatch, query):
    assert "No studies yet" in draw("studies", tmp_path / "none.duckdb", monkeypatch, **query).text
    store = Store(tmp_path / "empty.duckdb")
    with store.write():
        pass
    assert "No studies yet" in draw("studies", store.path, monkeypatch, **query).text


def test_a_study_that_has_just_begun(tmp_path, monkeypatch):
    study = searched(tmp_path, budget=6)
    store = Store(tmp_path / "s.duckdb")
    with store.write() as connection:
        for table in ("trials", "attempts", "steps"):
            connection.execute(f"DELETE FROM {table}")
    store.update_study(study.id, status="running")
    page = draw("studies", store.path, monkeypatch, study=study.id)
    assert "No trial was trained on all rows yet." in page.text


def test_hostile_names_are_text(tmp_path, monkeypatch):
    store = hostile(tmp_path / "s.duckdb")
    (study,) = store.studies()
    views = ({"study": study.id, "view": view} for view in ("scores", "search", "matters", "trials", "<b>"))
    for query in ({}, *views, {"study": study.id, "view": "trials", "sort": "<b>"}):
        page = draw("studies", store.path, monkeypatch, **query)
        assert "<img" not in page.html
        assert "<script" not in page.html
        assert "<svg" not in page.html


def test_the_sentence_of_a_prediction_turns_with_its_interval():
    from leaderboard.studies.correlation_table import verdict
    from tuning.report.correlation import agreement

    order = [float(n) for n in range(12)]
    assert "better" in verdict(agreement(order, order))
    assert "worse" in verdict(agreement(order, order[::-1]))
    assert "told from chance" in verdict(agreement(order, [n % 3 for n in range(12)]))
    assert verdict(agreement(order[:5], order[:5])) == ""


def test_why_a_study_ended_and_what_it_warned_of_is_shown(tmp_path, monkeypatch):
    study = searched(tmp_path, optimizer="list", budget=9)
    store = Store(tmp_path / "s.duckdb")
    warnings = json_of("tune", "show", study.name, "--db", store.path)["study"]
    assert "no more points" in warnings["ended"]
    store.update_study(study.id, warnings=["12 rows <b>are</b> cut"])
    page = draw("studies", store.path, monkeypatch, study=study.id)
    assert "The list has no more points: " in page.html
    assert "12 rows &lt;b&gt;are&lt;/b&gt; cut" in page.html


def test_the_audit_is_that_of_the_report_and_text(made, monkeypatch):
    store, study, _, _ = made
    page = draw("studies", store.path, monkeypatch, study=study.id)
    assert "Contamination audit" not in page.html
    figure = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 90}
    difference = {"value": 0.02, "low": -0.01, "high": 0.05, "p": 0.2, "method": "mcnemar"}
    flagged = {"item": "anatomy/1", "group": "anatomy", "kind": "near copy", "share": 0.81, "question": "Which bone?"}
    flagged |= {"source": "my<b>.jsonl", "row": 12, "excerpt": "<img src=x> Which bone", "rows": 3}
    score = {"study": study.id, "trial": 1, "name": "trial 1", "metric": "acc", "all": figure, "without": None}
    score |= {"over_base_all": difference, "over_base_without": None}
    common = {"data_digest": "d", "rows": 70, "passages": 0, "wordless": 0, "objectives": []}
    mmlu = {"task": "mmlu", "items": 100, "flagged": [flagged], "scores": [score], **common}
    bbh = {"task": "bbh", "items": 40, "flagged": [], "scores": [], **common}
    store.save_audits(study.id, {"mmlu": mmlu, "bbh": bbh})
    page = draw("studies", store.path, monkeypatch, study=study.id)
    assert "mmlu: 100 items compared with 70 training rows: 1 flagged (1.00%)." in page.html
    assert "bbh: 40 items compared with 70 training rows: none is in them." in page.html
    assert "50.0 [40.0, 60.0]" in page.html
    assert "+2.0 [-1.0, +5.0]" in page.html
    assert "12 and 2 more" in page.html
    assert "&lt;img src=x&gt;" in page.html
    assert "my<b>" not in page.html
