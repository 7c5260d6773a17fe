"""`harness gate`: exit codes from paired intervals, and what is no gate at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evaluation.compare import Comparison
from harness.evaluation.sampling import looks
from harness.evaluation.sampling.gating import overall, sentence, verdict
from harness.results import Store
from harness.stats.drawing import Place, drawn, units
from tests.harness.results import make
from tests.harness.runs import cli, json_of


def measured(store: Store, name: str, tasks: dict[str, list[float]], **columns: Any) -> None:
    """A finished run with these right and wrong answers."""
    settings = columns.pop("settings", {})
    metric = columns.pop("metric", "acc")
    run = make.run(name=name, **{"status": "finished", **columns})
    store.create(run, [make.task(run.id, task, settings=settings, metric=metric) for task in tasks])
    for task, values in tasks.items():
        rows = [
            make.sample(run.id, f"{task}/{n}", task=task, metrics={metric: value}) for n, value in enumerate(values)
        ]
        store.record(run.id, samples=rows)


def answers(right: int, wrong: int) -> list[float]:
    return [1.0] * right + [0.0] * wrong


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A baseline of 600 and 400; runs that lose none, twelve, a hundred of the right ones."""
    made = Store(tmp_path / "s.duckdb")
    for name, lost in (("base", 0), ("same", 0), ("near", 12), ("worse", 100)):
        measured(made, name, {"mmlu": answers(600 - lost, 400 + lost)})
    return made


def gate(store: Store, candidate: str, *words: object, baseline: str = "base") -> tuple[int, dict[str, Any]]:
    command = ("gate", "--baseline", baseline, "--candidate", candidate, *words, "--db", store.path)
    code, out, errors = cli(*command, "--json")
    assert not errors
    printed = cli(*command)
    document = json.loads(out)
    assert printed[0] == code
    assert document["sentence"] in " ".join(printed[1].split())
    return code, document


@pytest.mark.parametrize(
    ("candidate", "words", "code", "said"),
    [
        ("same", (), 0, "pass"),
        ("near", (), 2, "undecided"),  # -1.2 points: the interval holds -1
        ("near", ("--max-drop", 3), 0, "pass"),
        ("near", ("--max-drop", 0.1), 1, "fail"),
        ("worse", (), 1, "fail"),
        ("worse", ("--max-drop", 20), 0, "pass"),
    ],
)
def test_the_exit_code_is_the_verdict(store, candidate, words, code, said):
    found, document = gate(store, candidate, *words)
    assert (found, document["verdict"], document["tasks"][0]["verdict"]) == (code, said, said)


def test_a_better_run_passes_and_its_baseline_would_fail(store):
    assert gate(store, "base", baseline="worse")[0] == 0
    assert gate(store, "worse", baseline="base")[0] == 1


def test_the_figures_are_those_of_compare(store):
    (row,) = json_of("compare", "base", "near", "--db", store.path)
    ((shown,),) = [gate(store, "near")[1]["tasks"]]
    of_compare = {name: row[name] for name in ("unverified", "runs", "configurations", "warnings")}
    assert shown.pop("distance_told") > 0
    assert {**row, "verdict": "undecided"} == {**shown, **of_compare}


def test_the_worst_task_decides_and_tasks_can_be_chosen(tmp_path):
    store = Store(tmp_path / "s.duckdb")
    measured(store, "base", {"mmlu": answers(600, 400), "bbh": answers(600, 400), "drop": answers(600, 400)})
    measured(store, "new", {"mmlu": answers(600, 400), "bbh": answers(588, 412), "drop": answers(500, 500)})
    code, document = gate(store, "new")
    assert (code, [t["verdict"] for t in document["tasks"]]) == (1, ["pass", "undecided", "fail"])
    assert "drop" in document["sentence"]
    assert "mmlu" not in document["sentence"]
    assert gate(store, "new", "--task", "mmlu", "--task", "bbh")[0] == 2
    code, document = gate(store, "new", "--task", "mmlu")
    assert (code, len(document["tasks"])) == (0, 1)


