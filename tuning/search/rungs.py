"""Rungs: trials start on a small part of the rows, and only promising ones go on to larger parts.

Each rung is a training of its own, on a nested subset, with a schedule that ends there. Its batches are smaller by the
square root of the fraction, so that its steps are fewer by the square root only: a rung of a few large steps favours
learning rates and alphas that are too large for many (Adam's rate goes with the root of the batch, Malladi et al.
2022). Measured on 50 trials of the embedded model, Spearman's correlation of the loss at 5, 10 and 30% with that on
all rows: 0.93, 0.93, 0.97 with batches as they are; 0.94, 0.96, 0.98 with the root; 0.92, 0.93, 0.87 with equal steps.

A trial goes on from a rung when it is among the best 1/ETA of those that the rung has seen so far, and no more than
1/ETA of them have gone on (successive halving, Jamieson and Talwalkar 2016, decided one trial at a time). "So far" is
the order of proposal and never that of finishing: a parallel study decides as a serial one does, and a resumed one as
it did before.

An optimizer hears of values on one scale, the whole rows'. A trial that was stopped is told

    estimate + penalty

where the estimate goes up rung by rung: y = mean(y) + b (x - mean(x)) over the trials that have both rungs, b their
least-squares slope held between 0 and SLOPE; with fewer than three such trials b = 1, a shift. The penalty is
the standard error of that prediction: the residual standard deviations of the steps, each carried up by the slopes
above it, added in quadrature. A step of fewer than three trials has no residuals and adds nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tuning.types import Hyperparameters

FRACTIONS = (0.05, 0.1, 0.3, 1.0)
WHOLE = (1.0,)
ETA = 4
SLOPE = 2.0
ALL_ROWS = 3  # of the best by estimate, so many are trained on all rows when the search has ended
SHRINK = 0.5  # the power of the fraction by which batches are smaller

Curve = Mapping[int, float | None]  # a trial's value at each rung that it was trained at; None: it failed there


@dataclass(frozen=True, slots=True)
class Estimate:
    value: float  # of the first objective at the whole rows
    penalty: float
    rung: int  # the highest that was trained
    pairs: int  # trials behind the weakest step; 0 where some step had none, and was left out

    @property
    def penalized(self) -> float:
        return self.value + self.penalty

    def sentence(self, fractions: Sequence[float]) -> str:
        return (
            f"stopped at {fractions[self.rung]:.0%} of the rows: estimate {self.value:.4f} + penalty {self.penalty:.4f}"
            f" (from {self.pairs} trials)"
        )


def shrunk(hyper: Hyperparameters, fraction: float) -> Hyperparameters:
    """What a rung trains with."""
    return replace(hyper, batch=max(1, round(hyper.batch * fraction**SHRINK)))


def goes_on(curves: Sequence[Curve], trial: int, rung: int, together: int = 0) -> bool:
    """Whether the trial at that place goes on from a rung. `curves` are in the order of proposal; the first `together`
    of them (the start points, which every study trains) are decided as one group.

    Depends on the trials up to this one (or to the end of the group), which must have been trained at the rung where
    they came to it."""
    seen: list[float] = []
    gone = 0
    group = [(value, place) for place, value in _values(curves[:together], rung)]
    if group:
        seen = [value for value, _ in group]
        gone = _allowed(len(seen))
        chosen = {place for _, place in sorted(group)[:gone]}
        if trial < together:
            return trial in chosen
    for place, value in _values(curves[: trial + 1], rung):
        if place < together:
            continue
        better = sum(other <= value for other in seen)
        seen.append(value)
        on = better < _allowed(len(seen)) and gone < _allowed(len(seen))
        gone += on
        if place == trial:
            return on
    return False


def estimate(curves: Sequence[Curve], trial: int, rungs: int, together: int = 0, all_known: bool = False) -> Estimate:
    """What the trial would come to on the whole rows, from what is known when it is told; with `all_known`, from all
    trials (for a ranking after the search). ValueError where it has no value."""
    reached = [rung for rung, value in curves[trial].items() if value is not None]
    if not reached:
        raise ValueError("a trial without a value has no estimate")
    rung = max(reached)
    value, variance, fewest = float(curves[trial][rung] or 0.0), 0.0, len(curves)
    known = curves if all_known else curves[: max(trial + 1, together)]
    for step in range(rung, rungs - 1):
        value, slope, residual, pairs = _up(known, step, value)
        variance = slope**2 * variance + residual
        fewest = min(fewest, pairs)
    return Estimate(value, math.sqrt(variance), rung, fewest if rung < rungs - 1 else 0)


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


def _up(curves: Sequence[Curve], rung: int, value: float) -> tuple[float, float, float, int]:
    """One rung up: the value there, the slope, the variance of the residuals, and the trials behind it."""
    pairs = _pairs(curves, rung)
    n = len(pairs)
    if n == 0:
        return value, 1.0, 0.0, 0
    x, y = sum(p[0] for p in pairs) / n, sum(p[1] for p in pairs) / n
    spread = sum((p[0] - x) ** 2 for p in pairs)
    if n < 3 or spread == 0:
        return y + value - x, 1.0, 0.0, n
    slope = min(SLOPE, max(0.0, sum((p[0] - x) * (p[1] - y) for p in pairs) / spread))
    residual = sum((p[1] - y - slope * (p[0] - x)) ** 2 for p in pairs) / (n - 2)
    return y + slope * (value - x), slope, residual, n


def _pairs(curves: Sequence[Curve], rung: int) -> list[tuple[float, float]]:
    both = ((curve.get(rung), curve.get(rung + 1)) for curve in curves)
    return [(low, high) for low, high in both if low is not None and high is not None]


def _values(curves: Sequence[Curve], rung: int) -> list[tuple[int, float]]:
    """(place, value) of those that have a value at the rung."""
    at = ((place, curve.get(rung)) for place, curve in enumerate(curves))
    return [(place, value) for place, value in at if value is not None]


def _allowed(seen: int) -> int:
    return math.ceil(seen / ETA)
