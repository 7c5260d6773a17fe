"""Which of several trials are the best, where objectives are several: all are "lower is better".

Trials that keep the constraints come before those that do not, and of the latter those that break them by less (Deb
2000, Computer Methods in Applied Mechanics and Engineering 186). Those that keep them are sorted into fronts: the first
has those that none betters, the next those that none betters once the first is taken away (non-dominated sorting, Deb
et al. 2002, IEEE Transactions on Evolutionary Computation 6). Of the first front the best by the first objective comes
first, then always the trial that is farthest from those before it, so that a few of a front stand for all of it (the
ε-net of Schmucker et al. 2021, arXiv 2106.12639, for successive halving with several objectives). A later front is
ordered likewise, by the distance from all before it, those of earlier fronts too: the second best of one size is worth
less than the best of a size that no front has yet. Distances are Euclidean, each objective divided by its range among
these. What is left equal is decided by the order of proposal. With one objective and no constraints this is the order
of the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a trial is compared by."""

    values: tuple[float, ...]  # of the objectives
    violation: float = 0.0  # of the constraints, each as a share of its limit, added up; 0 where all are kept


def best(standings: Mapping[int, Standing], count: int | None = None) -> list[int]:
    """The keys of the best `count` (None: of all), the best first; keys are numbers in the order of proposal."""
    count = len(standings) if count is None else count
    kept = sorted(key for key, standing in standings.items() if standing.violation <= 0)
    chosen: list[int] = []
    for front in _fronts([standings[key].values for key in kept], count):
        before = [standings[key].values for key in chosen]
        chosen += [kept[front[at]] for at in _spread(before, [standings[kept[place]].values for place in front])]
    broken = sorted((standing.violation, key) for key, standing in standings.items() if standing.violation > 0)
    return [*chosen, *(key for _, key in broken)][:count]


def first_front(values: Sequence[Sequence[float]]) -> list[int]:
    """The places of those that no other betters: at least as good in all objectives, and better in one."""
    return next(iter(_fronts(values, 1)), [])


def _fronts(values: Sequence[Sequence[float]], enough: int) -> list[list[int]]:
    """Places front by front, until they are `enough`."""
    import numpy as np

    if not values:
        return []
    table = np.asarray(values, dtype=float)
    betters = _betters(table)
    left = np.ones(len(table), dtype=bool)
    above = betters.sum(axis=0)  # of each, how many of those that are left better it
    fronts: list[list[int]] = []
    while left.any() and sum(map(len, fronts)) < enough:
        front = np.flatnonzero(left & (above == 0))
        fronts.append(front.tolist())
        left[front] = False
        above -= betters[front].sum(axis=0)
    return fronts


def _betters(table: Floats) -> NDArray[np.bool_]:
    """[n, n]: whether the row's trial is at least as good as the column's in all objectives, and better in one."""
    import numpy as np

    no_worse = np.ones((len(table), len(table)), dtype=bool)
    better = np.zeros_like(no_worse)
    for column in table.T:
        no_worse &= column[:, None] <= column[None, :]
        better |= column[:, None] < column[None, :]
    return no_worse & better


def _spread(before: Sequence[Sequence[float]], front: Sequence[Sequence[float]]) -> list[int]:
    """The places within a front, the farthest from those before it next; `before` are the fronts before."""
    import numpy as np

    table = np.asarray([*before, *front], dtype=float)
    low, high = table.min(axis=0), table.max(axis=0)
    scaled = (table - low) / np.where(high > low, high - low, 1.0)
    others, own = scaled[: len(before)], scaled[len(before) :]
    order: list[int] = []
    away = np.full(len(own), np.inf)
    for one in others:
        away = np.minimum(away, np.linalg.norm(own - one, axis=1))
    while len(order) < len(own):
        following = int(np.argmax(away)) if before or order else int(np.argmin(own[:, 0]))
        order.append(following)
        away = np.minimum(away, np.linalg.norm(own - own[following], axis=1))
        away[order] = -1.0
    return order
