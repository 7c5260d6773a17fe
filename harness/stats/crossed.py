"""Intervals over items and seeds together: a configuration trained over several seeds, measured on the same items.

Items and seeds are crossed: each seed answers each item. With items i, seeds s and what is particular to one answer,
the mean over both has the variance σ²_i/n + σ²_s/S + σ²_e/(nS), whose parts the two-way analysis of variance estimates
(Cornfield and Tukey 1956; Brennan 2001, Generalizability Theory, chapter 2). With one seed, the spread of seeds cannot
be told, and items are all of it.

The degrees of freedom are after Satterthwaite's formula, which is too bold with few seeds: where they happen to agree,
it takes the items' degrees of freedom for all. `_total` is ours; docs/statistics.md has its coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.stats.intervals import UNIT, Interval, Z, cluster_codes, macro_moments, moments, score_interval
from harness.stats.paired import reach_of, score_p, t_p

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.stats.sequences import MeanSequence

    Floats = NDArray[np.float64]

BISECTIONS = 40  # to find where two p cross


class Difference(NamedTuple):
    """b - a, its interval and two-sided p."""

    interval: Interval
    p: float


class _Items(NamedTuple):
    """The mean over items of values that are means over the seeds, and the part of its variance that is the items':
    σ²_i/n + σ²_e/(nS)."""

    value: float
    variance: float
    df: float
    floor: float  # independent answers at worst


class _Seeds(NamedTuple):
    """Of one side's mean: the variance of the seeds' own means, over S; how much of it is chance of single answers,
    which the items' part holds already; and its degrees of freedom, none with one seed."""

    spread: float  # σ²_s/S + σ²_e/(nS)
    error: float  # σ²_e/(nS)
    df: float


def crossed(
    values: Floats,
    clusters: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    bounded: tuple[float, float] | None = UNIT,
) -> Interval:
    """The mean of values [seeds, items]; with `groups`, which names each item's, the mean of the groups' means.
    `clusters` names each item's."""
    items = _items(values.mean(axis=0), clusters, groups, bounded)
    variance, df = _total(items, [_seeds(values, groups)])
    return score_interval(items.value, variance, df, items.floor, bounded)


def crossed_difference(
    a: Floats,
    b: Floats,
    clusters: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    reach: float | None = 1.0,
) -> Difference:
    """Of two configurations on the same items, [seeds, items] each; `reach` is the most that one item can differ by,
    None where there is no limit. `groups` and `clusters` as for `crossed`.

    Seeds of the two are independent; items are paired. One without seeds (the base) has one row."""
    import numpy as np

    paired = b.mean(axis=0) - a.mean(axis=0)
    bounds = None if reach is None else (-reach, reach)
    items = _items(paired, clusters, groups, bounds)
    variance, df = _total(items, [_seeds(a, groups), _seeds(b, groups)])
    interval = score_interval(items.value, variance, df, items.floor, bounds)
    if not np.any(paired):
        return Difference(interval, 1.0)
    if reach is None:
        return Difference(interval, t_p(items.value, variance, df))
    return Difference(interval, score_p(items.value, variance, df, items.floor, reach))


def foreseen_difference(
    a: Floats,
    b: Floats,
    times: float,
    clusters: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    reach: float = 1.0,
) -> Interval:
    """The interval that `crossed_difference` would give on `times` as many items, were they as these are: the items'
    part of the variance is so many times smaller, and that of the seeds stays."""
    bounds = (-reach, reach)
    items = _items(b.mean(axis=0) - a.mean(axis=0), clusters, groups, bounds)
    more = _Items(items.value, items.variance / times, items.df * times, items.floor * times)
    sides = [_seeds(side, groups) for side in (a, b)]
    fewer = [_Seeds(s.spread - s.error * (1 - 1 / times), s.error / times, s.df) for s in sides]
    variance, df = _total(more, fewer)
    return score_interval(more.value, variance, df, more.floor, bounds)


