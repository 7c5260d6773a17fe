"""Intervals for scores, all at 95%. docs/statistics.md has sources and measured coverage; paired.py compares runs.

One idea carries the intervals of scores: Wilson's interval at an effective sample size. A mean m of scores in
[0, 1] with estimated variance v is as certain as m(1-m)/v independent right/wrong answers (Kott and Carr 1997;
Dean and Pagano 2015), so Wilson's formula at that size, with Student's t for the normal quantile, stays inside
[0, 1] and copes with skew. Only v differs: independent items, clusters, strata.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.stats.drawing import unit_key
from harness.types import Sample, Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Z = 1.959963984540054  # the normal's 97.5% point
UNIT = (0.0, 1.0)
NO_SPREAD = 1e-20  # a variance below this, in squared ranges, is rounding: the values are all the same


class Interval(NamedTuple):
    value: float
    low: float
    high: float


class _Row(NamedTuple):
    """One item: the mean of its repeats, its group and its cluster."""

    value: float
    group: str
    cluster: str


def wilson(successes: float, n: float) -> Interval:
    """Wilson's (1927) score interval of `successes` out of `n` independent trials."""
    if not 0 <= successes <= n or n <= 0:
        raise ValueError(f"{successes} successes of {n} trials make no proportion")
    return _wilson(successes / n, n, Z)


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that k of n samples hold a right one when c of the n are right (Chen et al. 2021, eq. 1)."""
    if not 0 <= c <= n or not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {k} samples and 0 to n right ones; got n={n}, c={c}")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def mean(values: Sequence[float], bounded: tuple[float, float] | None = UNIT) -> Interval:
    """The mean of independent scores. Without bounds it is Student's t interval."""
    return _pooled(values, None, bounded)


def clustered(values: Sequence[float], clusters: Sequence[str], bounded: tuple[float, float] | None = UNIT) -> Interval:
    """The mean over items where items of one cluster are not independent (`clusters` names each item's).

    The variance is the cluster-robust CR2, the degrees of freedom Satterthwaite's (Bell and McCaffrey 2002),
    and never below the variance of independent items: no cluster makes its items less alike than chance."""
    return _pooled(values, clusters, bounded)


def stratified(
    groups: Mapping[str, Sequence[float]],
    clusters: Mapping[str, Sequence[str]] | None = None,
    bounded: tuple[float, float] | None = UNIT,
) -> Interval:
    """The macro average: the mean over groups of each group's mean. Groups are fixed, items are sampled."""
    return score_interval(*macro_moments(groups, clusters, bounded), bounded)


def pass_at_k_clustered(counts: Sequence[tuple[int, int]], k: int) -> tuple[Interval, str]:
    """Mean pass@k over problems, and the method. `counts` has (samples, right ones) of each problem."""
    values = [pass_at_k(n, c, k) for n, c in counts]
    if all(n == 1 for n, _ in counts):
        return interval(values)
    return mean(values), "clustered"  # one value a problem: the problem is the cluster of its samples


def interval(
    values: Sequence[float], clusters: Sequence[str] | None = None, bounded: tuple[float, float] | None = UNIT
) -> tuple[Interval, str]:
    """The interval that fits the values, and its method: "clustered" where clusters hold more than one item,
    else "wilson" for right/wrong, else "mean"."""
    if clusters is not None and len(set(clusters)) < len(values):
        return clustered(values, clusters, bounded), "clustered"
    if bounded == UNIT and binary(values):
        return wilson(sum(values), len(values)), "wilson"
    return mean(values, bounded), "mean"


