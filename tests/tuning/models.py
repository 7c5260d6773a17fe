"""What the tests of training share: a small random base, a few rows, and what a clean base is."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

from data.instruction_split import Sizes, Splits, split
from data.instructions import Instruction
from harness.models.checkpoint import Checkpoint, resolve
from tests.models import make_model
from tuning.types import Hyperparameters

WORDS = ["house", "river", "stone", "light", "garden", "letter", "winter", "bridge", "market", "silver", "paper"]


# what transformers' checkpointing leaves behind: a flag that is off, a function not called, an empty list
HARMLESS = {"gradient_checkpointing", "_gradient_checkpointing_func", "_require_grads_hooks"}


@cache
def instruction_rows(count: int = 60) -> tuple[Instruction, ...]:
    rng = random.Random(0)

    def said(least: int, most: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(least, most)))

    return tuple(
        Instruction("alpaca", f"{number} {said(3, 9)}", said(2, 9) if number % 3 else "", said(1, 12))
        for number in range(count)
    )


def small_splits() -> Splits:
    return split(instruction_rows(), 0, Sizes(30, 12, 9))


def small_base(folder: Path, **changes: Any) -> Checkpoint:
    """A random Llama of two layers, 32 wide; made at the first call."""
    if not (folder / "config.json").exists():
        make_model(folder, tokenizer="llama3", **{"hidden_size": 32, "intermediate_size": 64, **changes})
    return resolve(str(folder))


def hyper(rank: int = 4, **changes: Any) -> Hyperparameters:
    usual = {"alpha": 2.0 * rank, "dropout": 0.0, "lr": 5e-3, "epochs": 1.0, "batch": 10}
    return Hyperparameters(rank, **{**usual, **changes})


def snapshot(model: Any) -> dict[str, Any]:
    """Everything about a model that a training must leave as it was."""
    return {
        "modules": {name: (type(module), id(module)) for name, module in model.named_modules()},
        "attributes": {name: sorted(set(vars(module)) - HARMLESS) for name, module in model.named_modules()},
        "hooks": {
            name: (len(module._forward_hooks), len(module._forward_pre_hooks), len(module._backward_hooks))
            for name, module in model.named_modules()
        },
        "modes": {name: module.training for name, module in model.named_modules()},
        "checkpointing": model.is_gradient_checkpointing,
        "parameters": {name: (id(p), p.requires_grad, p.grad is None) for name, p in model.named_parameters()},
        "config": model.config.to_dict(),
    }


def weights(model: Any) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}
