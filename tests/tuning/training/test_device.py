"""A step of training on a GPU waits for nothing before its end: the loss of a micro-batch is read with the step's.

The device "meta" stands for the GPU: whatever asks for a value there raises. transformers itself asks once at the
beginning of a pass whether positions start anew in it; that is not ours to change, and left out here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from harness.models.checkpoint import Checkpoint
from harness.models.loading import load_model
from harness.prompting.row_tokens import Tokens
from tests.tuning.models import hyper, small_base, small_splits
from tuning.training import likelihood, steps
from tuning.training.adapters import One, adapted
from tuning.training.packed import Stack
from tuning.training.train import Trainer
from tuning.types import Hyperparameters

HYPERS = [hyper(4), hyper(8, dropout=0.1)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return small_base(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def trainer(base: Checkpoint) -> Trainer:
    made = Trainer(base, small_splits())
    made.rows.require("train")
    return made


@pytest.fixture
def model(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A base of the trainer's shape there, of which it is known that its loss is computed from hidden states."""
    import torch

    real = load_model(trainer.checkpoint)
    with torch.device("meta"):
        made = type(real)(real.config).to(torch.bfloat16).requires_grad_(False)
    monkeypatch.setattr("transformers.masking_utils.find_packed_sequence_indices", lambda positions: None)
    monkeypatch.setitem(likelihood._IN_BLOCKS, made.get_output_embeddings(), True)
    return made


@contextmanager
def adapted_on_meta(model: Any, one: Hyperparameters, base: Checkpoint) -> Iterator[Any]:
    import torch

    with ExitStack() as stack:
        with torch.device("meta"):
            live = stack.enter_context(adapted(model, one, base, 0))
        yield live


def step_of(trainer: Trainer, model: Any, packed: bool) -> list[Any]:
    """Gradients of one step in several micro-batches; what holds them."""
    rows: list[Tokens] = [row for row in trainer.rows.part("train") if row.responses][:12]
    shares: list[float] = []
    if not packed:
        with adapted_on_meta(model, HYPERS[0], trainer.checkpoint) as live:
            holders = One(live).holders()
            sums = steps.Steps(4, False).gradients(live.train(), [rows], 4, lambda share, tokens: shares.append(share))
            assert len(shares) >= 3
            assert sums.device.type == "meta"
            return holders
    states = []
    for one in HYPERS:
        with adapted_on_meta(model, one, trainer.checkpoint) as live:
            states.append(One(live).state(0))
    stack = Stack(states, HYPERS, model.device)
    with stack.on(model) as live:
        sums = steps.Steps(4, False).gradients(live.train(), [rows, rows[::-1]], 4)
    assert sums.device.type == "meta"
    return stack.holders()


@pytest.mark.parametrize("packed", [False, True])
def test_a_step_goes_through_without_a_wait(trainer: Trainer, model: Any, packed: bool) -> None:
    import torch

    holders = step_of(trainer, model, packed)
    assert {holder.dtype for holder in holders} == {torch.float32}  # adapters; the base is bfloat16
    assert {holder.grad.device.type for holder in holders} == {"meta"}


@pytest.mark.parametrize("wait", [lambda nats: nats.sum().item(), lambda nats: nats.detach().cpu()])
def test_a_wait_in_a_micro_batch_is_found(
    trainer: Trainer, model: Any, monkeypatch: pytest.MonkeyPatch, wait: Any
) -> None:
    usual = likelihood.response_nll

    def waiting(model: Any, rows: Any) -> Any:
        nats = usual(model, rows)
        wait(nats)
        return nats

    monkeypatch.setattr(steps, "response_nll", waiting)
    with pytest.raises(RuntimeError, match="meta"):
        step_of(trainer, model, packed=False)
