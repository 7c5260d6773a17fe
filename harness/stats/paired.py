"""Paired tests: is b better than a on the items that both answered? Differences are b - a, intervals at 95%.

docs/statistics.md has sources and measured coverage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from harness.stats.intervals import (
    Z,
    binary,
    cluster_codes,
    effective_size,
    is_constant,
    macro_moments,
    moments,
    score_interval,
)

CHUNK = 1 << 21  # draws of the bootstrap held in memory at once


class Paired(NamedTuple):
    """b - a with its 95% interval and two-sided p; method is "mcnemar", "bootstrap" or "stratified"."""

    difference: float
    low: float
    high: float
    p: float
    method: str


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided mid-p of McNemar's test from the items that only a, and only b, gets right.

    Mid-p at every count: the exact test is too careful and the chi-squared one too bold at small counts
    (Fagerland, Lydersen and Laake 2013)."""
    from scipy.special import bdtr

    few, n = min(only_a, only_b), only_a + only_b
    if few < 0:
        raise ValueError("counts of flips cannot be negative")
    # twice the tail, the observed count by half: 2 P(X < few) + P(X = few)
    return min(1.0, float(bdtr(few, n, 0.5)) + (float(bdtr(few - 1, n, 0.5)) if few else 0.0))


def paired(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = 10_000,
) -> Paired:
    """Mean of b - a over items in the same order in both. Right/wrong of independent items: McNemar's mid-p with
    Tango's (1998) score interval; an interval without zero always has p < 0.05. Anything else: the symmetric
    clustered bootstrap, whose interval holds zero exactly where p >= 0.05."""
    _same_length(a, b)
    if (clusters is None or len(set(clusters)) == len(a)) and binary(a) and binary(b):
        only_a = sum(1 for x, y in zip(a, b, strict=True) if x > y)
        only_b = sum(1 for x, y in zip(a, b, strict=True) if y > x)
        p = mcnemar(only_a, only_b)
        low, high = -_tango(only_a, only_b, len(a)), _tango(only_b, only_a, len(a))
        if p >= 0.05:  # at a few flips the score interval is a little bolder than the mid-p
            low, high = min(low, 0.0), max(high, 0.0)
        return Paired((only_b - only_a) / len(a), low, high, p, "mcnemar")
    return _bootstrap(a, b, clusters, seed, resamples)


def paired_macro(
    a: Mapping[str, Sequence[float]],
    b: Mapping[str, Sequence[float]],
    clusters: Mapping[str, Sequence[str]] | None = None,
) -> Paired:
    """The difference of two macro averages over the same items: `stratified` on b - a, its p the same score test."""
    for group in a:
        _same_length(a[group], b[group])
    reach = reach_of([x for runs in (a, b) for group in runs.values() for x in group])
    deltas = {group: [y - x for x, y in zip(a[group], b[group], strict=True)] for group in a}
    value, variance, df, floor = macro_moments(deltas, clusters, (-reach, reach))
    _, low, high = score_interval(value, variance, df, floor, (-reach, reach))
    return Paired(value, low, high, score_p(value, variance, df, floor, reach), "stratified")


def score_p(value: float, variance: float, df: float, floor: float, reach: float) -> float:
    """Two-sided p of the score test that a mean difference in [-reach, reach] is zero; `variance`, `df` and `floor` are
    those of `stats.moments`."""
    from scipy.special import ndtr, stdtr

    if is_constant(variance, df, (-reach, reach)):  # as score_interval
        return 2 * float(ndtr(-math.sqrt(floor * abs(value) / reach)))
    # at zero a difference in [-r, r] is a proportion of one half: the score's variance there is r^2 / size
    size, df = effective_size(value, variance, df, floor, (-reach, reach))
    return min(1.0, 2 * float(stdtr(df, -abs(value) / reach * math.sqrt(size))))


def t_p(value: float, variance: float, df: float) -> float:
    """Two-sided p of Student's t that a mean difference without limits is zero; 1 where `df` is 0, as nothing tells."""
    from scipy.special import stdtr

    if not df or not variance:
        return 1.0 if not value or not df else 0.0
    return 2 * float(stdtr(df, -abs(value) / math.sqrt(variance)))