def scores(
    samples: Sequence[Sample],
    metric: str,
    macro: bool = False,
    by_group: bool = True,
    categories: Mapping[str, str] | None = None,
) -> list[Score]:
    """A metric's scores: group "all"; `<metric>_macro`, the mean of the groups' means; a score for each category
    (`categories` maps groups to names; the score's group is "category:NAME"); and for each group.

    Repeats of an item are averaged first: the item is the cluster of its repeats. Samples without the metric
    do not count. Values outside [0, 1] get intervals without bounds."""
    items: dict[str, list[float]] = {}
    places: dict[str, tuple[str, str]] = {}
    for sample in samples:
        if metric in sample.metrics:
            item = sample.item
            items.setdefault(item.id, []).append(float(sample.metrics[metric]))
            places[item.id] = (item.group, unit_key(item.id, item.cluster))
    if not items:
        return []
    repeated = any(len(values) > 1 for values in items.values())
    rows = [_Row(sum(values) / len(values), *places[item]) for item, values in items.items()]
    bounded = UNIT if all(0 <= row.value <= 1 for row in rows) else None

    def score(name: str, part: Sequence[_Row]) -> Score:
        values, own = [row.value for row in part], [row.cluster for row in part]
        if repeated:
            estimate, method = clustered(values, own, bounded), "clustered"
        else:
            estimate, method = interval(values, own, bounded)
        return Score(name, metric, *estimate, len(part), method)

    groups = dict(sorted(_split(rows, lambda row: row.group).items()))
    figures = [score("all", rows)]
    if macro:
        values = {group: [row.value for row in part] for group, part in groups.items()}
        own = {group: [row.cluster for row in part] for group, part in groups.items()}
        figures.append(Score("all", f"{metric}_macro", *stratified(values, own, bounded), len(rows), "stratified"))
    if categories:
        named = _split([row for row in rows if row.group in categories], lambda row: categories[row.group])
        figures += [score(f"category:{name}", named[name]) for name in sorted(named)]
    if by_group:
        figures += [score(group, part) for group, part in groups.items()]
    return figures


def _wilson(p: float, n: float, q: float) -> Interval:
    """Wilson's formula at any size n > 0 and quantile q."""
    q2 = q * q
    middle = (p + q2 / (2 * n)) / (1 + q2 / n)
    half = q * math.sqrt(max(0.0, p * (1 - p) / n + q2 / (4 * n * n))) / (1 + q2 / n)
    # at 0 and 1 the near end is the value itself, which rounding would miss
    return Interval(p, min(p, max(0.0, middle - half)), max(p, min(1.0, middle + half)))


def effective_size(
    value: float, variance: float, df: float, floor: float, bounded: tuple[float, float]
) -> tuple[float, float]:
    """Effective sample size and degrees of freedom. Where all values are the same, or of one cluster, the variance
    says nothing: then `floor`, the number of independent answers at worst, and the normal, as Wilson takes them."""
    low, high = bounded
    if _no_spread(variance, bounded):
        return floor, math.inf
    return (value - low) * (high - value) / variance, df


def is_constant(variance: float, df: float, bounded: tuple[float, float]) -> bool:
    """Whether all values are the same, as far as rounding tells; of one cluster nothing is known."""
    return df > 0 and _no_spread(variance, bounded)


def _no_spread(variance: float, bounded: tuple[float, float]) -> bool:
    low, high = bounded
    return variance <= NO_SPREAD * (high - low) ** 2


def score_interval(
    value: float, variance: float, df: float, floor: float, bounded: tuple[float, float] | None
) -> Interval:
    """The interval of a mean with this variance and degrees of freedom; `floor` as for `effective_size`. Of values that
    are all the same it goes as far as items would take it that were not seen, each at a bound: as large a share of them
    as Wilson's interval of none in `floor` has (at a bound itself the two are one)."""
    from scipy.special import stdtrit

    if bounded is None:
        # one answer without bounds says nothing about its error
        half = float(stdtrit(df, 0.975)) * math.sqrt(variance) if df > 0 else math.inf
        return Interval(value, value - half, value + half)
    low, high = bounded
    if is_constant(variance, df, bounded):
        unseen = Z**2 / (floor + Z**2)
        return Interval(value, value - unseen * (value - low), value + unseen * (high - value))
    size, df = effective_size(value, variance, df, floor, bounded)
    unit = _wilson(min(1.0, max(0.0, (value - low) / (high - low))), size, float(stdtrit(df, 0.975)))
    return Interval(value, min(value, low + unit.low * (high - low)), max(value, low + unit.high * (high - low)))


def _pooled(values: Sequence[float], clusters: Sequence[str] | None, bounded: tuple[float, float] | None) -> Interval:
    import numpy as np

    y = _checked(values, bounded)
    means, variances, dfs, independent = moments(
        y, np.zeros(len(y), dtype=np.intp), None if clusters is None else cluster_codes(clusters, len(y))
    )
    return score_interval(float(means[0]), float(variances[0]), float(dfs[0]), float(independent[0]), bounded)


