"""A few trainings of a few rows, done by the trainer itself in a folder that is thrown away.

A few steps of the smallest and of the largest adapter in any case, and of more rows as long as the limit is not near.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.instruction_split import Splits
from harness.errors import IncompleteError
from tuning.estimate.training_cost import Cost, Costs
from tuning.training.part_rows import PartRows
from tuning.types import Hyperparameters, TrialError

if TYPE_CHECKING:
    from data.instructions import Instruction
    from tuning.training.train import Trainer

HARMLESS = 1e-6  # learning rate
STEPS = 4  # of a measured training: the first has what begins in it too
VALIDATED = 16  # rows


@dataclass(slots=True)
class Speeds:
    """Seconds a training takes: setup + steps + finish, each linear in what it computes."""

    setup: float = 0.0
    a_pass: float = 0.0
    an_operation: float = 0.0
    an_update: float = 0.0  # of one number, by the optimizer
    finish: float = 0.0
    a_validation: float = 0.0  # operation
    a_number: float = 0.0  # of an adapter, made, copied and written
    scatter: float = 0.2  # relative, of steps about the line

    def seconds(self, cost: Cost, together: int = 1) -> float:
        steps = self.a_pass * cost.passes + self.an_operation * cost.operations + self.an_update * cost.updates
        around = together * (self.setup + self.finish) + self.a_number * cost.adapter
        return around + steps + self.a_validation * cost.validation


@dataclass(slots=True)
class Measurement:
    steps: list[tuple[float, float, float, float]] = field(default_factory=list)  # seconds, passes, operations, updates
    ends: list[tuple[float, float, float, int]] = field(default_factory=list)  # seconds, validation, numbers, trainings
    starts: list[tuple[float, int]] = field(default_factory=list)  # seconds less a step, trainings
    peak_bytes: int = 0
    spent: float = 0.0
    notes: list[str] = field(default_factory=list)

    def speeds(self) -> Speeds:
        import numpy as np
        from scipy.optimize import nnls

        of_steps = np.asarray(self.steps)
        weights = 1.0 / of_steps[:, 0]
        found, _ = nnls(of_steps[:, 1:] * weights[:, None], np.ones(len(of_steps)))
        made = Speeds(a_pass=float(found[0]), an_operation=float(found[1]), an_update=float(found[2]))
        errors = np.log(of_steps[:, 0] / np.maximum(1e-9, of_steps[:, 1:] @ found))
        made.scatter = float(errors.std()) / max(1.0, len(errors) - 3.0) ** 0.5
        ends = np.asarray(self.ends)
        # a validation's operation takes at most what one of training does
        columns = ends[:, [3, 1, 2]] / ends[:, :1]
        made.finish, made.a_validation, made.a_number = map(float, nnls(columns, np.ones(len(ends)))[0])
        if made.a_validation == 0.0:
            made.a_validation = made.an_operation
        made.setup = max(0.0, float(np.median([seconds / trainings for seconds, trainings in self.starts])))
        return made


class TrainingSampler:
    """Trains on rows of its own choice with a trainer whose base is loaded."""

    def __init__(self, trainer: Trainer, splits: Splits, costs: Costs, folder: Path, seed: int) -> None:
        self._trainer, self.splits, self._costs, self._folder, self._seed = trainer, splits, costs, folder, seed
        self.measured = Measurement()

    def train(self, hypers: Sequence[Hyperparameters], train: Sequence[Instruction], validated: int) -> None:
        """TrialError where one of the trainings cannot be done at all."""
        trainer, together = self._trainer, len(hypers)
        part = Splits(tuple(train), self.splits.validation[:validated], (), self.splits.digests)
        whole = trainer.splits, trainer.rows
        trainer.splits, trainer.rows = part, PartRows(trainer.checkpoint, part, trainer.settings)
        tokens = trainer.rows.part("train")
        own = Costs(
            self._costs.size,
            self._costs.per_rank,
            tokens,
            trainer.rows.part("validation"),
            self._micro,
            self._seed,
            trainer.shares_prefixes,
        )
        ends: list[float] = []
        began = time.perf_counter()
        try:
            if together == 1:
                to = self._folder / "adapter"
                trained = trainer.train(hypers[0], 1.0, self._seed, to, lambda _: ends.append(time.perf_counter()))
                results = [trained]
            else:
                to_each = [self._folder / f"adapter-{n}" for n in range(together)]
                last = together - 1
                tell = lambda k, _: ends.append(time.perf_counter()) if k == last else None  # noqa: E731
                packed = trainer.train_packed(hypers, 1.0, [self._seed] * together, to_each, tell)
                results = [result for result in packed if not isinstance(result, TrialError)]
                for result in packed:
                    if isinstance(result, TrialError):
                        raise result
        finally:
            trainer.splits, trainer.rows = whole
        now = time.perf_counter()
        self._take(own.of(hypers, len(tokens), validated), together, began, ends, now)
        self.measured.peak_bytes = max(self.measured.peak_bytes, *(result.peak_bytes for result in results))

    @property
    def _micro(self) -> int:
        return self._trainer.settings.micro_batch

    def _take(self, cost: Cost, together: int, began: float, ends: Sequence[float], now: float) -> None:
        """The steps behind the first, together: each has other rows, and their sum is what was counted."""
        measured = self.measured
        steps = len(ends)
        seconds = (ends[-1] - ends[0]) / max(1, steps - 1) if steps > 1 else ends[0] - began
        a_step = (seconds, cost.passes / steps, cost.operations / steps, cost.updates / steps)
        measured.steps.append(a_step)
        measured.starts.append((max(0.0, ends[0] - began - seconds), together))
        measured.ends.append((now - ends[-1], cost.validation, cost.adapter, together))
        measured.spent += now - began


def measured(
    sampler: TrainingSampler,
    worst: Sequence[Instruction],
    rows: Sequence[Instruction],
    small: Sequence[Hyperparameters],
    large: Sequence[Hyperparameters],
    limit: float,
) -> Measurement:
    """The largest adapters on the rows of the largest pass, which is what memory has to hold; then the smallest and the
    largest on the first rows, as long as there is time."""
    try:
        sampler.train(_of_steps(large, len(worst), len(worst)), worst, 4)
    except TrialError as error:
        sampler.measured.notes.append(f"The largest adapters of the space cannot be trained here: {error}")
        large = small
        try:
            sampler.train(_of_steps(small, len(worst), len(worst)), worst, 4)
        except TrialError:
            raise IncompleteError(f"No adapter of the space can be trained here: {error}") from error
    for count in (16, 32, 64):
        part = rows[:count]
        for hypers in (small, large):
            batch = min(hypers[0].batch, max(1, len(part) // 2))
            sampler.train(_of_steps(hypers, batch, len(part)), part, VALIDATED * count // 16)
        if sampler.measured.spent * 2.5 > limit or count >= len(rows):
            break
    return sampler.measured


def _of_steps(hypers: Sequence[Hyperparameters], batch: int, rows: int) -> list[Hyperparameters]:
    """The same, STEPS steps or so long, and at a rate that breaks nothing."""
    epochs = max(1.0, STEPS / -(-rows // batch))
    return [replace(hyper, batch=batch, epochs=epochs, lr=HARMLESS, mix=None) for hyper in hypers]
