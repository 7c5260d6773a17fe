"""The test of one comparison: values of two sides on the same items, one a seed, and what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.stats import crossed, paired


class Item(NamedTuple):
    """One item's scores under one metric: of each seed, the mean of its repeats."""

    group: str
    cluster: str
    a: tuple[float, ...]
    b: tuple[float, ...]


class Tested(NamedTuple):
    """b - a with its 95% interval and two-sided p. Flips are counted for right/wrong values of one seed each."""

    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    lost: int | None  # a right, b wrong
    gained: int | None  # a wrong, b right
    method: str  # "mcnemar", "bootstrap", "stratified" or "crossed"


def tested(items: Sequence[Item], macro: bool) -> Tested:
    """`macro`: of the means of the groups' means."""
    if len(items[0].a) == len(items[0].b) == 1:
        return _of_runs(items, macro)
    import numpy as np

    a, b = np.asarray([item.a for item in items]).T, np.asarray([item.b for item in items]).T
    groups = [item.group for item in items] if macro else None
    clusters = [item.cluster for item in items]
    (difference, low, high), p = crossed.crossed_difference(a, b, clusters, groups, crossed.reach_between(a, b))
    means = [[_mean(side) for side in (item.a, item.b)] for item in items]
    mean_a, mean_b = (_mean_of(items, [own[side] for own in means], macro) for side in (0, 1))
    return Tested(mean_a, mean_b, difference, low, high, p, None, None, "crossed")


def _of_runs(items: Sequence[Item], macro: bool) -> Tested:
    """One seed each: the paired tests."""
    a, b = [item.a[0] for item in items], [item.b[0] for item in items]
    lost = gained = None
    if all(value in (0, 1) for value in (*a, *b)):
        lost = sum(1 for x, y in zip(a, b, strict=True) if x > y)
        gained = sum(1 for x, y in zip(a, b, strict=True) if y > x)
    if macro:
        groups = grouped(items)
        of_a, of_b = (
            {name: [getattr(item, side)[0] for item in part] for name, part in groups.items()} for side in "ab"
        )
        test = paired.paired_macro(of_a, of_b, {name: [item.cluster for item in part] for name, part in groups.items()})
    else:
        test = paired.paired(a, b, [item.cluster for item in items])
    means = _mean_of(items, a, macro), _mean_of(items, b, macro)
    return Tested(*means, test.difference, test.low, test.high, test.p, lost, gained, test.method)


def grouped(items: Sequence[Item]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    return dict(sorted(groups.items()))


def _mean_of(items: Sequence[Item], values: Sequence[float], macro: bool) -> float:
    """Of the items' values; with `macro`, of the groups' means."""
    if not macro:
        return _mean(values)
    groups: dict[str, list[float]] = {}
    for item, value in zip(items, values, strict=True):
        groups.setdefault(item.group, []).append(value)
    return _mean([_mean(groups[name]) for name in sorted(groups)])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
