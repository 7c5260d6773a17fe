"""Training: reproducible, exact whatever the micro-batch, and nothing left on the base."""

from __future__ import annotations

import dataclasses
import math
import random
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from data.instruction_rows.sources import load
from data.instruction_split import split
from harness.errors import ModelError, UsageError
from harness.models.checkpoint import Checkpoint, resolve
from harness.stats.paired import paired
from tests.tuning.models import hyper, small_base, small_splits, snapshot, weights
from tuning.training.train import Trainer
from tuning.training.train_settings import TrainSettings
from tuning.training.training_schedule import TrainingSchedule, batches, rate
from tuning.types import Hyperparameters, Step, TrialError


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return small_base(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def trainer(base: Checkpoint) -> Trainer:
    return Trainer(base, small_splits())


def tensors(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def same(a: Path, b: Path, tolerance: float = 0.0) -> bool:
    one, other = tensors(a), tensors(b)
    assert one.keys() == other.keys()
    return all(float((one[name] - other[name]).abs().max()) <= tolerance for name in one)


def test_the_sample_teaches_tiny_more_than_its_base_knows(tmp_path: Path) -> None:
    """And rank, alpha and learning rate matter: each of these is clear of the next."""
    trainer = Trainer(resolve("tiny"), split(load("sample").rows, 0))

    def each(adapter: Path | None) -> list[float]:
        return [nats / tokens for nats, tokens in trainer.evaluate(adapter, "test").rows]

    found = [each(None)]
    for k, (rank, alpha, lr) in enumerate([(8, 64, 2e-3), (64, 512, 2e-3)]):
        one = Hyperparameters(rank, alpha, 0.0, lr, epochs=1.0, batch=16)
        trained = trainer.train(one, 0.5, 0, tmp_path / str(k))
        assert not trained.warnings
        found.append(each(trained.adapter))
    for worse, better in pairwise(found):
        assert paired(worse, better).high < 0


def test_one_seed_is_one_adapter(trainer: Trainer, tmp_path: Path) -> None:
    a, b = (trainer.train(hyper(dropout=0.2), 1.0, 3, tmp_path / name) for name in "ab")
    other = trainer.train(hyper(dropout=0.2), 1.0, 4, tmp_path / "c")
    assert same(a.adapter, b.adapter)
    assert a.validation == b.validation
    assert a.train_loss == b.train_loss
    assert not same(a.adapter, other.adapter)


def test_what_a_kill_left_half_written_goes(trainer: Trainer, tmp_path: Path) -> None:
    """SIGKILL in the middle of a write; the training is done again by another process."""
    write = (
        "import os, pathlib, signal, sys\n"
        "import safetensors.torch as st\n"
        "from tuning.training import adapters\n"
        "from types import SimpleNamespace as Any\n"
        "st.save_file = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "adapters.write(Any(), {}, Any(), Any(), pathlib.Path(sys.argv[1]))\n"
    )
    killed = subprocess.run([sys.executable, "-c", write, str(tmp_path / "a")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    trainer.train(hyper(), 1.0, 3, tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_fresh_trainer_after_other_trials_gives_the_same(base: Checkpoint, trainer: Trainer, tmp_path: Path) -> None:
    trainer.train(hyper(8), 1.0, 9, tmp_path / "before")
    a = trainer.train(hyper(), 1.0, 0, tmp_path / "a")
    b = Trainer(base, small_splits()).train(hyper(), 1.0, 0, tmp_path / "b")
    assert same(a.adapter, b.adapter)
    assert a.validation == b.validation


KINDS: list[dict[str, Any]] = [
    {},
    {"rslora": True, "lora_plus": 8.0},
    {"dora": True},
    {"target_modules": ("q_proj", "k_proj", "o_proj", "gate_proj", "lm_head", "embed_tokens")},
    {"dropout": 0.5},
]


@pytest.mark.parametrize("changes", KINDS, ids=str)
@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "checkpointing"])
def test_the_base_is_as_it_was(base: Checkpoint, tmp_path: Path, changes: dict[str, Any], checkpointing: bool) -> None:
    import torch

    trainer = Trainer(base, small_splits(), TrainSettings(gradient_checkpointing=checkpointing))
    before, held = snapshot(trainer.model), weights(trainer.model)
    trained = trainer.train(hyper(**changes), 0.4, 0, tmp_path / "a")
    trainer.evaluate(trained.adapter, "test")
    assert snapshot(trainer.model) == before
    after = trainer.model.state_dict()
    assert held.keys() == after.keys()
    assert all(torch.equal(held[name], after[name]) for name in held)


def test_a_left_over_would_be_seen(base: Checkpoint) -> None:
    from peft import LoraConfig, get_peft_model

    model = Trainer(base, small_splits()).model
    before = snapshot(model)
    get_peft_model(model, LoraConfig(target_modules=["q_proj"]))
    assert snapshot(model)["modules"] != before["modules"]
    assert snapshot(model)["attributes"] != before["attributes"]


def test_what_fails_leaves_nothing(base: Checkpoint, tmp_path: Path) -> None:
    trainer = Trainer(base, small_splits())
    before = snapshot(trainer.model)

    class Enough(Exception):
        pass

    def stop(step: Step) -> None:
        raise Enough

    with pytest.raises(Enough):
        trainer.train(hyper(), 1.0, 0, tmp_path / "a", stop)
    with pytest.raises(TrialError, match=r"the base has no c_attn .* its linear modules are down_proj, gate_proj"):
        trainer.train(hyper(target_modules=("c_attn",)), 1.0, 0, tmp_path / "a")
    with pytest.raises(TrialError, match="nothing to train"):
        trainer.train(hyper(epochs=0), 1.0, 0, tmp_path / "a")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(ModelError):
        trainer.evaluate(tmp_path / "bad")
    assert snapshot(trainer.model) == before
    assert [path.name for path in tmp_path.iterdir()] == ["bad"]


def test_an_adapter_of_another_shape_leaves_the_base_clean(base: Checkpoint, tmp_path: Path) -> None:
    trainer = Trainer(base, small_splits())
    before = snapshot(trainer.model)
    trained = trainer.train(hyper(), 0.4, 0, tmp_path / "a")
    config = trained.adapter / "adapter_config.json"
    config.write_text(config.read_text().replace('"r": 4', '"r": 8'))
    with pytest.raises(ModelError, match="does not fit"):
        trainer.evaluate(trained.adapter)
    assert snapshot(trainer.model) == before


@pytest.mark.parametrize(
    "settings",
    [
        TrainSettings(micro_batch=1),
        TrainSettings(micro_batch=3),
        TrainSettings(packed_rows=True),
        TrainSettings(gradient_checkpointing=True),
    ],
    ids=["1", "3", "packed", "checkpointing"],
)
def test_the_micro_batch_changes_nothing(
    base: Checkpoint, trainer: Trainer, tmp_path: Path, settings: TrainSettings
) -> None:
    """Over the first steps: later, AdamW's division blows rounding up where a gradient is near zero."""
    seen: dict[str, list[Step]] = {"a": [], "b": []}
    a = trainer.train(hyper(), 1.0, 0, tmp_path / "a", seen["a"].append)
    b = Trainer(base, small_splits(), settings).train(hyper(), 1.0, 0, tmp_path / "b", seen["b"].append)
    assert [step.loss for step in seen["b"]] == pytest.approx([step.loss for step in seen["a"]], abs=2e-4)
    assert b.validation.mean == pytest.approx(a.validation.mean, abs=1e-3)
    assert a.compute.forward == b.compute.forward == a.compute.backward
    assert a.compute.validation == b.compute.validation
    assert (b.compute.padding == 0) == (settings.micro_batch == 1 or settings.packed_rows)


def test_the_first_loss_is_the_bases_over_the_batch(trainer: Trainer, tmp_path: Path) -> None:
    """One batch of all rows: the loss before any step is the base's likelihood, over tokens and not over rows."""
    seen: list[Step] = []
    trainer.train(hyper(batch=30), 1.0, 0, tmp_path / "a", seen.append)
    assert [(step.step, step.steps) for step in seen] == [(1, 1)]
    assert seen[0].loss == pytest.approx(trainer.evaluate(None, "train").mean, abs=1e-5)


def test_steps_rates_and_counts(trainer: Trainer, tmp_path: Path) -> None:
    seen: list[Step] = []
    trained = trainer.train(hyper(epochs=2.0, lr=0.01), 1.0, 0, tmp_path / "a", seen.append)
    assert [step.step for step in seen] == list(range(1, 7))
    assert trained.steps == seen[0].steps == 6
    assert max(step.lr for step in seen) == seen[1].lr == 0.01
    assert 0 < seen[-1].lr < 0.002
    rows = trainer.rows.part("train")
    assert trained.compute.forward == 2 * sum(len(row.ids) for row in rows)
    assert trained.compute.validation == sum(len(row.ids) for row in trainer.rows.part("validation"))
    assert trained.seconds > 0


def test_a_rung_sees_the_first_rows_only(base: Checkpoint, tmp_path: Path) -> None:
    """The same as training on a split that has no others."""
    splits = small_splits()
    a = Trainer(base, splits).train(hyper(), 0.3, 0, tmp_path / "a")
    b = Trainer(base, splits.subset(0.3)).train(hyper(), 1.0, 0, tmp_path / "b")
    assert same(a.adapter, b.adapter)
    assert a.steps == 1


def test_the_adapter_is_one_for_the_harness(base: Checkpoint, trainer: Trainer, tmp_path: Path) -> None:
    from harness.models.adapter import merge
    from harness.models.loading import load_model
    from tuning.training.likelihood import likelihood

    trained = trainer.train(hyper(alpha=6.5, rslora=True, epochs=3.0), 1.0, 0, tmp_path / "a")
    found = resolve(str(trained.adapter))
    assert found.base is not None
    assert found.base.digest == base.digest
    assert not found.warnings
    merge(str(trained.adapter), tmp_path / "merged")
    merged = load_model(resolve(str(tmp_path / "merged")))
    expected = trainer.evaluate(trained.adapter, "test")
    assert likelihood(merged, trainer.rows.part("test"))[0].mean == pytest.approx(expected.mean, abs=1e-5)
    assert trainer.evaluate(trained.adapter).mean == pytest.approx(trained.validation.mean, abs=1e-7)
    assert sorted(path.name for path in trained.adapter.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "harness.json",
    ]


def test_lora_plus_moves_b_faster(trainer: Trainer, tmp_path: Path) -> None:
    plain = tensors(trainer.train(hyper(batch=30), 1.0, 0, tmp_path / "a").adapter)
    plus = tensors(trainer.train(hyper(batch=30, lora_plus=16.0), 1.0, 0, tmp_path / "b").adapter)
    for name in plain:
        ratio = float(plus[name].abs().sum() / plain[name].abs().sum())
        assert ratio == pytest.approx(16 if "lora_B" in name else 1, rel=0.01)


def test_dropout_one_trains_nothing_and_says_so(trainer: Trainer, tmp_path: Path) -> None:
    trained = trainer.train(hyper(dropout=1.0), 1.0, 0, tmp_path / "a")
    assert trained.warnings == ("Nothing was trained: every B is still zero (dropout 1).",)
    assert trained.validation.mean == pytest.approx(trainer.evaluate(None).mean, abs=1e-6)


# what ends badly


class Fake:
    """A hook that spoils the base's forward pass while training."""

    def __init__(self, trainer: Trainer, limit: int = 10**9, spoil: int = 10**9) -> None:
        self.rows: list[int] = []
        self.limit, self.spoil, self.passes = limit, spoil, 0
        model = trainer.model
        self.hooks = [
            model.register_forward_pre_hook(self.before, with_kwargs=True),
            model.get_decoder().register_forward_hook(self.after),
        ]

    def before(self, module: Any, given: Any, named: dict[str, Any]) -> None:
        import torch

        positions = named["position_ids"]  # in a pass of one row, positions go on within a row and not behind it
        self.rows.append(len(named["input_ids"]) if positions is None else 1 + int((positions.diff() != 1).sum()))
        if module.training and self.rows[-1] > self.limit:
            torch.empty(2**60)  # the real allocator's real error

    def after(self, module: Any, given: Any, out: Any) -> None:
        if module.training:
            self.passes += 1
            if self.passes > self.spoil:
                out.last_hidden_state = out.last_hidden_state * math.nan

    def __enter__(self) -> Fake:
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()


def test_out_of_memory_halves_the_micro_batch_at_equal_effective_batch(base: Checkpoint, tmp_path: Path) -> None:
    trainer = Trainer(base, small_splits(), TrainSettings(micro_batch=8))
    expected = trainer.train(hyper(), 1.0, 0, tmp_path / "a")
    with Fake(trainer, limit=2) as fake:
        trained = trainer.train(hyper(), 1.0, 0, tmp_path / "b")
    assert trained.micro_batch == 2
    assert fake.rows[0] > 2
    assert trained.steps == expected.steps
    assert trained.compute.forward == expected.compute.forward
    assert same(trained.adapter, expected.adapter, 1e-3)
    assert trained.validation.mean == pytest.approx(expected.validation.mean, abs=1e-4)
    assert trained.warnings == ("Memory sufficed for 2 of 8 rows a pass.",)


def test_out_of_memory_at_one_row_fails_the_trial_and_not_the_next(base: Checkpoint, tmp_path: Path) -> None:
    trainer = Trainer(base, small_splits(), TrainSettings(micro_batch=8))
    before = snapshot(trainer.model)
    with Fake(trainer, limit=0), pytest.raises(TrialError, match=r"out of memory at 1 row a pass, rank 4"):
        trainer.train(hyper(), 1.0, 0, tmp_path / "a")
    assert snapshot(trainer.model) == before
    assert not (tmp_path / "a").exists()
    trainer.train(hyper(), 1.0, 0, tmp_path / "a")


def test_another_error_is_not_taken_for_memory(base: Checkpoint, tmp_path: Path) -> None:
    trainer = Trainer(base, small_splits())

    def broken(*_: object) -> None:
        raise RuntimeError("shapes differ")

    hook = trainer.model.register_forward_pre_hook(broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        trainer.train(hyper(), 1.0, 0, tmp_path / "a")
    hook.remove()


def test_a_loss_that_is_not_finite_ends_the_trial_at_once(base: Checkpoint, tmp_path: Path) -> None:
    trainer = Trainer(base, small_splits(), TrainSettings(packed_rows=True))  # one pass a step
    seen: list[Step] = []
    with Fake(trainer, spoil=1), pytest.raises(TrialError, match="the loss is nan at step 2 of 30"):
        trainer.train(hyper(epochs=10.0), 1.0, 0, tmp_path / "a", seen.append)
    assert [step.step for step in seen] == [1]
    assert list(tmp_path.iterdir()) == []
    assert math.isfinite(trainer.train(hyper(), 1.0, 0, tmp_path / "a").train_loss)


def test_divergence_ends_the_trial_early(base: Checkpoint, tmp_path: Path) -> None:
    trainer = Trainer(base, small_splits())
    seen: list[Step] = []
    with pytest.raises(TrialError, match=r"diverged: the loss is .* of 60, and guessing has 7.6"):
        trainer.train(hyper(epochs=20.0, lr=3.0, target_modules=("lm_head",)), 1.0, 0, tmp_path / "a", seen.append)
    assert len(seen) < 20


def test_a_base_that_is_worse_than_guessing_has_not_diverged() -> None:
    import torch

    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    schedule = TrainingSchedule(hyper(epochs=8.0), 0, 4, guess=7.0)
    schedule.begin([parameter], [])
    for step, loss in enumerate([7.4, 8.6, 8.5, 8.7, 8.4]):
        schedule.advance(step, loss)
    for loss in (11.5, 12.0):
        schedule.advance(5, loss)
    with pytest.raises(TrialError, match="diverged"):
        schedule.advance(6, 11.3)


def test_an_adapter_is_no_base(trainer: Trainer, tmp_path: Path) -> None:
    trained = trainer.train(hyper(), 0.4, 0, tmp_path / "a")
    with pytest.raises(UsageError, match="Merge it first"):
        Trainer(resolve(str(trained.adapter)), small_splits())


def test_warnings_of_cut_rows_go_on_the_trial(base: Checkpoint, tmp_path: Path) -> None:
    trainer = Trainer(base, small_splits(), TrainSettings(max_tokens=70))
    trained = trainer.train(hyper(), 1.0, 0, tmp_path / "a")
    assert any(warning.startswith("train: ") and "longer than 70 tokens" in warning for warning in trained.warnings)


# the schedule


@pytest.mark.parametrize(
    ("rows", "batch", "epochs", "steps"),
    [(30, 10, 1, 3), (31, 10, 2, 8), (5, 10, 3, 3), (40, 10, 0.5, 2), (40, 10, 0.01, 1)],
)
def test_batches(rows: int, batch: int, epochs: float, steps: int) -> None:
    made = batches(rows, batch, epochs, random.Random(0))
    assert len(made) == steps
    an_epoch = made[: -(-rows // batch)]
    if len(made) >= len(an_epoch) and epochs >= 1:
        assert sorted(at for one in an_epoch for at in one) == list(range(rows))


def test_rates() -> None:
    rates = [rate(step, 100, 0.03) for step in range(100)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert all(a > b for a, b in pairwise(rates[3:]))
    assert 0 < rates[-1] < 1e-3
    assert [rate(0, 1, 0.03)] == [1.0]
    assert rate(51, 100, 0.02) == pytest.approx(0.5)


def test_a_course_waits_before_it_calls_a_loss_diverged() -> None:
    import torch

    schedule = TrainingSchedule(hyper(epochs=10.0), 0, 30, guess=5.0)
    weight = torch.zeros(2, requires_grad=True)
    schedule.begin([weight], [])
    weight.grad = torch.ones(2)
    for step, loss in enumerate([3.0, 7.0, 6.5, 5.9, 8.0, 8.0]):
        schedule.advance(step, loss)
    with pytest.raises(TrialError, match="diverged"):
        schedule.advance(6, 9.0)
    assert dataclasses.asdict(schedule.compute(3, 4)) == {"forward": 0, "backward": 0, "validation": 3, "padding": 4}
