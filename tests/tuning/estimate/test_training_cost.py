"""What a training computes is what the trainer then counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.estimate.model_size import ModelSize
from harness.prompting.row_tokens import Tokens
from tests.tuning.models import hyper, small_base, small_splits
from tuning.estimate.measure import Measurement
from tuning.estimate.training_cost import Costs
from tuning.training import shared_prefixes, steps
from tuning.training.train import Trainer
from tuning.training.train_settings import TrainSettings

SEED = 5


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    base = small_base(tmp_path_factory.mktemp("costs") / "base")
    return Trainer(base, small_splits(), TrainSettings(micro_batch=4))


def costs_of(trainer: Trainer) -> Costs:
    parts = trainer.rows.part("train"), trainer.rows.part("validation")
    return Costs(ModelSize.of(trainer.model), lambda _: 100, *parts, 4, SEED, trainer.shares_prefixes)


def test_tokens_and_steps_are_those_of_the_training(trainer: Trainer, tmp_path: Path) -> None:
    """Of padded rows, as trials with dropout have them."""
    costs, wanted = costs_of(trainer), hyper(epochs=1.5, dropout=0.1)
    trained = trainer.train(wanted, 0.5, SEED, tmp_path / "a")
    rows = len(trainer.splits.subset(0.5).train)
    _, _, tokens, count = costs.steps_of(wanted, rows)
    assert count == trained.steps
    forward_padding = tokens - trained.compute.forward
    assert 0 <= forward_padding <= trained.compute.padding
    assert trained.peak_bytes > 0


def test_a_shared_prefix_is_counted_once(trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    costs, wanted = costs_of(trainer), hyper(epochs=1.5)
    computed: list[int] = []
    usual = shared_prefixes.shared_batch

    def shared_batch(rows: Sequence[Tokens], device: str) -> Any:
        made = usual(rows, device)
        computed.append(made[0].ids.numel())
        return made

    monkeypatch.setattr(steps, "shared_batch", shared_batch)
    trained = trainer.train(wanted, 0.5, SEED, tmp_path / "a")
    counted_passes, _, tokens, _ = costs.steps_of(wanted, len(trainer.splits.subset(0.5).train))
    assert (counted_passes, tokens) == (len(computed), sum(computed))
    assert tokens < trained.compute.forward


def test_a_long_training_is_counted_in_part(trainer: Trainer) -> None:
    costs = costs_of(trainer)
    once, often = costs.steps_of(hyper(batch=1), 30), costs.steps_of(hyper(batch=1, epochs=40.0), 30)
    assert often[3] == 40 * once[3]
    assert often[2] == pytest.approx(40 * once[2], rel=0.1)


def test_the_largest_pass_is_one_of_the_schedule(trainer: Trainer) -> None:
    costs = costs_of(trainer)
    tokens = trainer.rows.part("train")
    worst = [tokens[at] for at in costs.worst([hyper(), hyper(batch=3)])]
    assert 1 <= len(worst) <= 4
    assert costs.pass_of(worst)[0] >= max(costs.pass_of([row])[0] for row in tokens)


def test_larger_adapters_cost_more(trainer: Trainer) -> None:
    costs = costs_of(trainer)
    small, large = (costs.of([hyper(rank)], 30, 6) for rank in (4, 64))
    assert (small.steps, small.passes) == (large.steps, large.passes)
    assert large.operations > small.operations
    assert large.adapter == 16 * small.adapter
    packed = costs.of([hyper(4), hyper(64)], 30, 6)
    assert packed.adapter == small.adapter + large.adapter
    assert packed.operations > small.operations + large.operations  # ranks are padded to the largest


def test_speeds_are_those_that_times_were_made_with(trainer: Trainer) -> None:
    costs, measured = costs_of(trainer), Measurement()
    for rank, rows in ((4, 30), (64, 30), (16, 8), (4, 12)):
        cost = costs.of([hyper(rank)], rows, rows // 3)
        steps = 0.01 * cost.passes + 1e-9 * cost.operations + 1e-6 * cost.updates
        measured.steps.append(
            (steps / cost.steps, cost.passes / cost.steps, cost.operations / cost.steps, cost.updates / cost.steps)
        )
        measured.starts.append((0.2, 1))
        measured.ends.append((0.1 + 5e-10 * cost.validation + 1e-5 * cost.adapter, cost.validation, cost.adapter, 1))
    speeds = measured.speeds()
    assert speeds.scatter < 1e-3
    cost = costs.of([hyper(32)], 20, 5)
    around = 0.3 + 5e-10 * cost.validation + 1e-5 * cost.adapter
    steps = 0.01 * cost.passes + 1e-9 * cost.operations + 1e-6 * cost.updates
    assert speeds.seconds(cost) == pytest.approx(around + steps, rel=0.02)