def moments(y: Floats, strata: NDArray[np.intp], clusters: NDArray[np.intp] | None) -> tuple[Floats, ...]:
    """For each stratum: mean, variance of that mean, its degrees of freedom, and the number of clusters.
    Where one cluster is all there is, variance and degrees of freedom are 0."""
    import numpy as np

    n = np.bincount(strata).astype(float)
    means = np.bincount(strata, y) / n
    rest = y - means[strata]
    squares = np.bincount(strata, rest * rest)
    variances = np.divide(squares, n * (n - 1), out=np.zeros_like(n), where=n > 1)
    if clusters is None:
        return means, variances, n - 1, n
    # CR2 for a mean has a closed form: a cluster with share f of the items has its residual sum over sqrt(1 - f)
    cells, cell = np.unique(strata * (clusters.max() + 1) + clusters, return_inverse=True)
    of = np.zeros(len(cells), dtype=np.intp)
    of[cell] = strata
    count = np.bincount(of).astype(float)
    share = np.bincount(cell) / n[of]
    several = count[of] > 1
    left = np.where(several, 1 - share, 1.0)
    robust = np.bincount(of, np.where(several, np.bincount(cell, rest) ** 2 / left, 0.0)) / n**2
    # Satterthwaite: (trace P)^2 / sum of P^2, where P is the covariance of those sums for independent items
    b = share**2 / left
    inverse = np.bincount(of, share**2) + np.bincount(of, b) ** 2 - np.bincount(of, b**2)
    alone = count == 1
    return means, np.where(alone, 0.0, np.maximum(robust, variances)), np.where(alone, 0.0, 1 / inverse), count


def macro_moments(
    groups: Mapping[str, Sequence[float]],
    clusters: Mapping[str, Sequence[str]] | None,
    bounded: tuple[float, float] | None,
) -> tuple[float, float, float, float]:
    """Value, variance, degrees of freedom and floor of a mean of group means.

    A group of one item, or of equal answers, tells nothing or too little of its variance. So each group's estimate
    is averaged with the variance of all items about the macro mean, with the weight of one degree of freedom."""
    import numpy as np

    if not groups or not all(len(values) for values in groups.values()):
        raise ValueError("a macro average needs at least one value in each group")
    y = _checked([value for values in groups.values() for value in values], bounded)
    strata = np.repeat(np.arange(len(groups)), [len(values) for values in groups.values()])
    own = None if clusters is None else cluster_codes([c for group in groups for c in clusters[group]], len(y))
    means, variances, dfs, independent = moments(y, strata, own)
    value, k = float(means.mean()), len(groups)
    spread = np.bincount(strata, (y - value) ** 2) / np.bincount(strata)
    total = float(spread.mean()) * len(y) / max(1, len(y) - 1)
    shrunk = (dfs * variances + total / independent) / (dfs + 1) / k**2
    variance = float(shrunk.sum())
    # Satterthwaite again; what was borrowed adds no degree of freedom, but a group of one item has to have one
    df = 1 / float(((shrunk / variance) ** 2 / dfs.clip(1)).sum()) if variance > 0 else float(dfs.sum())
    return value, variance, df, k**2 / float((1 / independent).sum())


def binary(values: Sequence[float]) -> bool:
    return all(value in (0, 1) for value in values)


def _checked(values: Sequence[float], bounded: tuple[float, float] | None) -> Floats:
    import numpy as np

    y = np.asarray(values, dtype=float)
    if y.ndim != 1 or not len(y):
        raise ValueError("an interval needs at least one value")
    if not np.isfinite(y).all():
        raise ValueError("values that are not finite numbers make no score")
    if bounded is not None and not (y.min() >= bounded[0] and y.max() <= bounded[1]):
        raise ValueError(f"values from {y.min():g} to {y.max():g} are not within {bounded[0]:g} to {bounded[1]:g}")
    return y


def cluster_codes(clusters: Sequence[str], n: int) -> NDArray[np.intp]:
    """Clusters as numbers from 0, in the order of their names."""
    import numpy as np

    if len(clusters) != n:
        raise ValueError(f"{n} values need {n} clusters, not {len(clusters)}")
    numbers = {name: number for number, name in enumerate(sorted(set(clusters)))}
    return np.fromiter((numbers[name] for name in clusters), dtype=np.intp, count=n)


def _split(rows: Sequence[_Row], name: Callable[[_Row], str]) -> dict[str, list[_Row]]:
    parts: dict[str, list[_Row]] = {}
    for row in rows:
        parts.setdefault(name(row), []).append(row)
    return parts