def difference_in_part(
    a: Floats, b: Floats, sequence: MeanSequence, times: float, clusters: Sequence[str] | None = None
) -> Difference:
    """What `crossed_difference` is going to say of `times` as many items, when these are read in random order.

    `a` and `b` are [seeds, items] of the items so far, with values from 0 to 1; `sequence` is of their means'
    difference over all items. The interval holds that of all items with a chance of 95%, whenever reading was stopped:
    each end of the sequence's interval has the half-width that is foreseen on all items beyond it. A p below 0.05 is an
    interval without zero: p is the highest, over all means, of the lower of two, the sequence's p of the mean and the
    p that the mean would have on all items."""
    value, low, high = sequence.interval()
    foreseen = foreseen_difference(a, b, times, clusters)
    below, above = foreseen.value - foreseen.low, foreseen.high - foreseen.value
    interval = Interval(value, max(-1.0, low - below), min(1.0, high + above))
    if value == 0:
        return Difference(interval, 1.0)
    sign = 1 if value > 0 else -1
    error = (below if value > 0 else above) / Z
    near, far = 0.0, abs(value)  # the two p's cross between
    for _ in range(BISECTIONS):
        middle = (near + far) / 2
        if sequence.p_value(sign * middle) < _normal_p(middle, error):
            near = middle
        else:
            far = middle
    return Difference(interval, _normal_p(near, error))


def _normal_p(distance: float, error: float) -> float:
    """Two-sided, of a mean that is so far from zero."""
    from scipy.special import ndtr

    return 2 * float(ndtr(-distance / error))


def reach_between(a: Floats, b: Floats) -> float:
    """How far an item's scores under the two can be apart: 1 for scores in [0, 1], else the range of all."""
    return reach_of([float(end) for side in (a, b) for end in (side.min(), side.max())])


def _items(
    means: Floats, clusters: Sequence[str] | None, groups: Sequence[str] | None, bounded: tuple[float, float] | None
) -> _Items:
    import numpy as np

    if groups is None:
        codes = None if clusters is None else cluster_codes(clusters, len(means))
        value, variance, df, floor = moments(means, np.zeros(len(means), dtype=np.intp), codes)
        return _Items(float(value[0]), float(variance[0]), float(df[0]), float(floor[0]))
    values: dict[str, list[float]] = {}
    own: dict[str, list[str]] = {}
    for at, (group, mean) in enumerate(zip(groups, means.tolist(), strict=True)):
        values.setdefault(group, []).append(mean)
        own.setdefault(group, []).append(str(at) if clusters is None else clusters[at])
    return _Items(*macro_moments(values, own, bounded))


def _seeds(values: Floats, groups: Sequence[str] | None) -> _Seeds:
    import numpy as np

    seeds, items = values.shape
    if seeds == 1:
        return _Seeds(0.0, 0.0, 0.0)
    weights = np.full(items, 1 / items)
    if groups is not None:
        codes = cluster_codes(groups, items)
        sizes = np.bincount(codes)
        weights = 1 / (len(sizes) * sizes[codes])
    of_seeds = values @ weights
    rest = values - values.mean(axis=0)
    rest = rest - (rest @ weights)[:, None]
    error = float((rest**2).sum(axis=0) @ weights**2) / (seeds - 1) * items / max(1, items - 1)
    return _Seeds(float(of_seeds.var(ddof=1)) / seeds, error / seeds, seeds - 1.0)


def _total(items: _Items, sides: Sequence[_Seeds]) -> tuple[float, float]:
    """The variance of items and seeds together, and its degrees of freedom.

    The sides' spreads are one part with ν degrees of freedom, by Satterthwaite's formula. Of its chance of single
    answers (1+ν)/4 is subtracted, at most all: of two seeds the estimate is so rough that what is left would be cut at
    zero half of the time. Where the seeds' share of the whole is λ, their term in 1/df is λ^(ν/4)/ν, with the exponent
    at most 1, and not λ²/ν. Both were chosen by the coverage that they give, by quadrature over all shares λ."""
    sides = [side for side in sides if side.df]
    spread = sum(side.spread for side in sides)
    if spread <= 0:
        return items.variance, items.df
    own = spread**2 / sum(side.spread**2 / side.df for side in sides)
    seeds = max(0.0, spread - min(1.0, (1 + own) / 4) * sum(side.error for side in sides))
    total = items.variance + seeds
    share = seeds / total if total > 0 else 0.0
    inverse = share ** min(1.0, own / 4) / own if share else 0.0
    inverse += (1 - share) ** 2 / items.df if items.df else 0.0
    return total, 1 / inverse if inverse else items.df
