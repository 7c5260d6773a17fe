"""Intervals of strengths and of their differences, by the sandwich or the bootstrap, with open sides where games set no
limit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from judges.ranking.bradley_terry import Fit, Floats, Table

Method = Literal["sandwich", "bootstrap"]
RESAMPLES = 2000


class Ends:
    """Intervals of strengths, differences and weights, by the ranking's method."""

    def __init__(self, fitted: Fit, table: Table, method: Method, seed: int) -> None:
        import numpy as np

        self.fitted, self.models = fitted, table.models
        self.estimate = np.concatenate([fitted.strengths, fitted.weights])
        resampled = method == "bootstrap" and len(fitted.scores) > 1
        self.moves = fitted.resampled(RESAMPLES, seed) if resampled else None
        self.over = chains(table) if fitted.separated else None

    def interval(self, first: int, second: int | None) -> tuple[float, float, float]:
        """Of a strength (or weight), or of `first` less `second`: value, low, high."""
        import numpy as np
        from scipy.special import stdtrit

        contrast = np.zeros(len(self.estimate))
        contrast[first] = 1.0
        if second is not None:
            contrast[second] -= 1.0
        elif first < self.models:
            contrast[: self.models] -= 1 / self.models
        value = float(contrast @ self.estimate)
        variance, df = self.fitted.spread(contrast)
        t = float(stdtrit(df, 0.975))
        half = t * math.sqrt(variance)
        if self.moves is not None:
            half = max(self._bootstrap(self.moves, contrast, t), t * math.sqrt(float(self._floor(contrast))))
        up, down = self._open(first, second)
        return value, -math.inf if down else value - half, math.inf if up else value + half

    def _bootstrap(self, moves: Floats, contrast: Floats, t: float) -> float:
        """t times the standard error over the resamples, widened by sqrt(G/(G-1)). A quantile of the resamples would
        jump: with 29 votes there are few values that it can take."""
        clusters = len(self.fitted.scores)
        return t * math.sqrt(float(((moves @ contrast) ** 2).mean()) * clusters / (clusters - 1))

    def _floor(self, contrast: Floats) -> float:
        free = self.fitted.basis.T @ contrast
        return float(free @ self.fitted.floor @ free)

    def _open(self, first: int, second: int | None) -> tuple[bool, bool]:
        """Whether the games set no upper, and no lower, limit."""
        if self.over is None or first >= self.models:
            return False, False
        if second is not None:
            up = self.over[first, second] and not self.over[second, first]
            down = self.over[second, first] and not self.over[first, second]
            return bool(up), bool(down)
        # a group that beat each other sets the scale for the rest: its own strengths are limited
        equal = (self.over * self.over.T) > 0
        if equal[first].sum() == max(2, equal.sum(axis=1).max()):
            return False, False
        above = ((self.over[first] > 0) & ~equal[first]).any()
        below = ((self.over[:, first] > 0) & ~equal[first]).any()
        return bool(above and not below), bool(below and not above)


def chains(table: Table) -> Floats:
    """(models, models): whether a chain of wins and ties leads from one to the other."""
    import numpy as np

    from judges.ranking.bradley_terry import beaten

    won, lost = beaten(table)
    reach = np.eye(table.models)
    reach[won, lost] = 1
    for middle in range(table.models):
        reach = np.maximum(reach, np.outer(reach[:, middle], reach[middle]))
    return reach
