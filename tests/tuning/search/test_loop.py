"""The loop: budget, duplicates, order, resume of stopped and extended studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import StoreError, UsageError
from harness.progress import Progress
from tests.tuning import fakes
from tests.tuning.fakes import run
from tuning import optimizers
from tuning.report.documents import study_document
from tuning.search import rungs
from tuning.store import Store
from tuning.study import session


def test_the_budget_is_distinct_trials_with_the_fixed_points(tmp_path: Path) -> None:
    log = tmp_path / "log"
    found = run(tmp_path, log=log, budget=7, no_rungs=True)
    assert found.row.status == "finished"
    assert found.ledger.started == 7
    assert len(set(fakes.begun(log))) == len(fakes.begun(log)) == 7
    labels = [trial.label for trial in found.ledger.trials]
    assert labels[:3] == ["paper-default", "peft-default", "common"]
    assert all(trial.state == "finished" for trial in found.ledger.trials)


def test_a_finished_study_answers_at_once_and_can_be_extended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = run(tmp_path, log=log, budget=5)
    before = fakes.begun(log)
    again = run(tmp_path, log=log, budget=5)
    assert not again.computed
    assert fakes.begun(log) == before
    longer = run(tmp_path, log=log, budget=9)
    assert longer.row.id == first.row.id
    assert longer.ledger.started == 9
    (tmp_path / "whole").mkdir()
    run(tmp_path / "whole", budget=9)
    searched = [line for line in fakes.outcome(tmp_path) if "final" not in line]
    assert searched == [line for line in fakes.outcome(tmp_path / "whole") if "final" not in line]


@pytest.mark.parametrize("optimizer", ["nomad", pytest.param("tpe", marks=pytest.mark.full)])
def test_a_seed_gives_one_study_whoever_trains_it(optimizer: str, tmp_path: Path) -> None:
    found = []
    for parallel in (1, 3):
        folder = tmp_path / str(parallel)
        folder.mkdir()
        run(folder, optimizer=optimizer, block=3, parallel=parallel, budget=8)
        found.append(fakes.outcome(folder))
    assert found[0] == found[1]


def test_another_seed_gives_another(tmp_path: Path) -> None:
    first, second = run(tmp_path, budget=5), run(tmp_path, budget=5, seed=1)
    assert first.row.id != second.row.id
    assert [t.digest for t in first.ledger.trials] != [t.digest for t in second.ledger.trials]


class Repeats:
    """Proposes the same few points again and again."""

    name = "repeats"

    def __init__(self, points: list[dict[str, Any]]) -> None:
        self.points, self.told = points, []  # type: ignore[var-annotated]
        self.left = 6

    def ask(self) -> list[dict[str, Any]]:
        self.left -= 1
        return self.points if self.left else []

    def tell(self, outcomes: Any) -> None:
        self.told.append(list(outcomes))

    def close(self) -> None: ...


def test_duplicates_cost_nothing_and_are_told_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [{"rank": 16, "alpha_over_rank": 1, "dropout": 0.0, "lr": lr} for lr in (1e-3, 1e-4, 1e-3)]
    made = Repeats(points)
    monkeypatch.setattr("tuning.optimizers.make", lambda *_: made)
    log = tmp_path / "log"
    found = run(tmp_path, log=log, budget=20, no_rungs=True)
    assert len(fakes.begun(log)) == found.ledger.started == 6  # four first points and two others
    assert len(made.told) == 5
    assert made.told[0] == made.told[4]
    assert made.told[0][0] == made.told[0][2] != made.told[0][1]
    assert found.row.status == "finished"


TWO = {"rank": {"kind": "choice", "values": [8, 16]}, "lr": {"kind": "log", "low": 2e-4, "high": 2e-4}}


@pytest.mark.parametrize("optimizer", [name for name in optimizers.names() if name not in ("list", "gp", "nni-tpe")])
def test_a_space_that_is_used_up_ends_the_study(optimizer: str, tmp_path: Path) -> None:
    """Two points: one is a start point's (but for its alpha), so that five trials are all of it."""
    found = run(tmp_path, optimizer=optimizer, space=TWO, budget=9, no_rungs=True)
    assert found.row.status == "finished"
    assert found.ledger.started < 9
    assert {t.hyperparameters["rank"] for t in found.ledger.trials if t.source != "start"} <= {8, 16}
    ended = study_document(found.row, found.ledger)["study"]["ended"]
    assert ended.startswith("The space has no more points")
    again = run(tmp_path, optimizer=optimizer, space=TWO, budget=20, no_rungs=True)
    assert again.ledger.started == found.ledger.started


