"""What a training computes, counted from its rows as it will batch them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.prompting.row_tokens import Tokens
from tuning.training.encoded import ALIKE, by_length
from tuning.training.shared_prefixes import passes, tokens_of
from tuning.training.training_schedule import batches
from tuning.types import Hyperparameters

if TYPE_CHECKING:
    from harness.estimate.model_size import ModelSize

SAMPLED = 100  # steps that are counted of a longer training
FORWARD_AND_BACKWARD = 2.0  # times a forward pass, as the base's weights get no gradients


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one training, or of several that are packed."""

    passes: float  # forward and backward
    operations: float
    updates: float  # numbers that the optimizer changes, over all steps
    adapter: float  # numbers of the adapters
    steps: int
    validation: float  # operations


class Costs:
    """Costs of trainings on these rows, each counted once."""

    def __init__(
        self,
        size: ModelSize,
        per_rank: Callable[[tuple[str, ...]], int],  # numbers of an adapter of rank 1, by its target modules
        train: Sequence[Tokens],
        validation: Sequence[Tokens],
        micro_batch: int,
        seed: int,
        shares: bool = False,  # rows share their prefixes, where a trial has no dropout and in validation
    ) -> None:
        self._shares = shares
        self.size, self.per_rank = size, per_rank
        self._train, self._validation = train, validation
        self._micro, self._seed = micro_batch, seed
        self._counted: dict[tuple[Any, ...], tuple[float, float, float, int]] = {}
        self._validated: dict[int, tuple[float, float]] = {}

    def of(self, hypers: Sequence[Hyperparameters], rows: int, validated: int) -> Cost:
        """Of trainings that go through the base together, on the first `rows` and validated on so many."""
        first, together = hypers[0], len(hypers)
        passes, operations, tokens, steps = self.steps_of(first, rows, together)
        rank = max(hyper.rank for hyper in hypers)
        adapters = [self.per_rank(hyper.target_modules) * hyper.rank for hyper in hypers]
        # an adapter's matrices: forward, and backward for their inputs and for themselves
        own = 6.0 * self.per_rank(first.target_modules) * rank * tokens * together
        measured, measured_tokens = self._validation_of(validated)
        return Cost(
            passes,
            FORWARD_AND_BACKWARD * operations * together + own,
            float(sum(adapters)) * steps,
            float(sum(adapters)),
            steps,
            sum(measured + 2.0 * adapter * measured_tokens for adapter in adapters),
        )

    def steps_of(self, hyper: Hyperparameters, rows: int, together: int = 1) -> tuple[float, float, float, int]:
        """Passes, operations of a forward pass over the base, tokens (padding too; a shared prefix's once), and
        steps."""
        shares = self._shares_in(hyper, together)
        key = (hyper.batch, hyper.epochs, rows, together, shares)
        if key not in self._counted:
            part = [row for row in self._train[:rows] if row.responses]
            schedule = batches(len(part), hyper.batch, hyper.epochs, random.Random(self._seed))
            sampled = schedule[:: max(1, len(schedule) // SAMPLED)]
            scale = len(schedule) / len(sampled)
            own = max(1, self._micro // together)
            chunks = [
                [part[step[at]] for at in chunk]
                for step in sampled
                for chunk in _passes([part[at] for at in step], own, shares, 0.0 if together > 1 else ALIKE)
            ]
            counted = [self.pass_of(chunk, shares) for chunk in chunks]
            self._counted[key] = (
                scale * len(chunks),
                scale * sum(operations for operations, _ in counted),
                scale * sum(tokens for _, tokens in counted),
                len(schedule),
            )
        return self._counted[key]

    def pass_of(self, rows: Sequence[Tokens], shares: bool = False) -> tuple[float, int]:
        """Operations of a forward pass, and tokens."""
        width = max(len(row.ids) for row in rows)
        tokens = tokens_of(rows) if shares else width * len(rows)
        return self.size.forward(tokens, tokens * width / 2, sum(row.responses for row in rows)), tokens

    def worst(self, hypers: Sequence[Hyperparameters]) -> list[int]:
        """The rows of the largest pass of any of these trainings, by their places."""
        places = [at for at, row in enumerate(self._train) if row.responses]
        most, largest = 0.0, places[:1]
        ways = {(hyper.batch, hyper.epochs, self._shares_in(hyper, 1)) for hyper in hypers}
        for batch, epochs, shares in sorted(ways):
            for step in batches(len(places), batch, epochs, random.Random(self._seed)):
                own = [places[at] for at in step]
                for chunk in _passes([self._train[at] for at in own], self._micro, shares):
                    operations, _ = self.pass_of([self._train[own[at]] for at in chunk], shares)
                    if operations > most:
                        most, largest = operations, [own[at] for at in chunk]
        return largest

    def _validation_of(self, rows: int) -> tuple[float, float]:
        if rows not in self._validated:
            part = self._validation[:rows]
            chunks = _passes(part, self._micro, self._shares)
            counted = [self.pass_of([part[at] for at in chunk], self._shares) for chunk in chunks]
            self._validated[rows] = (sum(o for o, _ in counted), sum(t for _, t in counted))
        return self._validated[rows]

    def _shares_in(self, hyper: Hyperparameters, together: int) -> bool:
        return self._shares and together == 1 and not hyper.dropout


def _passes(rows: Sequence[Tokens], most: int, shares: bool, alike: float = ALIKE) -> list[list[int]]:
    return passes(rows, most) if shares else by_length(rows, most, alike)