def holm(pvalues: Sequence[float]) -> list[float]:
    """Holm's (1979) step-down adjustment, in the order given."""
    adjusted, worst = [0.0] * len(pvalues), 0.0
    for rank, index in enumerate(sorted(range(len(pvalues)), key=lambda i: pvalues[i])):
        worst = max(worst, min(1.0, (len(pvalues) - rank) * pvalues[index]))
        adjusted[index] = worst
    return adjusted


def _tango(more: int, less: int, n: int) -> float:
    """Upper end of Tango's score interval for the difference of paired proportions, (more - less) / n.
    The lower end is -_tango(less, more, n)."""
    from scipy.optimize import brentq

    def excess(delta: float) -> float:
        """The score statistic at a difference of `delta`, less its 2.5% point."""
        linear = (2 * n - more + less) * delta - more - less
        root = math.sqrt(max(0.0, linear**2 + 8 * n * less * delta * (1 - delta)))
        rarer = max(0.0, root - linear) / (4 * n)  # P(less) at the likelihood's maximum, given delta
        return (more - less - n * delta) / math.sqrt(n * (2 * rarer + delta * (1 - delta))) + Z

    tiny = 1e-9  # at 1, and at an estimate of 0 without flips, the variance is 0
    start = (more - less) / n + tiny
    return 1.0 if start >= 1 or excess(1 - tiny) >= 0 else float(brentq(excess, start, 1 - tiny, xtol=1e-12))


def _bootstrap(
    a: Sequence[float], b: Sequence[float], clusters: Sequence[str] | None, seed: int, resamples: int
) -> Paired:
    """Whole clusters are drawn with replacement; the interval is the difference plus and minus the 95% point of
    |resampled - observed|, widened as Student's t is over the normal at the clusters' degrees of freedom."""
    import numpy as np
    from scipy.special import stdtrit

    d = np.asarray(b, dtype=float) - np.asarray(a, dtype=float)
    own = np.arange(len(d)) if clusters is None else cluster_codes(clusters, len(d))
    reach = reach_of([*a, *b])
    sums, sizes = np.bincount(own, d), np.bincount(own).astype(float)
    count, observed = len(sums), float(sums.sum() / sizes.sum())
    _, _, dfs, _ = moments(d, np.zeros(len(d), dtype=np.intp), own)
    centred = sums - observed * sizes
    if count == 1 or float(np.abs(centred).max()) < 1e-12 * reach:
        # no spread to resample: the width of Tango's interval when no pair differs, and the sign test over clusters
        half, p = reach * Z**2 / (count + Z**2), 0.5 ** (count - 1) if observed else 1.0
    else:
        rng, deviations = np.random.default_rng(seed), np.empty(resamples)
        step = max(1, CHUNK // count)
        for start in range(0, resamples, step):
            drawn = rng.integers(0, count, (min(step, resamples - start), count), dtype=np.int32)
            deviations[start : start + step] = np.abs(centred[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
        deviations *= math.sqrt(count / (count - 1)) * float(stdtrit(dfs[0], 0.975)) / Z
        half = float(np.sort(deviations)[min(resamples, math.ceil(0.95 * (resamples + 1))) - 1])
        # ties count, whatever the rounding
        p = (1 + int((deviations >= abs(observed) * (1 - 1e-9)).sum())) / (resamples + 1)
    return Paired(observed, max(-reach, observed - half), min(reach, observed + half), p, "bootstrap")


def reach_of(values: Sequence[float]) -> float:
    """How far a difference of two of these can go: 1 for scores in [0, 1], else their range."""
    low, high = min(values), max(values)
    return 1.0 if low >= 0 and high <= 1 else high - low or 1.0


def _same_length(a: Sequence[float], b: Sequence[float]) -> None:
    if len(a) != len(b) or len(a) == 0:
        raise ValueError(f"a paired test needs the same items in both: {len(a)} and {len(b)} given")