def test_a_rank_in_steps_is_trained_as_a_whole_number(tmp_path: Path) -> None:
    space = {"rank": {"kind": "stepped", "low": 4, "high": 16, "step": 4}}
    found = run(tmp_path, space=space, budget=9, no_rungs=True)
    ranks = [trial.hyperparameters["rank"] for trial in found.ledger.trials]
    assert all(isinstance(rank, int) for rank in ranks)
    assert set(ranks) == {4, 8, 12, 16, 32}  # 32 is a first point's, outside the space


def test_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Progress):
        def update(self, task: str, done: float = 0, total: int = 0, **_: Any) -> None:
            if task == "trials" and done == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"Stopped\. 4 of 5 trials"):
        session.run(fakes.options(tmp_path, budget=5), Interrupted(), setup=fakes.setup())
    assert Store(tmp_path / "s.duckdb").studies()[0].status == "stopped"
    run(tmp_path, budget=5)
    (tmp_path / "whole").mkdir()
    run(tmp_path / "whole", budget=5)
    assert fakes.outcome(tmp_path) == fakes.outcome(tmp_path / "whole")


def test_a_timeout_stops_before_the_next_trial(tmp_path: Path) -> None:
    found = run(tmp_path, budget=6, timeout="0.0001s")
    assert found.row.status == "stopped"
    assert found.ledger.attempts == {}
    assert run(tmp_path, budget=6).row.status == "finished"


def test_stop_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LOOK", -1.0)
    store = Store(tmp_path / "s.duckdb")

    class Ask(Progress):
        def update(self, task: str, done: float = 0, total: int = 0, **_: Any) -> None:
            if task == "trials" and done == 4:
                store.update_study(store.studies()[0].id, status="stopping")

    found = session.run(fakes.options(tmp_path, budget=6), Ask(), setup=fakes.setup())
    assert found.row.status == "stopped"
    assert len([t for t in found.ledger.trials if t.state != "running"]) == 4


def test_enqueued_points_become_trials(tmp_path: Path) -> None:
    found = run(tmp_path, budget=4)
    point = {"rank": 32, "alpha_over_rank": 1, "dropout": 0.0, "lr": 1e-3}
    found.ledger.store.enqueue(found.row.id, point)
    found = run(tmp_path, budget=6)
    assert [trial.source for trial in found.ledger.trials].count("enqueued") == 1
    assert found.ledger.trials[4].hyperparameters["lr"] == 1e-3
    assert found.ledger.store.enqueued(found.row.id) == []
    assert found.ledger.started == 6


def test_a_warm_start_begins_with_the_best_of_another(tmp_path: Path) -> None:
    """Its best five, by their rank there; a fixed point among them keeps its own name and place."""
    first = run(tmp_path, budget=12)
    second = run(tmp_path, budget=9, seed=5, warm_start=first.row.id)
    best = [first.ledger.trials[number - 1] for number in first.ledger.ranked()[:5]]
    expected = [(f"warm-{place}", trial.digest) for place, trial in enumerate(best, 1) if trial.source != "start"]
    assert 0 < len(expected) < 6
    assert [(t.label, t.digest) for t in second.ledger.trials[4:] if t.source == "start"] == expected


def test_a_budget_below_the_start_points_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="come first"):
        run(tmp_path, budget=2)


def test_one_session_at_a_time(tmp_path: Path) -> None:
    found = run(tmp_path, budget=5)
    held = f"The study {found.row.name} is held by"
    with found.ledger.store.lease(found.row.id), pytest.raises(StoreError, match=held):
        run(tmp_path, budget=6)


def test_rungs_stop_most_and_tell_estimates(tmp_path: Path) -> None:
    found = run(tmp_path, budget=12)
    ledger = found.ledger
    states = [trial.state for trial in ledger.trials]
    assert states.count("stopped") >= 8
    for trial in ledger.trials:
        assert trial.estimated == (trial.state == "stopped")
        if trial.estimated:
            (guess,) = ledger.estimate(trial.number)
            assert trial.objectives == (guess.penalized,)
            assert "penalty" in trial.reason
        fractions = [attempt.fraction for attempt in ledger.searched(trial.number)]
        assert fractions == list(rungs.FRACTIONS[: len(fractions)])
    whole = [number for number in ledger.ranked() if ledger.whole(number)]
    assert ledger.best is not None
    assert ledger.best.number == whole[0]
    assert len(whole) >= 3


