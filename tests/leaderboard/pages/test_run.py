"""A run's page: figures as `harness show` and `compare` have them, and the sample browser."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.cli.tables import interval
from leaderboard.runs.sample_cards import code
from tests.harness.results import make
from tests.harness.runs import json_of
from tests.leaderboard.hostile import SHOWN, hostile
from tests.leaderboard.make import NOW
from tests.leaderboard.page_runner import draw
from tuning.store import Store

ITEMS = 24


def measured(store: Store, name: str, wrong: set[int], status: str = "finished", **columns: Any) -> str:
    """A run of 24 items in two subjects, with responses; the items in `wrong` are wrong."""
    run = make.run(name=name, status=status, model_digest=name, warnings=("mind this",), **columns)
    store.create(run, [make.task(run.id, items=ITEMS)])
    groups = [("anatomy", "law")[n % 2] for n in range(ITEMS)]
    store.record(
        run.id,
        [
            make.response(
                run.id, f"i{n}", kind="generate", shared="Examples.", own=f"Question {n}?", text=f"{name} says {n}."
            )
            for n in range(ITEMS)
        ],
        [
            make.sample(run.id, f"i{n}", float(n not in wrong), group=groups[n], expected="B", note=f"note {n}")
            for n in range(ITEMS)
        ],
    )
    if status == "finished":
        own = {"all": range(ITEMS), "anatomy": range(0, ITEMS, 2), "law": range(1, ITEMS, 2)}
        scores = []
        for group, items in own.items():
            value = sum(n not in wrong for n in items) / len(items)
            scores.append(
                make.score(
                    run.id, group=group, value=value, low=max(0, value - 0.1), high=min(1, value + 0.1), n=len(items)
                )
            )
        store.save_scores(run.id, scores)
        tokens = {"asked": 1000, "computed": 600, "reused": 400, "generated": 50}
        store.update(run.id, totals={"tokens": tokens, "seconds": {"model": 2.0, "total": 3.5}})
    return run.id


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s.duckdb")


@pytest.fixture
def two(store: Store) -> tuple[str, str]:
    """A baseline, and a newer run that loses 8 items and gains 1."""
    return (
        measured(store, "base", {0}, created=NOW),
        measured(store, "tuned", set(range(4, 20, 2)), created=NOW + timedelta(minutes=1)),
    )


def cards(page) -> list[str]:
    return re.findall(r"<article.*?</article>", page.html, flags=re.S)


def items(page) -> list[str]:
    return [re.findall(r"\bi\d+", card)[0] for card in cards(page)]


def test_scores_are_those_of_show(store, two, monkeypatch):
    document = json_of("show", two[1], "--db", store.path)
    rows = {row[0]: row for row in draw("run", store.path, monkeypatch, run=two[1]).rows()}
    assert len(document["scores"]) == 3
    for score in document["scores"]:
        value, low, high = re.findall(r"[\d.]+", interval(score))
        name = score["metric"] if score["group"] == "all" else score["group"]
        assert rows[name][1] == str(score["n"])
        assert rows[name][2].startswith(value)
        assert f"{low} – {high}" in rows[name][2]


def test_differences_are_those_of_compare(store, two, monkeypatch):
    page = draw("run", store.path, monkeypatch, run=two[1], against=two[0])
    rows = {row[0]: row for row in page.rows()}
    found = json_of("compare", two[0], two[1], "--groups", "--db", store.path)
    assert {c["group"] for c in found} == {"all", "anatomy", "law"}
    for c in found:
        cells = rows[c["metric"] if c["group"] == "all" else c["group"]]
        assert cells[3] == f"{100 * c['a']:.1f}"
        assert cells[4].startswith(f"{100 * c['difference']:+.1f}")
        assert f"{100 * c['low']:+.1f} to {100 * c['high']:+.1f}" in cells[4]
        assert cells[5] == f"{c['p_value']:.3g}"
        assert cells[6] == f"{c['lost']} / {c['gained']}"


def test_what_cannot_be_compared_says_why(store, two, monkeypatch):
    other = measured(store, "other", set())
    with store.write() as connection:
        connection.execute("UPDATE tasks SET shots = 0 WHERE run = ?", [other])
    page = draw("run", store.path, monkeypatch, run=two[1], against=other)
    assert "the number of shots differs" in page.text
    assert "Lost / gained" not in page.text


def test_the_newest_run_is_shown_first_and_others_by_the_beginning_of_their_id(store, two, monkeypatch):
    assert ">tuned</h1>" in draw("run", store.path, monkeypatch).html
    assert ">base</h1>" in draw("run", store.path, monkeypatch, run=two[0][:12]).html
    assert ">tuned</h1>" in draw("run", store.path, monkeypatch, run="nonsense").html


def test_head_warnings_and_throughput(store, two, monkeypatch):
    store.tag(two[1], "stable")
    page = draw("run", store.path, monkeypatch)
    assert "stable" in page.text
    assert "mind this" in page.text
    assert "Speed300computed tokens a second" in page.text
    page = draw("run", store.path, monkeypatch, view="provenance")
    for word in (two[1], "standard", "Seed7", "float32 on cpu"):
        assert word in page.text


def test_a_run_that_is_not_finished_shows_how_far_it_is(store, monkeypatch):
    measured(store, "under way", set(), status="running")
    page = draw("run", store.path, monkeypatch)
    assert "not finished" in page.text
    assert "24 of 24 scored" in page.text
    assert len(cards(draw("run", store.path, monkeypatch, view="samples"))) == 10


# the sample browser


def test_all_of_a_sample_is_shown(store, two, monkeypatch):
    page = draw("run", store.path, monkeypatch, run=two[0], view="samples")
    first = cards(page)[0]
    assert items(page)[0] == "i0"
    for text in ("Question 0?", "base says 0.", "Examples.", "expected", ">B<", ">wrong<", "note 0"):
        assert text in first
    assert "<details><summary>shared prompt" in first
    assert "1 to 10 of 24 samples" in page.text


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({"wrong": "1"}, ["--wrong"]),
        ({"group": "law"}, ["--group", "law"]),
        ({"find": "SAYS 7"}, ["--search", "SAYS 7"]),
        ({"find": "note 1"}, ["--search", "note 1"]),
        ({"find": "nowhere"}, ["--search", "nowhere"]),
        ({"page": "3"}, ["--page", "3"]),
    ],
)
def test_filters_find_what_samples_finds(store, two, monkeypatch, query, options):
    page = draw("run", store.path, monkeypatch, run=two[1], view="samples", **query)
    found = json_of("samples", two[1], *options, "--db", store.path)
    assert items(page) == [row["item"] for row in found["samples"]]
    assert (f"of {found['total']} samples" in page.text) is bool(found["total"])


def test_only_flips_and_the_other_runs_answer_beside(store, two, monkeypatch):
    page = draw("run", store.path, monkeypatch, run=two[1], view="samples", beside=two[0], flips="1")
    found = json_of("samples", two[1], "--flips", two[0], "--db", store.path)
    assert found["total"] == 9
    assert items(page) == [row["item"] for row in found["samples"]]
    assert "base says 0." in cards(page)[0]
    assert "tuned says 0." in cards(page)[0]
    wrong = draw("run", store.path, monkeypatch, run=two[1], view="samples", beside=two[0], flips="1", wrong="1")
    assert "i0" not in items(wrong)
    assert len(items(wrong)) == 8


def test_programs_are_shown_with_their_failure(store, monkeypatch):
    run = make.run(name="coder", status="finished")
    store.create(run, [make.task(run.id, "humaneval", metric="pass@1", items=1)])
    program = "def f(x):\n    return '<b>' + x  # done"
    store.record(
        run.id,
        [
            make.response(
                run.id, "h/0", task="humaneval", kind="generate", own="def f(x):\n", text="    return '<b>' + x  # done"
            )
        ],
        [
            make.sample(
                run.id,
                "h/0",
                task="humaneval",
                metrics={"pass@1": 0.0},
                answer=program,
                note="failed: <AssertionError>",
            )
        ],
    )
    page = draw("run", store.path, monkeypatch, view="samples")
    assert '<span class="k">return</span>' in page.html
    assert "&lt;b&gt;" in page.html
    assert "the program that ran" in page.text
    assert 'class="failure" dir="auto">failed: &lt;AssertionError&gt;<' in page.html
    assert "<b>'" not in page.html


def test_code_is_text_whatever_it_is():
    for text in ("<script>alert(1)</script>", "def f(:\n\t'\x1b[31m", "'''</pre><img src=x>", "\ud800"):
        made = code(text)
        assert "<script" not in made
        assert "<img" not in made
        assert "</pre>" not in made
        assert re.sub(r"</?span[^>]*>", "", made).count("<") == 0
    assert code("") == ""


@pytest.mark.parametrize("view", ["scores", "samples", "provenance"])
def test_hostile_text_is_text(tmp_path, monkeypatch, view):
    store = hostile(tmp_path / "s.duckdb")
    shown = ""
    for run in store.runs():
        page = draw("run", store.path, monkeypatch, run=run.id, view=view)
        for tag in ("<img", "<script", "<svg", "<style>*"):
            assert tag not in page.html
        shown += page.text
    for text in SHOWN:
        assert text in shown
