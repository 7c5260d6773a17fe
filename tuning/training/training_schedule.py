"""One trial's way through its rows: which rows at which step, at which rate, and when to give up."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from tuning.types import Compute, Hyperparameters, TrialError

CLIP = 1.0  # of the gradient's norm, as transformers' Trainer has it, with which the paper trained
PATIENCE, WORSE = 3, 1.5  # steps that may be so many times as bad as guessing, or as the base at its first batch


def batches(rows: int, batch: int, epochs: float, rng: random.Random) -> list[list[int]]:
    """Indices of the rows of each step. Every epoch is shuffled anew and its last batch is what is left; there
    are ceil(epochs x batches of an epoch) steps, as transformers' Trainer counts them."""
    if not (rows and batch > 0 and epochs > 0):
        raise TrialError(f"nothing to train: {rows} rows, batch {batch}, {epochs:g} epochs.")
    steps = math.ceil(epochs * math.ceil(rows / batch) - 1e-9)
    order: list[list[int]] = []
    while len(order) < steps:
        epoch = list(range(rows))
        rng.shuffle(epoch)
        order += [epoch[at : at + batch] for at in range(0, rows, batch)]
    return order[:steps]


def rate(step: int, steps: int, warmup: float) -> float:
    """Of the highest learning rate, for `step` from 0: a linear warm-up, then half a cosine.

    transformers' schedule has a first step at 0, of which a rung of three steps has none to lose. Here the
    warm-up of w = ceil(warmup x steps) steps goes 1/(w+1), 2/(w+1), …, and the highest rate follows."""
    warm = min(math.ceil(warmup * steps - 1e-9), steps - 1)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


class TrainingSchedule:
    """The state of one training: its batches, its optimizer, what it has seen. `error` is set when it has failed."""

    def __init__(self, hyper: Hyperparameters, seed: int, rows: int, guess: float) -> None:
        """`guess` is the loss of taking all tokens for equally likely, ln(vocabulary)."""
        self.hyper = hyper
        self.batches = batches(rows, hyper.batch, hyper.epochs, random.Random(seed))
        self.losses: list[float] = []
        self.error: TrialError | None = None
        self._tokens = self._padding = 0
        self._guess = guess
        self._optimizer: Any = None

    def begin(self, first: Sequence[Any], second: Sequence[Any]) -> None:
        """The trainable tensors: LoRA's A (and DoRA's magnitudes), and its B."""
        import torch

        self._parameters = [*first, *second]
        ratio = self.hyper.lora_plus  # Hayou et al. 2024
        groups = [{"params": list(first), "ratio": 1.0}, {"params": list(second), "ratio": ratio}]
        self._optimizer = torch.optim.AdamW(groups, lr=self.hyper.lr, weight_decay=0.0)

    def lr(self, step: int) -> float:
        """Of A, for `step` from 0."""
        return self.hyper.lr * rate(step, len(self.batches), self.hyper.warmup)

    def passed(self, tokens: float, padding: float) -> None:
        """Count what went forward and backward."""
        self._tokens += int(tokens)
        self._padding += int(padding)

    def advance(self, step: int, loss: float) -> None:
        """Take the optimizer's step with the gradients that are there. TrialError where there is no use going on."""
        import torch

        self.losses.append(loss)
        if not math.isfinite(loss):
            raise TrialError(f"the loss is {loss} at step {step + 1} of {len(self.batches)}.")
        worst = max(self._guess, self.losses[0]) * WORSE
        if len(self.losses) >= PATIENCE and min(self.losses[-PATIENCE:]) > worst:
            raise TrialError(
                f"diverged: the loss is {loss:.3g} at step {step + 1} of {len(self.batches)}, and guessing has "
                f"{self._guess:.3g}."
            )
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, CLIP))
        if not math.isfinite(norm):
            raise TrialError(f"the gradient is not finite at step {step + 1} of {len(self.batches)}.")
        for group in self._optimizer.param_groups:
            group["lr"] = self.lr(step) * group["ratio"]
        self._optimizer.step()

    @property
    def train_loss(self) -> float:
        """Mean over the last tenth of the steps."""
        last = self.losses[-max(1, len(self.losses) // 10) :]
        return sum(last) / len(last)

    def compute(self, validation: int, padding: int) -> Compute:
        return Compute(self._tokens, self._tokens, validation, self._padding + padding)
