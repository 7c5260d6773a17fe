"""Searches that were recorded once, as functions of a point: optimizers are compared on them in seconds.

`tiny_grid()` is a complete grid that was trained (bench/training/record_grid.py): claims rest on it, and
`tiny_grid_rungs()` has what these trainings give on a part of the rows. `paper()` is a surrogate fitted to 100 points
of arXiv 2312.00949, and is no better than its leave-one-out R².
"""

from __future__ import annotations

import csv
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from tuning.search.rungs import FRACTIONS
from tuning.study.parameters import Choice, Integer, Real
from tuning.study.space import Space
from tuning.types import Point

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FOLDER = Path(__file__).parent / "recorded"
TINY_GRID = FOLDER / "tiny_grid.csv"
TINY_GRID_RUNGS = FOLDER / "tiny_grid_rungs.csv"
PAPER_POINTS = FOLDER / "paper_points.csv"
GRID = Space(
    [
        Choice("rank", (2, 4, 8, 16, 32, 64)),
        Choice("alpha_over_rank", (0.5, 1, 2, 4, 8)),
        Choice("dropout", (0.0, 0.1)),
        Choice("lr", (3e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2)),
    ]
)
GRID_COLUMNS = ("seed", *GRID.names, "validation_loss", "train_loss", "cpu_seconds")
RUNGS = FRACTIONS[:-1]
RUNG_COLUMNS = ("seed", *GRID.names, *(f"at_{rung:g}" for rung in RUNGS))


@dataclass(frozen=True)
class Recorded:
    """A complete grid. `losses` has a validation loss of each seed by `space.key`; None where training failed."""

    space: Space
    losses: Mapping[str, Sequence[float | None]]

    def __call__(self, point: Point) -> float | None:
        """The mean over the seeds, nats a token; None where one failed."""
        losses = self.losses[self.space.key(point)]
        known = [loss for loss in losses if loss is not None]
        return sum(known) / len(known) if len(known) == len(losses) else None

    def noise(self) -> float:
        """The standard deviation of one training with another seed, pooled over the points with two seeds, nats."""
        pairs = [losses for losses in self.losses.values() if len(losses) == 2 and None not in losses]
        squares = [(a - b) ** 2 / 2 for a, b in pairs if a is not None and b is not None]
        return math.sqrt(sum(squares) / len(squares))


def tiny_grid() -> Recorded:
    """UsageError when the file does not hold every point of the grid once a seed."""
    losses: dict[str, list[float | None]] = {}
    for row in _rows(TINY_GRID):
        key = GRID.key({name: float(row[name]) for name in GRID.names})
        losses.setdefault(key, []).append(float(row["validation_loss"]) if row["validation_loss"] else None)
    if len(losses) != GRID.size or len({len(seeds) for seeds in losses.values()}) != 1:
        raise UsageError(f"{TINY_GRID} is not a complete grid: {len(losses)} of {GRID.size} points. Record it again.")
    return Recorded(GRID, losses)


def tiny_grid_rungs() -> dict[float, dict[str, float | None]]:
    """By rung and `space.key`, validation losses of the grid's trainings with seed 0, nats a token; None where training
    failed. UsageError when the file does not hold every point of the grid."""
    losses: dict[float, dict[str, float | None]] = {rung: {} for rung in FRACTIONS}
    for row in _rows(TINY_GRID_RUNGS):
        key = GRID.key({name: float(row[name]) for name in GRID.names})
        for rung in RUNGS:
            losses[rung][key] = float(row[f"at_{rung:g}"]) if row[f"at_{rung:g}"] else None
    if len(losses[RUNGS[0]]) != GRID.size:
        found = len(losses[RUNGS[0]])
        raise UsageError(f"{TINY_GRID_RUNGS} is not a complete grid: {found} of {GRID.size} points. Record it again.")
    losses[1.0] = {key: whole[0] for key, whole in tiny_grid().losses.items()}
    return losses


PAPER = Space(  # as the paper-round2 preset has it, with the dropout of 1 that was published
    [
        Choice("rank", (4, 8, 16, 32, 64, 128, 256, 512)),
        Integer("alpha", 1, 64),
        Choice("dropout", (0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0)),
        Real("lr", 1e-6, 1e-3, log=True),
    ]
)


class Surrogate:
    """A Gaussian process through points and their losses (scikit-learn: Matérn 5/2 with a length a feature, noise
    fitted). The features are log2 of rank and alpha, log10 of lr, and the place of dropout among its values."""

    def __init__(self, space: Space, points: Sequence[Point], losses: Sequence[float]) -> None:
        import numpy as np
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

        self.space = space
        self.losses = np.asarray(losses, dtype=float)
        x = np.array([self._features(point) for point in points])
        self._middle, self._spread = x.mean(axis=0), x.std(axis=0)
        kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern([1.0] * x.shape[1], (0.05, 100), nu=2.5)
        self._process = GaussianProcessRegressor(
            kernel + WhiteKernel(1e-2, (1e-6, 1.0)), normalize_y=True, n_restarts_optimizer=4, random_state=0
        )
        with warnings.catch_warnings():  # a length at its upper bound is a feature that does not matter
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._process.fit((x - self._middle) / self._spread, self.losses)

    def __call__(self, point: Point) -> float:
        x = (self._features(self.space.canonical(point)) - self._middle) / self._spread
        return float(self._process.predict(x[None])[0])

    def leave_one_out(self) -> float:
        """R² of each loss against the prediction from all others (Rasmussen and Williams 2006, eq. 5.12). The
        kernel's lengths and noise are those fitted to all."""
        import numpy as np

        x = self._process.X_train_
        inverse = np.linalg.inv(self._process.kernel_(x))
        scaled = (self.losses - self.losses.mean()) / self.losses.std()
        misses = (inverse @ scaled) / np.diag(inverse)
        return 1 - float((misses**2).sum() / (scaled**2).sum())

    def _features(self, point: Point) -> Floats:
        import numpy as np

        codes = dict(zip(self.space.names, self.space.encode(point), strict=True))
        logs = [math.log2(float(point["rank"])), math.log2(float(point["alpha"]))]
        return np.array([*logs, codes["lr"], codes["dropout"]])


def paper() -> Surrogate:
    """The surrogate of the paper's second round."""
    rows = _rows(PAPER_POINTS)
    points = [PAPER.canonical({name: float(row[name]) for name in PAPER.names}) for row in rows]
    return Surrogate(PAPER, points, [float(row["validation_loss"]) for row in rows])


def _rows(path: Path) -> list[dict[str, str]]:
    """Of a CSV file whose first lines are notes with #."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise UsageError(f"The recorded points {path} are not there: the installation is not whole.") from None
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
