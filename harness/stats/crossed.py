"""Intervals over items and seeds together: a configuration trained over several seeds, measured on the same items.

Items and seeds are crossed: each seed answers each item. With items i, seeds s and what is particular to one answer,
the mean over both has the variance σ²_i/n + σ²_s/S + σ²_e/(nS). The mean squares of the two-way analysis of variance
estimate it without bias: (MS_i + MS_s - MS_e) / (nS) (Cornfield and Tukey 1956; Brennan 2001, Generalizability Theory,
chapter 2). With one seed, the spread of seeds cannot be told, and items are all of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.stats.intervals import Interval, cluster_codes, moments, score_interval
from harness.stats.paired import score_p

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Difference(NamedTuple):
    """b - a, its interval and two-sided p."""

    interval: Interval
    p: float


def crossed(
    values: Floats, clusters: Sequence[str] | None = None, bounded: tuple[float, float] | None = (0.0, 1.0)
) -> Interval:
    """The mean of values [seeds, items]. `clusters` names each item's."""
    return score_interval(float(values.mean()), *_moments(values, clusters), bounded)


def crossed_difference(a: Floats, b: Floats, clusters: Sequence[str] | None = None, reach: float = 1.0) -> Difference:
    """Of two configurations on the same items, [seeds, items] each; `reach` is the most that one item can differ by.

    Seeds of the two are independent; items are paired. One without seeds (the base) has one row."""
    import numpy as np

    paired = b.mean(axis=0) - a.mean(axis=0)
    value = float(paired.mean())
    variance, df, floor = _items(paired, clusters)
    parts = [(variance, df)]
    for side in (a, b):
        extra, own = _seeds(side)
        parts.append((extra, own))
    total, freedom = _total(parts)
    bounds = (-reach, reach)
    interval = score_interval(value, total, freedom, floor, bounds)
    return Difference(interval, score_p(value, total, freedom, floor, reach) if np.any(paired) else 1.0)


def _moments(values: Floats, clusters: Sequence[str] | None) -> tuple[float, float, float]:
    """Variance of the mean, degrees of freedom, and the number of independent answers at worst."""
    variance, df, floor = _items(values.mean(axis=0), clusters)
    total, freedom = _total([(variance, df), _seeds(values)])
    return total, freedom, floor


def _items(means: Floats, clusters: Sequence[str] | None) -> tuple[float, float, float]:
    """Of items' means over the seeds: it holds σ²_i/n + σ²_e/(nS)."""
    import numpy as np

    codes = None if clusters is None else cluster_codes(clusters, len(means))
    _, variance, df, floor = moments(means, np.zeros(len(means), dtype=np.intp), codes)
    return float(variance[0]), float(df[0]), float(floor[0])


def _seeds(values: Floats) -> tuple[float, float]:
    """What seeds add to the variance of the mean, σ²_s/S, and its degrees of freedom; none with one seed."""
    seeds, items = values.shape
    if seeds == 1:
        return 0.0, 0.0
    of_seeds = values.mean(axis=1)
    spread = float(of_seeds.var(ddof=1)) / seeds  # σ²_s/S + σ²_e/(nS)
    rest = values - values.mean(axis=0) - of_seeds[:, None] + values.mean()
    error = float((rest**2).sum()) / ((seeds - 1) * max(1, items - 1)) / (seeds * items)
    # of two seeds, half of the estimates would be cut at zero and the interval too bold: what is not subtracted is safe
    return (spread if seeds == 2 else max(0.0, spread - error)), seeds - 1.0


def _total(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """A variance whose interval at the items' degrees of freedom has the half-width of all parts: the squares of their
    own half-widths add up. Satterthwaite's formula is too bold here: where a few seeds happen to agree, it takes the
    certain part's degrees of freedom for all."""
    from scipy.special import stdtrit

    (items, df), *others = parts
    reach = float(stdtrit(df, 0.975)) if df > 0 else math.inf
    total = items + sum(variance * (float(stdtrit(own, 0.975)) / reach) ** 2 for variance, own in others if own > 0)
    return total, df
