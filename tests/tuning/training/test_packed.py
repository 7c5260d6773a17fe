"""Packed adapters: gradients, losses and trained weights are those of separate training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.models.checkpoint import Checkpoint
from harness.models.loading import load_model
from harness.prompting.row_tokens import Tokens
from tests.tuning.models import hyper, small_base, small_splits, snapshot, weights
from tuning.training.adapters import One, adapted
from tuning.training.packed import Stack, packable
from tuning.training.train import Trainer
from tuning.types import Hyperparameters, Step, Trained, TrialError

HYPERS = [hyper(4), hyper(1, alpha=3.0, lr=1e-3), hyper(16, alpha=4.0, rslora=True, lora_plus=4.0), hyper(7, lr=2e-2)]
SEEDS = [0, 1, 2, 3]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return small_base(tmp_path_factory.mktemp("base") / "model")


def initial(model: Any, one: Hyperparameters, base: Checkpoint, seed: int) -> dict[str, Any]:
    """Values an adapter has after some steps: B is not zero any more, so A has a gradient too."""
    import torch

    with adapted(model, one, base, seed) as live:
        for name, parameter in live.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.05)
        return {name: tensor.detach().clone() for name, tensor in One(live).state(0).items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_equal_those_of_separate_training(base: Checkpoint, dtype: str) -> None:
    """To 1e-6 of the largest gradient in float32; in double precision to its rounding: it is the same sum."""
    import torch
    from peft import set_peft_model_state_dict

    trainer = Trainer(base, small_splits())
    trainer.model = model = load_model(base).requires_grad_(False)
    rows = [row for row in trainer.rows.part("train") if row.responses]
    groups: list[list[Tokens]] = [rows[k : k + 10] for k in range(len(HYPERS))]  # each trial has its own rows
    states = [initial(model, one, base, seed) for one, seed in zip(HYPERS, SEEDS, strict=True)]
    wide = getattr(torch, dtype)
    model.to(wide)
    stack = Stack(states, HYPERS, model.device)
    for name, pair in stack.layers.items():
        stack.layers[name] = tuple(t.detach().to(wide).requires_grad_() for t in pair)
    with stack.on(model):
        sums = trainer._steps().gradients(model, groups, 8)
    for k, (one, seed, state) in enumerate(zip(HYPERS, SEEDS, states, strict=True)):
        with adapted(model, one, base, seed) as live:
            set_peft_model_state_dict(live, state)
            live.to(wide)
            alone = trainer._steps().gradients(live, [groups[k]], 32)
            separate = {n: p.grad for n, p in live.named_parameters() if p.requires_grad}
        assert float(sums[k, 0]) == pytest.approx(float(alone[0, 0]), rel=1e-6)
        assert float(sums[k, 1]) == float(alone[0, 1])
        largest = max(float(grad.abs().max()) for grad in separate.values())
        assert largest > 1e-3
        for name, (a, b) in stack.layers.items():
            found = {"lora_A": a.grad[k, : one.rank], "lora_B": b.grad[k, :, : one.rank]}
            for half, grad in found.items():
                expected = separate[f"base_model.model.{name}.{half}.default.weight"]
                limit = 1e-6 * max(1.0, largest) if dtype == "float32" else 1e-13
                assert float((grad - expected).abs().max()) <= limit, (k, name, half)
            # what pads a rank stays what it is
            assert not a.grad[k, one.rank :].any()
            assert not b.grad[k, :, one.rank :].any()


def test_trained_weights_equal_those_of_separate_training(base: Checkpoint, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    trainer = Trainer(base, small_splits())
    seen: list[tuple[int, Step]] = []
    packed = trainer.train_packed(
        HYPERS, 1.0, SEEDS, [tmp_path / f"p{k}" for k in SEEDS], lambda k, step: seen.append((k, step))
    )
    for k, (one, seed) in enumerate(zip(HYPERS, SEEDS, strict=True)):
        steps: list[Step] = []
        alone = trainer.train(one, 1.0, seed, tmp_path / f"s{k}", steps.append)
        trained = packed[k]
        assert isinstance(trained, Trained)
        assert trained.adapter == tmp_path / f"p{k}"
        mine = [step for number, step in seen if number == k]
        assert [step.loss for step in mine] == pytest.approx([step.loss for step in steps], abs=1e-4)
        assert [step.lr for step in mine] == [step.lr for step in steps]
        assert trained.validation.mean == pytest.approx(alone.validation.mean, abs=1e-4)
        assert trained.compute.forward == alone.compute.forward
        assert (trained.adapter / "adapter_config.json").read_text() == (
            alone.adapter / "adapter_config.json"
        ).read_text()
        mine_, theirs = (load_file(f / "adapter_model.safetensors") for f in (trained.adapter, alone.adapter))
        assert mine_.keys() == theirs.keys()
        assert all(float((mine_[name] - theirs[name]).abs().max()) < 1e-3 for name in mine_)


def test_the_base_is_as_it_was(base: Checkpoint, tmp_path: Path) -> None:
    import torch

    trainer = Trainer(base, small_splits())
    before, held = snapshot(trainer.model), weights(trainer.model)
    trainer.train_packed(HYPERS[:2], 0.4, [0, 1], [tmp_path / "a", tmp_path / "b"])
    assert snapshot(trainer.model) == before
    assert all(torch.equal(held[name], tensor) for name, tensor in trainer.model.state_dict().items())


def test_one_that_fails_does_not_stop_the_others(base: Checkpoint, tmp_path: Path) -> None:
    trainer = Trainer(base, small_splits())
    to = [tmp_path / name for name in "abc"]
    bad = hyper(4, lr=float("inf"))
    results = trainer.train_packed([hyper(4), bad, hyper(2)], 1.0, [0, 1, 2], to)
    assert isinstance(results[1], TrialError)
    assert "not finite" in str(results[1]) or "nan" in str(results[1])
    alone = trainer.train(hyper(2), 1.0, 2, tmp_path / "alone")
    third = results[2]
    assert isinstance(third, Trained)
    assert third.validation.mean == pytest.approx(alone.validation.mean, abs=1e-4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "alone", "c"]


def test_what_cannot_be_packed_is_trained_with_its_like(base: Checkpoint, tmp_path: Path) -> None:
    trainer = Trainer(base, small_splits())
    hypers = [hyper(4), hyper(2, batch=15), hyper(2, dora=True), hyper(8), hyper(4, batch=15)]
    assert [packable(trainer.model, hypers[0], other) for other in hypers] == [True, False, False, True, False]
    steps: dict[int, int] = {}
    to = [tmp_path / str(k) for k in range(5)]
    results = trainer.train_packed(hypers, 1.0, [5] * 5, to, lambda k, step: steps.update({k: step.steps}))
    assert steps == {0: 3, 1: 2, 2: 3, 3: 3, 4: 2}
    for one, result, folder in zip(hypers, results, to, strict=True):
        assert isinstance(result, Trained)
        assert result.adapter == folder
        alone = trainer.train(one, 1.0, 5, tmp_path / "alone")
        assert result.validation.mean == pytest.approx(alone.validation.mean, abs=1e-4)


def test_dropout_is_each_trials_own(base: Checkpoint) -> None:
    """With A's and B's of ones an adapter adds the sum of what dropout keeps."""
    import torch

    names = "base_model.model.layer"
    hypers = [Hyperparameters(1, 1.0, dropout, 1e-3) for dropout in (0.0, 0.5, 1.0)]
    state = {f"{names}.lora_A.weight": torch.ones(1, 1000), f"{names}.lora_B.weight": torch.ones(3, 1)}
    stack = Stack([state] * 3, hypers, "cpu")
    bare = torch.nn.Module()
    bare.layer = torch.nn.Linear(1000, 3)
    torch.nn.init.zeros_(bare.layer.weight)
    torch.nn.init.zeros_(bare.layer.bias)
    with stack.on(bare), torch.no_grad():
        whole = bare.eval().layer(torch.ones(3, 2, 1000))
        dropped = bare.train().layer(torch.ones(3, 2, 1000))
    assert torch.equal(whole, torch.full((3, 2, 3), 1000.0))
    assert torch.equal(dropped[0], whole[0])
    assert (dropped[1] != 1000).all()
    assert ((dropped[1] - 1000).abs() < 200).all()
    assert not dropped[2].any()


def test_memory_that_runs_out_is_shared(base: Checkpoint, tmp_path: Path) -> None:
    from tests.tuning.training.test_train import Fake
    from tuning.training.train_settings import TrainSettings

    trainer = Trainer(base, small_splits(), TrainSettings(micro_batch=8))
    with Fake(trainer, limit=2) as fake:
        results = trainer.train_packed([hyper(4), hyper(2)], 1.0, [0, 1], [tmp_path / "a", tmp_path / "b"])
    of_check, *passes = [n for n in fake.rows if n > 1]  # some rows ask how they share
    assert (of_check, passes[:3]) == (4, [8, 4, 2])
    assert all(isinstance(result, Trained) and result.micro_batch == 2 for result in results)
    with Fake(trainer, limit=1):
        results = trainer.train_packed([hyper(4), hyper(2)], 1.0, [0, 1], [tmp_path / "c", tmp_path / "d"])
    assert all(isinstance(result, TrialError) and "out of memory" in str(result) for result in results)