def test_a_task_that_was_not_measured_has_not_passed(tmp_path):
    store = Store(tmp_path / "s.duckdb")
    measured(store, "base", {"mmlu": answers(60, 40), "bbh": answers(60, 40)})
    measured(store, "new", {"mmlu": answers(60, 40)})
    command = ("gate", "--baseline", "base", "--candidate", "new", "--db", store.path)
    code, out, errors = cli(*command, "--json")
    assert (code, out) == (2, "")
    assert "no task bbh" in errors
    assert "--task" in errors
    code, _, errors = cli(*command, "--task", "mmlo")
    assert code == 2
    assert "Did you mean mmlu?" in errors
    assert cli(*command, "--task", "mmlu", "--max-drop", 50)[0] == 0


def test_runs_that_are_not_finished_or_not_alike_are_no_gate(tmp_path):
    store = Store(tmp_path / "s.duckdb")
    measured(store, "base", {"mmlu": answers(60, 40)})
    measured(store, "going", {"mmlu": answers(60, 40)}, status="running")
    measured(store, "other", {"mmlu": answers(60, 40)}, settings={"cot": False})
    for name, code, said in (("going", 7, "not finished"), ("other", 2, "cot"), ("nobody", 2, "There is no run")):
        found, out, errors = cli("gate", "--baseline", "base", "--candidate", name, "--db", store.path)
        assert (found, out) == (code, "")
        assert said in errors


@pytest.mark.parametrize(
    ("metric", "settings", "value"),
    [("perplexity", {}, 12.5), ("brier", {"higher_is_better": {"brier": False}}, 0.25)],
)
def test_what_cannot_drop_by_points_is_refused(tmp_path, metric, settings, value):
    store = Store(tmp_path / "s.duckdb")
    for name in ("base", "new"):
        measured(store, name, {"odd": [value] * 20}, metric=metric, settings=settings)
    code, _, errors = cli("gate", "--baseline", "base", "--candidate", "new", "--db", store.path)
    assert code == 2
    assert metric in errors


def test_marks_of_the_runs_are_shown(tmp_path):
    store = Store(tmp_path / "s.duckdb")
    measured(store, "base", {"mmlu": answers(60, 40)}, partial=True)
    served = {"backend_details": {"unverified": "a server"}}
    measured(store, "new", {"mmlu": answers(60, 40)}, partial=True, config=served)
    _, out, _ = cli("gate", "--baseline", "base", "--candidate", "new", "--db", store.path)
    for mark in ("The baseline is partial.", "The candidate is partial.", "The candidate is unverified."):
        assert mark in out
    assert "The baseline is unverified." not in out


def read_in_part(store: Store, name: str, lost: int, items: int) -> None:
    """A run of the same 1,000 items that loses some of the right ones, of which it has read so many at random."""
    values = np.array(answers(600, 400))
    values[np.random.default_rng(0).choice(600, lost, replace=False)] = 0.0
    order = drawn(units([Place(f"mmlu/{n}", "", "") for n in range(1000)], macro=False), 0)
    sampled = {"tasks": {"mmlu": {"items": items, "of": 1000, "stopped": ""}}}
    run = make.run(name=name, status="sampled", partial=True, seed=0, totals={"sampled": sampled})
    store.create(run, [make.task(run.id, "mmlu", settings={}, metric="acc")])
    rows = [
        make.sample(run.id, unit.items[0], task="mmlu", metrics={"acc": float(values[int(unit.items[0][5:])])})
        for unit in order[:items]
    ]
    store.record(run.id, samples=rows)


def test_a_part_of_the_items_is_enough_where_it_tells_the_verdict(store):
    read_in_part(store, "part worse", 100, 300)
    read_in_part(store, "part near", 12, 300)
    code, document = gate(store, "part worse")
    assert (code, document["verdict"]) == (1, "fail")
    (row,) = document["tasks"]
    assert (row["n"], row["of"], row["method"]) == (300, 1000, "sequence")
    assert row["low"] <= -0.1 <= row["high"] < -0.01
    code, document = gate(store, "part near")
    assert (code, document["verdict"]) == (2, "not yet")
    assert "--until" in document["sentence"]
    printed = cli("gate", "--baseline", "base", "--candidate", "part near", "--db", store.path)[1]
    assert "300 of 1,000 items tell" in printed
    assert "of 1000" in printed
    assert "partial" not in printed
    compared = " ".join(cli("compare", "base", "part worse", "--db", store.path)[1].split())
    assert "decided after 300 of 1,000 items" in compared
    assert "undecided" not in compared
    assert "The figures are those of all items, from both runs together" in compared
    both_whole = " ".join(cli("compare", "base", "same", "--db", store.path)[1].split())
    assert "from both runs together" not in both_whole
    assert "undecided after" in " ".join(cli("compare", "same", "part near", "--db", store.path)[1].split())
    code, out, errors = cli("gate", "--baseline", "base", "--candidate", "part worse", "--whole", "--db", store.path)
    assert (code, out) == (7, "")
    assert "without --until" in errors