def test_only_adapters_that_are_needed_are_kept(tmp_path: Path) -> None:
    found = run(tmp_path, budget=7, no_rungs=True, keep=2)
    home = found.ledger.store.study_folder(found.row.id)
    left = {path.parent.name for path in home.glob("*/*") if path.is_dir()}
    assert left == {f"trial-{number:04d}" for number in found.ledger.ranked()[:2]}
    recorded = [a.trial for a in found.ledger.store.attempts(found.row.id) if a.adapter]
    assert sorted(recorded) == sorted(found.ledger.ranked()[:2])


@pytest.mark.parametrize("optimizer", ["nomad", pytest.param("nsga2", marks=pytest.mark.full)])
@pytest.mark.parametrize("no_rungs", [True, False])
def test_several_objectives_have_a_front(no_rungs: bool, optimizer: str, tmp_path: Path) -> None:
    both = "validation,adapter-size"
    found = run(tmp_path, budget=10, optimizer=optimizer, objective=both, no_rungs=no_rungs, block=2)
    ledger, document = found.ledger, study_document(found.row, found.ledger)
    whole = {t["number"]: t["values"] for t in document["trials"] if t["rung"] == 1}
    assert document["front"]
    assert set(document["front"]) == {
        number
        for number, (a, b) in whole.items()
        if not any(x <= a and y <= b and (x, y) != (a, b) for x, y in whole.values())
    }
    if no_rungs:
        assert len(whole) == 10
        return
    assert [trial.state for trial in ledger.trials].count("stopped") >= 6
    assert ledger.finals <= len(whole) <= ledger.finals + 2
    for trial in ledger.trials:
        assert trial.estimated == (trial.state == "stopped")
        assert trial.objectives[1] == trial.hyperparameters["rank"]  # the same at each rung: no estimate, no penalty
        if trial.estimated:
            loss, _ = ledger.estimate(trial.number)
            assert trial.objectives[0] == loss.penalized
            assert f"validation {loss.sentence}; adapter-size" in trial.reason


def test_a_parallel_study_of_several_objectives_is_the_serial_one(tmp_path: Path) -> None:
    found = []
    for parallel in (1, 2):
        folder = tmp_path / str(parallel)
        folder.mkdir()
        changes: dict[str, Any] = {"objective": "validation,adapter-size", "constraint": ("seconds<=9",)}
        changes |= {"optimizer": "nsga2"}
        run(folder, block=3, parallel=parallel, budget=9, **changes)
        found.append(fakes.outcome(folder))
    assert found[0] == found[1]


def test_a_study_of_several_objectives_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    class Interrupted(Progress):
        def __init__(self, after: int) -> None:
            self.left = after

        def end(self, task: str, result: str = "") -> None:
            self.left -= task.startswith("trial")
            if self.left < 0:
                raise KeyboardInterrupt

    changes: dict[str, Any] = {"objective": "validation,adapter-size", "constraint": ("adapter-size<=200",)}
    changes |= {"optimizer": "tpe", "block": 3, "budget": 9}
    (tmp_path / "whole").mkdir()
    run(tmp_path / "whole", **changes)
    for after in (3, 2, 4, 1):  # of its trainings
        with pytest.raises(KeyboardInterrupt):
            session.run(fakes.options(tmp_path, **changes), Interrupted(after), setup=fakes.setup())
    run(tmp_path, **changes)
    assert fakes.outcome(tmp_path) == fakes.outcome(tmp_path / "whole")


def test_constraints_keep_what_is_best_within_them(tmp_path: Path) -> None:
    found = run(tmp_path, budget=9, optimizer="nomad", constraint=("adapter-size<=16",), no_rungs=True)
    assert found.ledger.best is not None
    assert found.ledger.best.hyperparameters["rank"] <= 16
    assert any(constraint > 0 for t in found.ledger.trials for constraint in t.constraints)


def test_what_cannot_keep_a_constraint_stops_at_its_first_rung(tmp_path: Path) -> None:
    found = run(tmp_path, budget=9, optimizer="nomad", constraint=("adapter-size<=16",))
    large = [trial for trial in found.ledger.trials if trial.hyperparameters["rank"] > 16]
    assert large
    for trial in large:
        assert len(found.ledger.searched(trial.number)) == 1
        assert found.ledger.whole(trial.number) is None
        assert trial.reason == "stopped at 5% of the rows: adapter-size<=16 cannot be kept"
    assert found.ledger.best is not None
    assert found.ledger.best.hyperparameters["rank"] <= 16


def test_loss_curves_are_in_the_store(tmp_path: Path) -> None:
    found = run(tmp_path, budget=5, no_rungs=True)
    steps = found.ledger.store.steps(found.row.id, 1)
    assert [step.step for step in steps] == [1, 2, 3]
    assert steps[0].lr == found.ledger.trials[0].hyperparameters["lr"]
