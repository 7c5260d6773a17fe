"""The compare page: its figures are those of `harness compare` and `harness samples --flips`."""

from __future__ import annotations

from typing import Any

import pytest

from leaderboard.runs import compare_table, comparing, sample_cards
from tests.harness.results import make
from tests.harness.runs import cli, json_of
from tests.leaderboard.hostile import hostile
from tests.leaderboard.page_runner import draw
from tuning.store import Store


def measured(store: Store, name: str, tasks: dict[str, str], **columns) -> str:
    """A finished run; "1" is a right answer, two subjects take turns."""
    run = make.run(**{"name": name, "status": "finished", **columns})
    store.create(run, [make.task(run.id, task, metric="acc") for task in tasks])
    for task, values in tasks.items():
        samples, responses = [], []
        for n, value in enumerate(values):
            answer = "right" if value == "1" else f"wrong of {name}"
            own: dict[str, Any] = {"task": task, "group": f"subject {n % 2}", "answer": answer, "expected": "right"}
            samples.append(make.sample(run.id, f"item {n}", float(value), **own))
            text = f"{name} says {answer} to {n}"
            responses.append(make.response(run.id, f"item {n}", task=task, kind="generate", text=text))
        store.record(run.id, responses, samples)
    return run.id


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A baseline and three runs: better, worse, and much the same."""
    store = Store(tmp_path_factory.mktemp("compare") / "s.duckdb")
    base = {"mmlu": "0110" * 30, "bbh": "01" * 40}
    runs = {
        "base": measured(store, "base", base),
        "better": measured(store, "better", {"mmlu": "1111" * 30, "bbh": "01" * 40}),
        "worse": measured(store, "worse", {"mmlu": "0000" * 30, "bbh": "01" * 39 + "00"}),
        "same": measured(store, "same", {"mmlu": "0110" * 29 + "0111", "bbh": "01" * 39 + "11"}),
    }
    return store, runs


def figures(page) -> list[list[str]]:
    """Of the tables of differences, without their heads."""
    return [row for row in page.rows() if len(row) == 10 and row[0] != "Task"]


def printed(rows: list[dict]) -> list[list[str]]:
    return [
        [
            row["task"],
            row["metric"],
            f"{row['n']:,}",
            f"{100 * row['a']:.1f}",
            f"{100 * row['b']:.1f}",
            f"{100 * row['difference']:+.1f}",
            f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}",
            f"{row['p_value']:.3g}",
            f"{row['p_holm']:.3g}",
            f"{row['lost']} / {row['gained']}",
        ]
        for row in rows
    ]


@pytest.mark.parametrize("others", [("better",), ("better", "worse", "same")])
def test_the_figures_are_those_of_compare(made, monkeypatch, others):
    store, runs = made
    page = draw("compare", store.path, monkeypatch, runs=[runs[name] for name in ("base", *others)])
    found = json_of("compare", "base", *others, "--db", store.path)
    assert figures(page) == printed(found)
    assert [row["runs"]["b"] for row in found[:: len(found) // len(others)]] == [runs[name] for name in others]
    assert page.lived == [0]
    shown = page.data("name", "value", "low", "high")
    assert shown == [
        (row["task"], *(pytest.approx(100 * row[key]) for key in ("difference", "low", "high"))) for row in found
    ]


def test_holm_is_over_all_runs_and_tasks(made):
    store, _ = made
    rows = json_of("compare", "base", "same", "worse", "--db", store.path)
    raw = sorted(row["p_value"] for row in rows)
    by_hand = [max((4 - at) * p for at, p in enumerate(raw[: last + 1])) for last in range(4)]
    assert sorted(row["p_holm"] for row in rows) == [pytest.approx(min(1, p), rel=1e-9, abs=0) for p in by_hand]
    assert by_hand[0] == 4 * raw[0]


def test_the_terminal_has_a_table_a_run(made):
    store, _ = made
    code, out, _ = cli("compare", "base", "better", "worse", "--db", store.path)
    assert code == 0
    assert out.count("a = base") == 2


def test_words_follow_the_adjusted_p(made, monkeypatch):
    store, runs = made
    page = draw("compare", store.path, monkeypatch, runs=[runs[n] for n in ("base", "better", "worse", "same")])
    assert "against base" in page.text
    assert "Better on mmlu; 1 of 2 cannot be told apart." in page.text
    assert "Worse on mmlu; 1 of 2 cannot be told apart." in page.text
    assert "Cannot be told apart." in page.text


def test_a_link_may_have_commas_and_short_ids(made, monkeypatch):
    store, runs = made
    page = draw("compare", store.path, monkeypatch, runs=f"{runs['base'][:8]},{runs['same'][:8]}")
    assert figures(page) == printed(json_of("compare", "base", "same", "--db", store.path))
    assert page.test.query_params["runs"] == [runs["base"], runs["same"]]


def test_without_a_choice_the_newest_two_that_share_a_task(made, monkeypatch):
    store, runs = made
    assert comparing.usual(store) == (runs["worse"], runs["same"])
    assert figures(draw("compare", store.path, monkeypatch))


@pytest.mark.parametrize("other", ["better", "worse", "same"])
def test_agreement_counts_every_item_once(made, monkeypatch, other):
    store, runs = made
    (row, *_) = json_of("compare", "base", other, "--db", store.path)
    found = store.agreement(runs["base"], runs[other], "mmlu")
    assert found["both_right"] + found["lost"] + found["gained"] + found["both_wrong"] == found["n"] == row["n"]
    assert (found["lost"], found["gained"]) == (row["lost"], row["gained"])
    # wrong answers name their run, so only right ones are alike
    assert found["same_answer"] == found["both_right"]
    page = draw("compare", store.path, monkeypatch, runs=[runs["base"], runs[other]])
    assert f"the same answer to {found['same_answer']:,} of {found['n']:,}" in page.text


@pytest.mark.parametrize(
    ("side", "a", "b"), [("flips", "", ""), ("gained", "wrong", "right"), ("lost", "right", "wrong")]
)
def test_flips_are_those_of_samples(made, monkeypatch, side, a, b):
    store, runs = made
    total, found = comparing.flips(store, runs["base"], runs["same"], "mmlu", side, "", 0, 100)
    listed = json_of("samples", "base", "--flips", "same", "--task", "mmlu", "--per-page", 100, "--db", store.path)
    values = {flip.a["item"]: (flip.a["metrics"]["acc"], flip.b["metrics"]["acc"]) for flip in found}
    if side == "flips":
        assert total == listed["total"] == len(found)
        assert set(values) == {row["item"] for row in listed["samples"]}
    else:
        assert set(values.values()) <= {(float(a == "right"), float(b == "right"))}
    row = json_of("compare", "base", "same", "--db", store.path)[0]
    assert total == {"flips": row["flips"], "gained": row["gained"], "lost": row["lost"]}[side]


def test_the_sides_of_flips_add_up_and_come_in_pages(made):
    store, runs = made
    whole = comparing.flips(store, runs["base"], runs["worse"], "mmlu", "flips", "", 0, 100)
    parts = [comparing.flips(store, runs["base"], runs["worse"], "mmlu", "flips", "", at, 7) for at in range(0, 60, 7)]
    assert {total for total, _ in parts} == {whole[0]} == {60}
    assert [flip.a["item"] for _, part in parts for flip in part] == [flip.a["item"] for flip in whole[1]]
    gained, lost = (
        comparing.flips(store, runs["base"], runs["worse"], "mmlu", s, "", 0, 9)[0] for s in ("gained", "lost")
    )
    assert (gained, lost) == (0, 60)


def test_a_flip_shows_both_answers_and_what_was_expected(made, monkeypatch):
    store, runs = made
    page = draw("compare", store.path, monkeypatch, runs=[runs["base"], runs["better"]], find="to 3")
    assert "base says wrong of base to 3" in page.text
    assert "better says right to 3" in page.text
    assert "expected right" in page.text
    assert "Question item 3?" in page.text


def test_by_subject_as_compare_has_it(made, monkeypatch):
    store, runs = made
    page = draw("compare", store.path, monkeypatch, runs=[runs["base"], runs["better"]], subjects="1")
    found = [
        row
        for row in json_of("compare", "base", "better", "--groups", "--db", store.path)
        if row["group"] != "all" and row["task"] == "mmlu"
    ]
    shown = {name: value for name, value in page.data("name", "value") if name.startswith("subject")}
    assert shown == {row["group"]: pytest.approx(100 * row["difference"]) for row in found}


def test_what_cannot_be_compared_is_said_and_the_rest_is_shown(made, tmp_path, monkeypatch):
    store = Store(tmp_path / "s.duckdb")
    a = measured(store, "a", {"mmlu": "0101", "bbh": "0101"})
    b = measured(store, "b", {"mmlu": "0101", "bbh": "010"})
    alone = measured(store, "alone", {"drop": "01"})
    page = draw("compare", store.path, monkeypatch, runs=[a, b, alone])
    assert "because their items differ: 4 in a" in page.text
    assert "The runs share no task: mmlu, bbh against drop." in page.text
    assert [row[0] for row in figures(page)] == ["mmlu"]
    code, _, errors = cli("compare", "a", "b", "--db", store.path)
    assert code == 2
    assert "because their items differ" in errors


def test_what_prompts_differ_in_is_noted_as_the_command_notes_it(tmp_path, monkeypatch):
    store = Store(tmp_path / "s.duckdb")
    a = measured(store, "a", {"mmlu": "0101"}, config={"chat_template": "a <i>template</i>"})
    b = measured(store, "b", {"mmlu": "0111"}, config={"add_bos": True})
    same = measured(store, "same", {"mmlu": "0110"}, config={"chat_template": "a <i>template</i>"})
    notes = json_of("compare", "a", "b", "--db", store.path)[0]["warnings"]
    assert [note.split(":")[0] for note in notes] == [
        "The prompts differ by --chat-template",
        "The prompts differ by --add-bos",
    ]
    store.save_scores(b, [make.score(b)])
    for page in (
        draw("compare", store.path, monkeypatch, runs=[a, b, same]),
        draw("run", store.path, monkeypatch, run=b, against=a),
    ):
        for note in notes:
            assert page.text.count(note) == 1
        assert "<i>" not in page.html
    assert "The prompts differ" not in draw("compare", store.path, monkeypatch, runs=[a, same]).text
    assert "The prompts differ" not in draw("run", store.path, monkeypatch, run=b).text


def test_stores_without_two_runs(tmp_path, monkeypatch):
    assert "No scores yet" in draw("compare", tmp_path / "none.duckdb", monkeypatch).text
    store = Store(tmp_path / "s.duckdb")
    measured(store, "only", {"mmlu": "01"})
    assert "One run so far" in draw("compare", store.path, monkeypatch).text
    other = measured(store, "other", {"bbh": "01"})
    assert "Choose two runs" in draw("compare", store.path, monkeypatch).text
    assert "Choose two runs" in draw("compare", store.path, monkeypatch, runs=other).text


def test_a_run_that_goes_on_is_read_anew(tmp_path, monkeypatch):
    store = Store(tmp_path / "s.duckdb")
    a = measured(store, "a", {"mmlu": "0101"})
    b = measured(store, "b", {"mmlu": "0111"}, status="running")
    assert figures(draw("compare", store.path, monkeypatch, runs=[a, b]))[0][2] == "4"
    for run in (a, b):
        store.record(run, samples=[make.sample(run, "item 9", group="subject 0")])
    assert figures(draw("compare", store.path, monkeypatch, runs=[a, b]))[0][2] == "5"


def test_hostile_text_is_text(tmp_path, monkeypatch):
    store = hostile(tmp_path / "s.duckdb")
    runs = [run.id for run in store.runs() if not run.partial][:3]
    for side in ("flips", "lost", "<b>"):
        page = draw("compare", store.path, monkeypatch, runs=runs, side=side, find="")
        for tag in ("<img", "<script", "<svg", "<b>bold"):
            assert tag not in page.html


def test_a_card_escapes_all_that_it_shows():
    evil = '<img src=x onerror="alert(1)">'
    answer = {"text": "", "kind": "choice", "shared": evil, "own": evil, "finish": "", "warnings": [evil]}
    response = {**answer, "options": [evil, "B"], "logprobs": [-1.0, -2.0]}
    sample = {
        "item": evil,
        "repeat": 1,
        "group": evil,
        "expected": evil,
        "answer": evil,
        "note": evil,
        "metric": "acc",
        "metrics": {"acc": 1.0},
        "responses": [response, {**response, "kind": "generate", "text": evil}],
    }
    shown = sample_cards.card([(evil, sample), (evil, {**sample, "metrics": {}})])
    assert "<img" not in shown
    assert shown.count("&lt;img") >= 12
    assert shown.count("right</span>") == shown.count("wrong</span>") == 1


def test_a_part_of_nothing_has_no_bar():
    found = {"n": 4, "both_right": 4, "gained": 0, "lost": 0, "both_wrong": 0, "same_answer": 3}
    shown = compare_table.agreement(found)
    assert shown.count("width:") == 1
    assert "both right <b>4</b> (100.0%)" in shown