def test_a_drop_below_zero_is_no_limit(store):
    assert cli("gate", "--baseline", "base", "--candidate", "same", "--max-drop", -1, "--db", store.path)[0] == 2


ENDS = st.tuples(*[st.floats(-1, 1)] * 2).map(sorted)


@given(st.lists(ENDS, min_size=1, max_size=5), st.floats(0, 100))
def test_verdicts_follow_from_the_ends(ends, max_drop):
    verdicts = {}
    for n, (low, high) in enumerate(ends):
        row = Comparison("t", "all", "acc", 9, 0.5, 0.5, (low + high) / 2, low, high, 0.5, None, None, None, "mcnemar")
        verdicts[f"t{n}"] = found = verdict(row, max_drop)
        assert (found == "pass") == (low > -max_drop / 100)
        assert (found == "fail") == (high < -max_drop / 100)
    whole = overall(list(verdicts.values()))
    assert (whole == "fail") == ("fail" in verdicts.values())
    assert (whole == "pass") == (set(verdicts.values()) == {"pass"})
    assert sentence(verdicts, max_drop).lower().startswith(whole)


def perfect(store: Store, of: Store, run_id: str) -> None:
    """In `store` a run named best, asked as the one of another store, with right answers to all of MMLU."""
    run = of.resolve(run_id)
    best = replace(run, id="b" * 32, identity="i" * 64, name="best")
    store.create(best, [replace(task, run=best.id) for task in of.tasks(run.id)])
    rows = [replace(row, run=best.id, metrics=dict.fromkeys(row.metrics, 1.0)) for row in of.samples(run.id, "mmlu")]
    store.record(best.id, samples=rows)


def test_a_model_is_measured_as_the_baseline_was_as_far_as_it_takes(tmp_path, monkeypatch):
    """With runs of `tiny`, against a baseline that knows all."""
    monkeypatch.setattr(looks, "ON_A_CPU", 16)
    asked = ("run", "--model", "tiny", "--tasks", "mmlu", "--data", "sample", "--shots", 0)
    first, db = tmp_path / "first.duckdb", tmp_path / "s.duckdb"
    perfect(Store(db), Store(first), json_of(*asked, "--db", first)["run"])
    command = ("gate", "--baseline", "best", "--model", "tiny", "--max-drop", 5, "--db", db)
    code, out, errors = cli(*command, "--json")
    document = json.loads(out)
    (row,) = document["tasks"]
    assert (code, document["verdict"], row["of"]) == (1, "fail", 100)
    assert 0 < row["n"] < 100
    assert "5 of 100 items tell" in errors
    assert "points from -5 with a chance of 80%, and 20 items" in errors
    # it has what it needs; then all of it
    assert json.loads(cli(*command, "--json")[1])["tasks"] == [row]
    code, out, _ = cli(*command, "--whole", "--json")
    (whole,) = json.loads(out)["tasks"]
    assert (code, whole["n"], whole["of"]) == (1, 100, None)
    assert row["low"] <= whole["difference"] <= row["high"]
    assert {run.status for run in Store(db).runs()} == {"finished"}


def test_a_candidate_is_a_run_or_a_model(tmp_path, store):
    for words in ((), ("--candidate", "same", "--model", "tiny")):
        code, out, errors = cli("gate", "--baseline", "base", *words, "--db", store.path)
        assert (code, out) == (2, "")
        assert "--candidate, or" in " ".join(errors.split())
    code, out, errors = cli("gate", "--baseline", "base", "--model", "tiny", "--db", store.path)
    assert (code, out) == (2, "")
    assert "does not say by which --tasks" in " ".join(errors.split())
