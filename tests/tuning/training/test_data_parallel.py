"""One trial on two processes: the same losses as on one, and a sentence where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.models.checkpoint import Checkpoint
from tests.tuning.models import hyper, small_base, small_splits
from tuning.training.train import Trainer
from tuning.training.train_settings import TrainSettings
from tuning.types import Step, TrialError


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return small_base(tmp_path_factory.mktemp("base") / "model")


@pytest.mark.full
def test_two_processes_train_as_one(base: Checkpoint, tmp_path: Path) -> None:
    seen: dict[str, list[Step]] = {"one": [], "two": []}
    one = Trainer(base, small_splits()).train(hyper(), 1.0, 0, tmp_path / "one", seen["one"].append)
    two = Trainer(base, small_splits(), TrainSettings(processes=2)).train(
        hyper(), 1.0, 0, tmp_path / "two", seen["two"].append
    )
    assert [step.loss for step in seen["two"]] == pytest.approx([step.loss for step in seen["one"]], abs=1e-4)
    assert [step.lr for step in seen["two"]] == [step.lr for step in seen["one"]]
    assert two.validation.mean == pytest.approx(one.validation.mean, abs=1e-4)
    assert two.compute.forward == one.compute.forward
    assert two.adapter == tmp_path / "two"
    found = Trainer(base, small_splits()).evaluate(two.adapter)
    assert found.mean == pytest.approx(two.validation.mean, abs=1e-6)


@pytest.mark.full
def test_a_trial_that_fails_in_its_processes_says_why(base: Checkpoint, tmp_path: Path) -> None:
    trainer = Trainer(base, small_splits(), TrainSettings(processes=2))
    with pytest.raises(TrialError, match=r"the base has no c_attn"):
        trainer.train(hyper(target_modules=("c_attn",)), 1.0, 0, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
def test_stopping_a_trial_ends_its_processes(base: Checkpoint, tmp_path: Path) -> None:
    import psutil

    trainer = Trainer(base, small_splits(), TrainSettings(processes=2))

    class Enough(Exception):
        pass

    def stop(step: Step) -> None:
        raise Enough

    with pytest.raises(Enough):
        trainer.train(hyper(epochs=50.0), 1.0, 0, tmp_path / "a", stop)
    assert not [
        child
        for child in psutil.Process().children(recursive=True)
        if "data_parallel_worker" in " ".join(child.cmdline())
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_dies_fails_the_trial(base: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuning.training import data_parallel

    monkeypatch.setattr(data_parallel, "_LAUNCHER", ("tuning.no_such_module",))
    trainer = Trainer(base, small_splits(), TrainSettings(processes=2))
    with pytest.raises(TrialError, match=r"ended with 1: .*No module named tuning.no_such_module"):
        trainer.train(hyper(), 1.0, 0, tmp_path / "a")
