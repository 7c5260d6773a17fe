"""Which pairs of models tell most of a ranking: votes go where they lessen the variance of the differences that decide.

Under Bradley-Terry a vote on a and b has the information p(1 - p) x x', where x is 1 at a and -1 at b. The next vote
goes where the sum of the variances of the deciding differences falls most (the A-criterion, one vote at a time: Wynn
1970; Fedorov 1972). docs/statistics.md has what that saves, measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from judges.ranking.rating import Ranking

BATCHES = 100  # in which votes are placed; one by one would take long and place them no better


def deciding(ranking: Ranking) -> list[tuple[str, str]]:
    """The pairs of models whose difference decides the order: neighbours in rank, and those that cannot be told
    apart."""
    order = [model.name for model in ranking.models]
    neighbours = {frozenset(two) for two in pairwise(order)}
    return [
        (pair.a, pair.b)
        for pair in ranking.pairs
        if frozenset((pair.a, pair.b)) in neighbours or pair.low <= 0 <= pair.high
    ]


def placed(
    strengths: Sequence[float],
    pairs: Sequence[tuple[int, int]],
    counts: Sequence[int],
    room: Sequence[int],
    decide: Sequence[tuple[int, int]],
    votes: int,
) -> list[int]:
    """Of `votes` more, how many each of the `pairs` of models gets.

    `counts`: votes that each has, one at least; `room`: how many more it can take; `decide`: the pairs whose difference
    shall be known. A sum of `room` below `votes` places as many as there is room for."""
    import numpy as np
    from scipy.linalg import helmert
    from scipy.special import expit

    def rows(of: Sequence[tuple[int, int]]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        made = np.zeros((len(of), len(strengths)))
        made[np.arange(len(of)), [a for a, _ in of]] = 1.0
        made[np.arange(len(of)), [b for _, b in of]] -= 1.0
        basis: np.ndarray[tuple[int, int], np.dtype[np.float64]] = helmert(len(strengths)).T
        return made @ basis

    x, wanted = rows(pairs), rows(decide)
    odds = np.array([strengths[a] - strengths[b] for a, b in pairs])
    spread = expit(odds) * expit(-odds)
    # two trainings of one player tell nothing of it; what keeps the matrix invertible then is too small to matter
    information = (x * (spread * np.array(counts))[:, None]).T @ x + 1e-9 * np.eye(x.shape[1])
    left, added = np.array(room), np.zeros(len(pairs), dtype=int)
    votes = min(votes, int(left.sum()))
    while votes:
        inverse = np.linalg.inv(information)
        moves = x @ inverse
        gain = spread * ((moves @ wanted.T) ** 2).sum(axis=1) / (1 + spread * (moves * x).sum(axis=1))
        best = int(np.where(left > 0, gain, -1.0).argmax())
        batch = min(votes, int(left[best]), max(1, int(np.ceil(votes / BATCHES))))
        information += batch * spread[best] * np.outer(x[best], x[best])
        added[best] += batch
        left[best] -= batch
        votes -= batch
    return [int(number) for number in added]
