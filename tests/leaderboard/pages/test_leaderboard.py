"""The leaderboard: its figures are those of `harness show`; what is mixed, ranked and hidden; links."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path

import pytest

from harness.cli.tables import interval
from harness.evaluation.configurations import member_tags
from leaderboard.app import server_settings
from leaderboard.pages import leaderboard
from leaderboard.ranking import board_table
from leaderboard.ranking.board import boards
from tests.harness.results import make
from tests.harness.runs import json_of
from tests.leaderboard.hostile import SHOWN, hostile
from tests.leaderboard.make import NOW
from tests.leaderboard.page_runner import draw
from tuning.store import Store


def scored(store: Store, name: str, value: float = 0.5, tasks=("mmlu",), minutes: int = 0, task=None, **columns) -> str:
    """A finished run with a score and ten samples a task."""
    columns = {"model_digest": name, "created": NOW + timedelta(minutes=minutes), **columns}
    run = make.run(**{"name": name, "status": "finished", **columns})
    protocol = (task or {}).get("protocol", "standard")
    store.create(run, [make.task(run.id, each, **(task or {})) for each in tasks])
    store.save_scores(
        run.id,
        [
            make.score(run.id, task=each, protocol=protocol, value=value, low=value - 0.1, high=value + 0.1)
            for each in tasks
        ],
    )
    right = round(10 * value)
    for each in tasks:
        store.record(run.id, samples=[make.sample(run.id, f"i{n}", float(n < right), task=each) for n in range(10)])
    return run.id


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s.duckdb")


def order(page) -> list[str]:
    return re.findall(r'<th scope="row" class="name"><div class="title"><a [^>]*>([^<]*)</a>', page.html)


def test_figures_are_those_of_show(store, monkeypatch):
    scored(store, "one", 0.312, ("mmlu", "bbh"))
    scored(store, "two", 0.877)
    page = draw("leaderboard", store.path, monkeypatch)
    shown = json_of("show", "--db", store.path)["runs"]
    rows = {row[0]: row for row in page.rows()}
    for run in shown:
        (cells,) = [row for name, row in rows.items() if name.startswith(run["name"])]
        for task, score in run["scores"].items():
            value, low, high = re.findall(r"[\d.]+", interval(score))
            text = cells[1 + ["mmlu", "bbh"].index(task)]
            assert text.startswith(value)
            assert f"{low} – {high}" in text
    assert sum(len(run["scores"]) for run in shown) == 3


def test_a_checkpoint_is_a_row_whatever_run_measured_it(store):
    scored(store, "one", 0.5, ("mmlu",), model_digest="d")
    scored(store, "its other task", 0.6, ("bbh",), minutes=1, model_digest="d")
    (board,) = boards(store)
    (row,) = board.rows
    assert row.name == "its other task"
    assert {key: cell.score["value"] for key, cell in row.cells.items()} == {"mmlu": 0.5, "bbh": 0.6}
    newer = scored(store, "again", 0.7, ("mmlu",), minutes=2, model_digest="d")
    (row,) = boards(store)[0].rows
    assert row.cells["mmlu"].runs == (newer,)


def seeds_of(store: Store, name: str, values: tuple[float, ...], minutes: int = 0) -> list[str]:
    """A configuration of so many seeds."""
    runs = [scored(store, f"{name} {seed}", value, minutes=minutes) for seed, value in enumerate(values, 1)]
    for seed, run in enumerate(runs, 1):
        for tag in member_tags(name, seed):
            store.tag(run, tag)
    return runs


def test_seeds_are_one_row_with_each_a_click_below(store, monkeypatch):
    runs = seeds_of(store, "tuned@abc", (0.5, 0.7, 0.6))
    alone = scored(store, "base", 0.4)
    (board,) = boards(store)
    rows = {row.name: row for row in board.rows}
    assert set(rows) == {"tuned", "base"}
    assert (rows["tuned"].cells["mmlu"].runs, len(rows["tuned"].digests)) == (tuple(runs), 3)
    assert board.ranked(board.columns[0]) == tuple(sorted([tuple(runs), (alone,)]))
    assert rows["tuned"].cells["mmlu"].score["value"] == pytest.approx(0.6)
    page = draw("leaderboard", store.path, monkeypatch)
    assert "2 configurations" in page.html
    (below,) = re.findall(r"<details.*?</details>", page.html, re.DOTALL)
    assert "3 seeds" in below
    for seed, (run, value) in enumerate(zip(runs, (50, 70, 60), strict=True), 1):
        assert re.search(rf'href="[^"]*run={run}[^"]*">seed {seed}</a> <span>mmlu {value}\.0', below)


def test_a_seed_that_was_asked_otherwise_is_a_row_of_its_own(store, monkeypatch):
    odd = scored(store, "odd", task={"shots": 0}, minutes=-5)
    for tag in member_tags("tuned@abc", 9):
        store.tag(odd, tag)
    seeds_of(store, "tuned@abc", (0.5, 0.7))
    (board,) = boards(store)
    assert [(row.name, len(row.runs), row.apart) for row in board.rows] == [
        ("tuned", 2, ""),
        ("tuned", 1, "mmlu asked in another way"),
    ]
    assert "Not one row with the other runs of tuned" in draw("leaderboard", store.path, monkeypatch).html


def test_runs_of_one_checkpoint_of_a_configuration_are_one_row_as_ever(store):
    """A base that several commands measured."""
    older = scored(store, "older", 0.4, model_digest="d")
    newer = scored(store, "newer", 0.4, ("mmlu", "bbh"), minutes=1, model_digest="d", dtype="bfloat16")
    untagged = scored(store, "untagged", 0.4, ("drop",), minutes=2, model_digest="d")
    for run in (older, newer):
        store.tag(run, member_tags("base@d", None)[0])
    ((row,),) = [board.rows for board in boards(store)]
    assert {key: cell.runs for key, cell in row.cells.items()} == {
        "drop": (untagged,),
        "bbh": (newer,),
        "mmlu": (newer,),
    }


def test_imported_runs_without_a_digest_are_rows_of_their_own(store):
    for name in ("one", "two"):
        scored(store, name, model_digest="")
    assert len(boards(store)[0].rows) == 2


def test_what_was_asked_otherwise_stands_in_another_column(store):
    scored(store, "one")
    scored(store, "two")
    scored(store, "three", task={"shots": 0})
    (board,) = boards(store)
    assert [column.key for column in board.columns] == ["mmlu", "mmlu (0 shots)"]
    assert {row.name: list(row.cells) for row in board.rows}["three"] == ["mmlu (0 shots)"]
    assert len(board.ranked(board.columns[0])) == 2


def test_protocols_are_never_on_one_table(store, monkeypatch):
    scored(store, "one", 0.11)
    scored(store, "two", 0.22, task={"protocol": "instructeval"})
    assert [(b.protocol, [r.name for r in b.rows]) for b in boards(store)] == [
        ("standard", ["one"]),
        ("instructeval", ["two"]),
    ]
    assert order(draw("leaderboard", store.path, monkeypatch)) == ["one"]
    assert order(draw("leaderboard", store.path, monkeypatch, protocol="instructeval")) == ["two"]


def test_partial_runs_are_marked_last_and_without_a_rank(store, monkeypatch):
    scored(store, "whole", 0.4)
    scored(store, "part", 0.9, partial=True)
    page = draw("leaderboard", store.path, monkeypatch)
    assert order(page) == ["whole", "part"]
    whole, part = page.html.split("<tr")[2:4]
    assert 'class="band' in whole
    assert 'class="band' not in part
    assert ">partial</span>" in part
    assert order(draw("leaderboard", store.path, monkeypatch, whole="1")) == ["whole"]


def test_sampled_runs_are_rows_by_themselves_and_say_of_how_many_items(store, monkeypatch):
    read = {"mmlu": {"items": 100, "of": 1200, "stopped": "at 100 items, as asked"}}
    scored(store, "whole", 0.4)
    for minutes, value in enumerate((0.9, 0.8), 1):
        sampled = {"status": "sampled", "partial": True, "totals": {"sampled": {"tasks": read}}}
        scored(store, "read", value, minutes=minutes, model_digest="the same", **sampled)
    page = draw("leaderboard", store.path, monkeypatch)
    assert order(page) == ["whole", "read", "read"]
    for row in page.html.split("<tr")[3:5]:
        assert 'class="band' not in row
        assert ">sampled</span>" in row
        assert ">partial</span>" not in row
        assert "100 of 1,200 items" in html.unescape(row)
    shown = json_of("show", "--db", store.path)["runs"]
    assert [(run["sampled"], run["scores"]["mmlu"]["sampled_of"]) for run in shown] == [
        (True, 1200),
        (True, 1200),
        (False, None),
    ]
    run = draw("run", store.path, monkeypatch, run=store.runs()[0].id)
    assert "sampled: 100 of 1,200 items" in html.unescape(run.html)


def test_unverified_runs_show_that_and_can_be_hidden(store, monkeypatch):
    scored(store, "known")
    scored(store, "served", config={"backend_details": {"unverified": "the weights are a server's"}})
    page = draw("leaderboard", store.path, monkeypatch)
    assert "the weights are a server's" in html.unescape(page.html)
    assert order(draw("leaderboard", store.path, monkeypatch, verified="1")) == ["known"]


def test_sorting_and_filtering_by_the_address(store, monkeypatch):
    scored(store, "alpha", 0.3, ("mmlu", "bbh"))
    scored(store, "beta", 0.9)
    store.tag(scored(store, "gamma", 0.5), "stable")
    assert order(draw("leaderboard", store.path, monkeypatch)) == ["beta", "gamma", "alpha"]
    assert order(draw("leaderboard", store.path, monkeypatch, up="1")) == ["alpha", "gamma", "beta"]
    assert order(draw("leaderboard", store.path, monkeypatch, sort="name")) == ["alpha", "beta", "gamma"]
    assert order(draw("leaderboard", store.path, monkeypatch, sort="bbh"))[0] == "alpha"
    assert order(draw("leaderboard", store.path, monkeypatch, find="STABLE")) == ["gamma"]
    assert order(draw("leaderboard", store.path, monkeypatch, benchmarks="bbh")) == ["alpha"]
    assert "Nothing is left" in draw("leaderboard", store.path, monkeypatch, find="nobody").html
    page = draw("leaderboard", store.path, monkeypatch, columns=["tags", "date"])
    assert page.rows()[0][-2:] == ["Tags", "Measured"]


def test_headings_are_links_that_keep_the_rest_of_the_state(store, monkeypatch):
    scored(store, "alpha", 0.3, ("mmlu", "bbh"))
    page = draw("leaderboard", store.path, monkeypatch, find="alpha")
    links = re.findall(r'<a href="(leaderboard[^"]*)"', page.html)
    assert "leaderboard?find=alpha&amp;sort=bbh" in links
    assert "leaderboard?find=alpha&amp;sort=mmlu&amp;up=1" in links  # once more turns it


def test_lineage_is_the_trial_that_trained_it(tmp_path, monkeypatch):
    from tests.leaderboard.searched import searched

    study = searched(tmp_path)
    store = Store(tmp_path / "s.duckdb")
    run = scored(store, "adapter", base_digest="b")
    store.tag(run, f"study-{study.id[:12]}-trial-2")
    (row,) = [row for board in boards(store) for row in board.rows if row.name == "adapter"]
    assert row.lineage is not None
    trial = store.trials(study.id)[1]
    assert (row.lineage.study, row.lineage.trial) == (study.id, 2)
    assert row.lineage.hyperparameters == trial.hyperparameters
    page = draw("leaderboard", store.path, monkeypatch, columns=["lineage", "hyper"], find="adapter")
    assert f"studies?study={study.id}" in page.html
    assert f"rank {trial.hyperparameters['rank']}" in page.text


def test_preference_is_that_of_the_ranking_and_never_mixed(tmp_path, monkeypatch):
    from judges.ranking.evidence import gather
    from judges.ranking.report import ranking_report
    from tests.leaderboard.judged import judged

    store = judged(tmp_path / "s.duckdb")
    with store.write() as connection:  # as `harness answer` stores them
        connection.execute("UPDATE answer_sets SET model_digest = name")
    for answers in store.answer_sets():
        scored(store, answers.name, model_digest=answers.name)
    rows = draw("leaderboard", store.path, monkeypatch).rows()
    for source, title in (("people", "People"), ("judges", "Judges")):
        at = next(n for n, head in enumerate(rows[0]) if head.startswith(title))
        shown = {row[0]: row[at] for row in rows[1:]}
        models = ranking_report(gather(store), source)["models"]
        assert len(models) == 3
        for model in models:
            (cell,) = [cell for name, cell in shown.items() if name.startswith(model["name"])]
            assert cell.startswith(f"{model['strength']:+.2f}")
            assert f"{model['low']:+.2f} to {model['high']:+.2f}" in cell


def test_what_is_read_ahead_is_all_that_the_page_reads_at_first(tmp_path, monkeypatch):
    from tests.leaderboard.judged import judged

    store = judged(tmp_path / "s.duckdb")
    for name in ("one", "two"):
        scored(store, name, tasks=("mmlu", "drop"))
    monkeypatch.setenv(
        server_settings.VARIABLE,
        server_settings.environment(server_settings.Settings(str(store.path)))[server_settings.VARIABLE],
    )
    leaderboard.ahead()

    def door(*_):
        raise AssertionError("the store was read")

    monkeypatch.setattr(type(store), "read", door)
    assert set(order(draw("leaderboard", store.path, monkeypatch))) == {"one", "two"}


def test_a_run_that_is_going_on_is_shown_with_its_progress(store, monkeypatch):
    make.stored(store, items=10, name="under way")
    page = draw("leaderboard", store.path, monkeypatch)
    assert "10 of 100 items scored" in page.text
    scored(store, "done")
    page = draw("leaderboard", store.path, monkeypatch)
    assert "under way" in page.text
    assert order(page) == ["done"]


@pytest.mark.parametrize("page", ["leaderboard", "run"])
def test_without_a_store_and_without_runs_it_says_what_to_type(tmp_path, monkeypatch, page):
    missing = draw(page, tmp_path / "none.duckdb", monkeypatch)
    store = Store(tmp_path / "empty.duckdb")
    with store.write():
        pass
    for drawn in (missing, draw(page, store.path, monkeypatch)):
        assert "No scores yet" in drawn.text
        assert "harness run --model tiny" in drawn.test.get("code")[0].value


def test_hostile_names_are_text(tmp_path, monkeypatch):
    store = hostile(tmp_path / "s.duckdb")
    page = draw("leaderboard", store.path, monkeypatch, columns=[*board_table.EXTRAS])
    assert "<img" not in page.html
    assert "<script" not in page.html
    assert "<svg" not in page.html
    for text in SHOWN:
        assert text in page.text
