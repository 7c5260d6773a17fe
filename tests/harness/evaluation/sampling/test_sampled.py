"""Runs with --until: the same random items for every model, read until it is known; and on to the end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.errors import IncompleteError, UsageError
from harness.evaluation.planning import Options, Plan
from harness.evaluation.report import run_document
from harness.evaluation.run import Result, run
from harness.evaluation.sampling import looks
from harness.results import Store
from harness.stats.drawing import Place, drawn, units
from tests.harness.evaluation.questions import Losses, Questions, Skilled, Texts
from tests.harness.evaluation.test_resume import Crash, crash_at
from tests.harness.runs import assert_same, cli

GROUPS = {"easy": 60, "hard": 180}
ITEMS = sum(GROUPS.values())
ONE, OTHER = "float32", "bfloat16"  # two models, for a run's identity: the scripted backend loads none


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch) -> None:
    monkeypatch.setattr(looks, "ON_A_CPU", 16)


def measure(
    dtype: str,
    db: Path,
    until: str | None = None,
    task: Questions | None = None,
    skill: float = 0.6,
    batch: int = 60,
    **changes: Any,
) -> tuple[Result, Skilled]:
    backend = Skilled(skill, batch=batch)
    options = Options(model="tiny", dtype=dtype, db=str(db), tasks="", until=until, **changes)

    def make(plan: Plan) -> tuple[Skilled, list[str]]:
        return backend, []

    return run(options, make=make, objects=(task or Questions(GROUPS),)), backend


def order_of(task: Questions, macro: bool = False, seed: int = 0) -> list[str]:
    places = [Place(item.id, item.group, item.cluster) for item in task.items()]
    return [item for unit in drawn(units(places, macro), seed) for item in unit.items]


def read(db: Path, result: Result) -> set[str]:
    return {sample.item for sample in Store(db).samples(result.run.id, "questions")}


def test_two_models_read_the_same_items_in_random_order(tmp_path):
    results = [measure(dtype, tmp_path / "s.duckdb", "items=40")[0] for dtype in (ONE, OTHER)]
    order = order_of(Questions(GROUPS))
    assert [read(tmp_path / "s.duckdb", result) for result in results] == [set(order[:40])] * 2
    assert results[0].run.identity != results[1].run.identity
    other, _ = measure(ONE, tmp_path / "s.duckdb", "items=40", seed=1)
    assert read(tmp_path / "s.duckdb", other) == set(order_of(Questions(GROUPS), seed=1)[:40]) != set(order[:40])


def test_what_is_stored_of_a_sampled_run(tmp_path):
    result, backend = measure(ONE, tmp_path / "s.duckdb", "items=40")
    assert (result.run.status, result.run.partial, result.run.finished) == ("sampled", True, None)
    assert result.run.sampled == {"questions": {"items": 40, "of": ITEMS, "stopped": "at 40 items, as asked"}}
    assert len(backend.asked) == 40
    (score,) = [s for s in result.scores if (s.group, s.metric) == ("all", "acc")]
    right = sum(s.metrics["acc"] for s in Store(tmp_path / "s.duckdb").samples(result.run.id, "questions"))
    assert (score.method, score.n, score.value) == ("sequence", 40, pytest.approx(right / 40))
    assert 0 < score.low < score.value < score.high < 1
    shown = run_document(Store(tmp_path / "s.duckdb"), result.run)
    assert [s["sampled_of"] for s in shown["scores"] if s["group"] == "all"] == [ITEMS, ITEMS]
    assert {s["group"] for s in shown["scores"]} == {"all", "easy", "hard"}
    # for people: the run, and the leaderboard, where it is a row by itself
    code, out, _ = cli("show", result.run.id, "--db", tmp_path / "s.duckdb", width=80)
    words = " ".join(out.split())
    assert (code, "· sampled" in words, "partial" in words) == (0, True, False)
    assert "questions: sampled: 40 of 240 items, stopped at 40 items, as asked." in words
    assert "The interval holds the score of all 240 items" in words
    assert "without --until goes on to it" in words
    code, out, _ = cli("show", "--db", tmp_path / "s.duckdb", width=80)
    assert (code, "tiny (sampled)" in out, "sampled: 40 of 240 items" in out) == (0, True, True)


def test_it_stops_at_the_first_look_at_which_the_interval_is_narrow(tmp_path):
    wide, _ = measure(ONE, tmp_path / "wide.duckdb", "width=30")
    (score,) = [s for s in wide.scores if (s.group, s.metric) == ("all", "acc")]
    assert score.high - score.low <= 0.30
    assert 0 < score.n < ITEMS
    # the look before was not enough
    before = max(look for look in _looks() if look < score.n)
    earlier, _ = measure(ONE, tmp_path / "earlier.duckdb", f"items={before}")
    (score,) = [s for s in earlier.scores if (s.group, s.metric) == ("all", "acc")]
    assert score.n == before
    assert score.high - score.low > 0.30


def _looks() -> list[int]:
    found, step = [0], 0.0
    while found[-1] < ITEMS:
        step = max(looks.ON_A_CPU, looks.GROWTH * found[-1])
        found.append(min(ITEMS, found[-1] + -int(-step // 1)))
    return found[1:]


def test_without_until_it_goes_on_to_the_end(tmp_path):
    measure(ONE, tmp_path / "s.duckdb", "width=30")
    result, backend = measure(ONE, tmp_path / "s.duckdb")
    assert 0 < len(backend.asked) < ITEMS
    assert (result.run.status, result.run.partial, len(Store(tmp_path / "s.duckdb").runs())) == ("finished", False, 1)
    measure(ONE, tmp_path / "whole.duckdb")
    assert_same(Store(tmp_path / "whole.duckdb"), Store(tmp_path / "s.duckdb"), "tiny")
    shown = run_document(Store(tmp_path / "s.duckdb"), result.run)
    assert (shown["sampled"], shown["warnings"]) == ({}, [])
    assert {s["sampled_of"] for s in shown["scores"]} == {None}
    assert {s["interval"] for s in shown["scores"]} == {"wilson", "stratified"}


def test_a_run_that_went_on_elsewhere_comes_anew_when_stores_are_merged(tmp_path):
    here, there = tmp_path / "here.duckdb", tmp_path / "there.duckdb"
    measure(ONE, here, "items=40")
    shutil.copy(here, there)
    whole, _ = measure(ONE, there)
    for _ in range(2):
        Store(here).merge(there)
        (run_here,) = Store(here).runs()
        assert (run_here.id, run_here.status, run_here.sampled) == (whole.run.id, "finished", {})
    assert len(Store(here).samples(whole.run.id, "questions")) == ITEMS


def test_a_goal_that_is_reached_asks_nothing(tmp_path):
    first, _ = measure(ONE, tmp_path / "s.duckdb", "width=30")
    for until in ("width=30", "width=40", "items=8"):
        again, backend = measure(ONE, tmp_path / "s.duckdb", until)
        assert (again.computed, again.run, backend.asked) == (False, first.run, [])
    narrower, backend = measure(ONE, tmp_path / "s.duckdb", "width=20")
    assert narrower.computed
    assert backend.asked
    assert narrower.run.sampled["questions"]["items"] > first.run.sampled["questions"]["items"]
    measure(ONE, tmp_path / "s.duckdb")
    finished, backend = measure(ONE, tmp_path / "s.duckdb", "width=1")
    assert (finished.computed, finished.run.status, backend.asked) == (False, "finished", [])


def test_a_goal_out_of_reach_makes_a_whole_run(tmp_path):
    result, _ = measure(ONE, tmp_path / "s.duckdb", "width=0.01")
    assert (result.run.status, result.run.sampled) == ("finished", {})
    measure(ONE, tmp_path / "whole.duckdb")
    assert_same(Store(tmp_path / "whole.duckdb"), Store(tmp_path / "s.duckdb"), "tiny")


def test_a_whole_run_that_was_broken_off_becomes_the_same_sampled_one(tmp_path):
    """What it had answered in another order is used, and no other item counts."""

    class Broken(Skilled):
        def answer(self, requests: Any, done: Any = ()) -> Any:
            for number, batch in enumerate(super().answer(requests, done)):
                if number == 10:
                    raise RuntimeError("the backend fails")
                yield batch

    options = Options(model="tiny", dtype=ONE, db=str(tmp_path / "s.duckdb"), tasks="")
    with pytest.raises(RuntimeError, match="the backend fails"):
        run(options, make=lambda plan: (Broken(0.6, batch=10), []), objects=(Questions(GROUPS),))
    result, backend = measure(ONE, tmp_path / "s.duckdb", "width=30")
    unbroken, whole = measure(ONE, tmp_path / "unbroken.duckdb", "width=30")
    assert 0 < len(backend.asked) < len(whole.asked)
    assert result.run.sampled == unbroken.run.sampled
    assert [s.value for s in result.scores] == [s.value for s in unbroken.scores]
    assert [(s.low, s.high, s.n) for s in result.scores] == [(s.low, s.high, s.n) for s in unbroken.scores]


# a gate


def test_a_gate_stops_when_it_is_sure(tmp_path):
    task = Questions({"a": 600})
    db = tmp_path / "s.duckdb"
    measure(ONE, db, task=task, skill=0.7, name="base", batch=600)
    result, backend = measure(OTHER, db, "gate=base,max-drop=2", task=task, skill=0.4)
    assert (result.run.status, len(backend.asked) < 300) == ("sampled", True)
    stopped = result.run.sampled["questions"]["stopped"]
    assert stopped.startswith("when the gate against base was sure: fail (difference -")
    assert stopped.endswith(", max-drop 2)")
    alike, backend = measure(OTHER, db, "gate=base,max-drop=5", task=task, skill=0.71, fresh=True)
    assert (alike.run.status, len(backend.asked) < 600) == ("sampled", True)
    assert "was sure: pass (" in alike.run.sampled["questions"]["stopped"]
    words = ["--baseline", "base", "--candidate", alike.run.id, "--max-drop", 5, "--db", db]
    assert cli("gate", *words)[0] == 0  # which reads the same part, in the same order
    measure(OTHER, db, task=task, skill=0.71, batch=600)
    assert cli("gate", *words)[0] == 0


def test_a_gate_needs_a_whole_baseline_on_the_same_items(tmp_path):
    db = tmp_path / "s.duckdb"
    measure(ONE, db, "items=40", name="base")
    with pytest.raises(IncompleteError, match="does not have all its answers, so it is no baseline yet"):
        measure(OTHER, db, "gate=base")
    measure(ONE, db, name="base")
    with pytest.raises(UsageError, match="has no task others, so it is no baseline of it"):
        measure(OTHER, db, "gate=base", task=_called("others"))
    with pytest.raises(UsageError, match=r"cannot be compared, because the setting asked differs"):
        measure(OTHER, db, "gate=base", limit=10)
    with pytest.raises(UsageError, match=r"There is no run 'bace'.* Did you mean base"):
        measure(OTHER, db, "gate=bace")
    assert len(Store(db).runs()) == 1


def test_a_gate_needs_the_same_items(tmp_path):
    options = Options(model="tiny", db=str(tmp_path / "s.duckdb"), tasks="mmlu", data="sample", limit=2, name="base")
    run(options, make=lambda plan: (Skilled(0.5, batch=60), []))
    with pytest.raises(
        UsageError, match=r"mmlu: base .* has acc of 8 items, and this run asks 12: a gate needs the same"
    ):
        run(options.replace(limit=3, until="gate=base"), make=lambda plan: (Skilled(0.5), []))


def _called(name: str) -> Questions:
    task = Questions(GROUPS)
    task.name = name
    return task


# what is read together, and figures


def test_clusters_are_read_whole(tmp_path):
    task = Questions({"a": 200}, per_cluster=7)
    result, _ = measure(ONE, tmp_path / "s.duckdb", "items=40", task=task)
    items = read(tmp_path / "s.duckdb", result)
    clusters = {item.cluster for item in task.items() if item.id in items}
    assert items == {item.id for item in task.items() if item.cluster in clusters}
    assert 40 <= len(items) < 47
    assert items == set(order_of(task)[: len(items)])


def test_repeats_are_read_whole(tmp_path):
    result, backend = measure(ONE, tmp_path / "s.duckdb", "width=40", task=Texts(GROUPS), repeats=3, temperature=1.0)
    assert result.run.status == "sampled"
    read_items = result.run.sampled["questions"]["items"]
    assert len(backend.asked) == 3 * read_items
    (score,) = [s for s in result.scores if (s.group, s.metric) == ("all", "acc")]
    assert (score.n, result.run.sampled["questions"]["of"]) == (read_items, ITEMS)


def test_a_macro_score_is_of_the_groups_means(tmp_path):
    """Groups of 60 and 180 items weigh alike: small ones are drawn as often as large ones."""
    task = Questions(GROUPS, metric="acc_macro")
    result, _ = measure(ONE, tmp_path / "s.duckdb", "width=30", task=task)
    assert result.run.status == "sampled"
    whole, _ = measure(ONE, tmp_path / "whole.duckdb", task=task)
    for sampled in result.scores:
        (full,) = [s for s in whole.scores if (s.group, s.metric) == (sampled.group, sampled.metric)]
        assert sampled.low <= full.value <= sampled.high
    items = read(tmp_path / "s.duckdb", result)
    assert items == set(order_of(task, macro=True)[: len(items)])
    easy = sum(item.startswith("easy") for item in items)
    assert easy > len(items) / 3


def test_a_metric_that_is_no_share_is_read_whole_with_a_warning(tmp_path):
    result, _ = measure(ONE, tmp_path / "s.duckdb", "width=30", task=Losses(GROUPS))
    assert result.run.status == "finished"
    assert result.run.warnings == (
        "questions: all items are read, because acc is no mean of values from 0 to 1, of which a part of the items "
        "could tell",
    )


def test_figures_that_need_all_items_are_left_out_and_said(tmp_path):
    class WithMore(Questions):
        def summarize(self, samples: Any) -> Any:
            from harness.types import Score

            return [*super().summarize(samples), Score("all", "odd", 0.5, 0.1, 0.9, len(samples), "none")]

    result, _ = measure(ONE, tmp_path / "s.duckdb", "items=40", task=WithMore(GROUPS))
    assert result.run.warnings == ("questions: left out, because all items make these figures: odd",)
    assert {s.metric for s in result.scores} == {"acc", "acc_macro"}
    result, _ = measure(ONE, tmp_path / "s.duckdb", task=WithMore(GROUPS))
    assert result.run.warnings == ()
    assert "odd" in {s.metric for s in result.scores}


def test_graded_tasks_are_refused(tmp_path):
    task = Questions(GROUPS)
    vars(task)["grading"] = object()
    with pytest.raises(UsageError, match=r'^until="items=40": answers of questions are graded when all are there'):
        measure(ONE, tmp_path / "s.duckdb", "items=40", task=task)
    assert not (tmp_path / "s.duckdb").exists()


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.full)])
def test_a_fault_at_a_commit(step, tmp_path):
    """The same items and the same decision, whichever commit is the last before the end."""
    task = Questions({"a": 60})
    with crash_at(0, after=False) as seen:
        whole, _ = measure(ONE, tmp_path / "whole.duckdb", "width=45", task=task, batch=10)
    assert whole.run.status == "sampled"
    assert 20 < whole.run.sampled["questions"]["items"] < 60
    for commit in range(3, seen[0] + 1, step):
        db = tmp_path / f"{commit}.duckdb"
        with crash_at(commit, after=False), pytest.raises(Crash):
            measure(ONE, db, "width=45", task=task, batch=10)
        result, _ = measure(ONE, db, "width=45", task=task, batch=10)
        assert_same(Store(tmp_path / "whole.duckdb"), Store(db), "tiny", status="sampled")
        assert result.run.sampled == whole.run.sampled
        assert read(db, result) == read(tmp_path / "whole.duckdb", whole)
