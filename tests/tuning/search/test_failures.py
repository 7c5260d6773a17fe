"""What goes wrong costs its trial, or stops the study with a sentence; the store is whole."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.errors import MissingError, StoreError
from tests.tuning import fakes
from tests.tuning.child import nursery
from tests.tuning.fakes import run
from tuning import optimizers
from tuning.report.documents import study_document
from tuning.store import Store
from tuning.types import Measured, TrialError


@pytest.mark.parametrize("fault", ["trial", "raise"])
def test_packed_trials_have_their_own_ends(fault: str, tmp_path: Path) -> None:
    """A companion that fails, or that brings the whole batch down, costs its own trial alone."""
    few = {
        "rank": {"kind": "choice", "values": [32, 64]},
        "alpha_over_rank": {"kind": "choice", "values": [1]},
        "dropout": {"kind": "choice", "values": [0.0]},
        "lr": {"kind": "choice", "values": [1e-4, 1e-3]},
    }
    log = tmp_path / "log"
    found = run(tmp_path, {64: fault}, log, space=few, block=4, packed=4, budget=9, no_rungs=True)
    assert found.ledger.started == 8  # four fixed points and all of the space, in one batch
    for trial in found.ledger.trials:
        assert (trial.state == "failed") == (trial.hyperparameters["rank"] == 64)
    again = len(fakes.begun(log)) - len(set(fakes.begun(log)))  # beside one that raised, and then once more alone
    assert bool(again) == (fault == "raise")


FAULTS = ("trial", "raise", "nan", "memory")


SOME = [("nomad", "nan"), ("nomad", "raise")]
OTHERS = [(o, f) for o in optimizers.names() for f in FAULTS if o != "list" and (o, f) not in SOME]


@pytest.mark.parametrize(
    ("optimizer", "fault"), [*SOME, *(pytest.param(*other, marks=pytest.mark.full) for other in OTHERS)]
)
def test_failures_cost_their_trials(optimizer: str, fault: str, tmp_path: Path) -> None:
    """Rank 8 is that of all start points: x0 fails too."""
    found = run(tmp_path, {8: fault, 64: fault}, optimizer=optimizer, budget=6, no_rungs=True)
    assert found.row.status == "finished"
    assert found.ledger.started == 6
    for trial in found.ledger.trials:
        assert (trial.state == "failed") == (trial.hyperparameters["rank"] in (8, 64))
        assert bool(trial.reason) == (trial.state == "failed")
    assert found.ledger.best is not None


def test_a_study_where_all_fails_ends_and_says_so(tmp_path: Path) -> None:
    everything = {2**n: "trial" for n in range(2, 9)}
    found = run(tmp_path, everything, optimizer="nomad", budget=6)
    assert [trial.state for trial in found.ledger.trials] == ["failed"] * 6
    assert found.ledger.best is None
    assert study_document(found.row, found.ledger)["best"] is None


def test_a_full_disk_stops_the_study_and_it_goes_on(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path, {8: "disk"}, budget=4)
    store = Store(tmp_path / "s.duckdb")
    assert store.studies()[0].status == "stopped"
    assert store.attempts(store.studies()[0].id) == []
    run(tmp_path, budget=4)
    (tmp_path / "whole").mkdir()
    run(tmp_path / "whole", budget=4)
    assert fakes.outcome(tmp_path) == fakes.outcome(tmp_path / "whole")


def test_a_full_disk_under_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Store.save_attempt

    def full(self: Store, *rest: Any) -> None:
        if len(self.attempts(rest[0].study)) == 3:
            raise StoreError("The disk is full")
        real(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "save_attempt", full)
        with pytest.raises(StoreError, match="full"):
            run(tmp_path, budget=4)
    run(tmp_path, budget=4)
    (tmp_path / "whole").mkdir()
    run(tmp_path / "whole", budget=4)
    assert fakes.outcome(tmp_path) == fakes.outcome(tmp_path / "whole")


def test_a_disk_that_fills_up(small_disk: Path, tmp_path: Path) -> None:
    """A real one. With room again the same command goes on, and ends as a study with room from the start."""
    log, filler = tmp_path / "log", small_disk / "filler"
    told = {"db": str(small_disk / "s.duckdb"), "budget": 16, "no_rungs": True}
    children = nursery()
    children.start(tmp_path, log=str(log), options=told)
    while len(fakes.begun(log)) < 3:
        time.sleep(0.001)  # polls a file that another process writes
    with open(filler, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert children.ended() == 5, (tmp_path / "err").read_text()
    said = (tmp_path / "err").read_text()
    assert "The disk is full" in said or "No space left" in said
    assert "Traceback" not in said
    assert len(fakes.begun(log)) < 16
    filler.unlink()
    assert children.run(tmp_path, log=str(log), options=told) == 0, (tmp_path / "err").read_text()
    (tmp_path / "whole").mkdir()
    assert children.run(tmp_path / "whole", options={**told, "db": str(tmp_path / "whole" / "s.duckdb")}) == 0
    assert fakes.outcome(small_disk) == fakes.outcome(tmp_path / "whole")


def failing(error: Exception) -> Any:
    """An objective that raises for rank 8, which all start points have, and measures the others."""

    def measure(measured: Measured) -> float:
        if measured.adapter_bytes == 8:
            raise error
        return measured.trained.validation.mean

    return lambda word, where: measure


@pytest.mark.parametrize("error", [KeyError("its loss"), TypeError("none"), ZeroDivisionError(), TrialError("no end")])
def test_an_evaluation_that_raises_costs_its_trial(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuning.objectives.objectives.measure_of", failing(error))
    found = run(tmp_path, budget=6, no_rungs=True)
    assert found.row.status == "finished"
    for trial in found.ledger.trials:
        assert (trial.state == "failed") == (trial.hyperparameters["rank"] == 8)
        assert ("cannot be measured" in trial.reason) == (trial.state == "failed")
    assert found.ledger.best is not None


@pytest.mark.parametrize("error", [StoreError("The disk is full"), OSError(28, "No space left on device")])
def test_an_evaluation_that_no_trial_is_to_blame_for_stops_the_study(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("tuning.objectives.objectives.measure_of", failing(error))
        with pytest.raises(type(error), match=r"disk is full|No space"):
            run(tmp_path, budget=4)
    found = run(tmp_path, budget=4)
    assert "failed" not in [trial.state for trial in found.ledger.trials]


def test_children_that_abort(tmp_path: Path) -> None:
    """A base that aborts whatever is trained costs the trial; one that aborts once costs nothing."""
    log = tmp_path / "log"
    found = run(tmp_path, {8: "abort"}, log=log, parallel=2, budget=6, no_rungs=True)
    failed = [trial for trial in found.ledger.trials if trial.state == "failed"]
    assert [trial.hyperparameters["rank"] for trial in failed] == [8] * len(failed)
    assert "SIGABRT" in failed[0].reason
    assert len(failed) >= 3
    (tmp_path / "once").mkdir()
    found = run(tmp_path / "once", {8: "abort once"}, log=tmp_path / "once.log", parallel=2, budget=6, no_rungs=True)
    assert all(trial.state == "finished" for trial in found.ledger.trials)
    notes = found.ledger.store.study_notes(found.row.id)
    assert "trained again" in notes[0][1]


def test_workers_that_cannot_begin_stop_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no trial's fault when a worker's process lacks what it needs, and none is recorded as failed."""
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(MissingError, match="exit code 1 before it could begin"):
        run(tmp_path, parallel=2, budget=5)
    assert not Store(tmp_path / "s.duckdb").exists()
    monkeypatch.undo()
    run(tmp_path, budget=5)
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(MissingError, match="exit code 1 before it could begin"):
        run(tmp_path, parallel=2, budget=7, block=1)
    store = Store(tmp_path / "s.duckdb")
    study = store.studies()[0]
    assert study.status == "stopped"
    assert not any(attempt.failed for attempt in store.attempts(study.id))


def test_a_trial_that_kills_its_process_leaves_a_whole_store(tmp_path: Path) -> None:
    assert nursery().run(tmp_path, faults={"8": "abort"}, options={"budget": 5}) == -6
    store = Store(tmp_path / "s.duckdb")
    study = store.studies()[0]
    assert [trial.state for trial in store.trials(study.id)] == ["running"] * 4
    assert nursery().run(tmp_path, options={"budget": 5}) == 0
    assert json.dumps([t.state for t in store.trials(study.id)]).count("running") == 0
