"""What a trial that was stopped at a rung would come to on the whole rows: an optimizer hears of values on that scale
only.

A value that is told is

    estimate + penalty

where the estimate goes up rung by rung: y = mean(y) + b (x - mean(x)) over the trials that have both rungs, b their
least-squares slope held between 0 and SLOPE; with fewer than three such trials b = 1, a shift. The penalty is
the standard error of that prediction: the residual standard deviations of the steps, each carried up by the slopes
above it, added in quadrature. A step of fewer than three trials has no residuals and adds nothing. Each of several
objectives has an estimate and a penalty of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SLOPE = 2.0

Curve = Mapping[int, float | None]  # a trial's value at each rung that it was trained at; None: it failed there


@dataclass(frozen=True, slots=True)
class Estimate:
    value: float  # at the whole rows
    penalty: float
    rung: int  # the highest that was trained
    pairs: int  # trials behind the weakest step; 0 where some step had none, and was left out

    @property
    def penalized(self) -> float:
        return self.value + self.penalty

    @property
    def sentence(self) -> str:
        return f"estimate {self.value:.4f} + penalty {self.penalty:.4f} (from {self.pairs} trials)"


@dataclass(frozen=True, slots=True)
class Step:
    """From a rung to the next, over the trials that have both."""

    low: float  # their mean at the rung
    high: float  # and at the next
    slope: float
    variance: float  # of the residuals
    pairs: int


def steps(curves: Sequence[Curve], rungs: int) -> list[Step]:
    """From each rung but the last."""
    return [_step(_pairs(curves, rung)) for rung in range(rungs - 1)]


def climb(known: Sequence[Step], rung: int, value: float) -> Estimate:
    """What a value at a rung comes to on the whole rows."""
    variance = 0.0
    for step in known[rung:]:
        value = step.high + step.slope * (value - step.low)
        variance = step.slope**2 * variance + step.variance
    return Estimate(value, math.sqrt(variance), rung, min((step.pairs for step in known[rung:]), default=0))


def correlations(curves: Sequence[Curve], rungs: int) -> list[tuple[int, float | None]]:
    """For each rung but the last: trials that have it and the next, and Spearman's correlation of the two (None below
    three trials or without spread)."""
    from scipy.stats import spearmanr

    by_rung = []
    for rung in range(rungs - 1):
        pairs = _pairs(curves, rung)
        known = len(pairs) >= 3 and all(len(set(side)) > 1 for side in zip(*pairs, strict=True))
        by_rung.append((len(pairs), float(spearmanr(pairs).statistic) if known else None))
    return by_rung


def _step(pairs: Sequence[tuple[float, float]]) -> Step:
    n = len(pairs)
    if n == 0:
        return Step(0.0, 0.0, 1.0, 0.0, 0)
    x, y = sum(p[0] for p in pairs) / n, sum(p[1] for p in pairs) / n
    spread = sum((p[0] - x) ** 2 for p in pairs)
    if n < 3 or spread == 0:
        return Step(x, y, 1.0, 0.0, n)
    slope = min(SLOPE, max(0.0, sum((p[0] - x) * (p[1] - y) for p in pairs) / spread))
    residual = sum((p[1] - y - slope * (p[0] - x)) ** 2 for p in pairs) / (n - 2)
    return Step(x, y, slope, residual, n)


def _pairs(curves: Sequence[Curve], rung: int) -> list[tuple[float, float]]:
    both = ((curve.get(rung), curve.get(rung + 1)) for curve in curves)
    return [(low, high) for low, high in both if low is not None and high is not None]
