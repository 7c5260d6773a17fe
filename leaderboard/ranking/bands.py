"""Rank bands: which models of a column cannot be told apart.

The rule. A column is one benchmark, asked in one way, and its models are the whole runs on one set of items. Each pair
of them is tested on the items, paired: McNemar's mid-p for right and wrong answers to independent items; for all else
the score test of the mean difference, clustered as the task says, which is the test that `harness compare` has for
macro averages (harness/stats/paired.py). Its bootstrap is not used here: the least p that 10,000 resamples can give,
1/10,001, is above what Holm asks of the first of 500 pairs or more. The p of all pairs of the column are adjusted
together (Holm 1979), so that with 95% confidence no pair of equals in it is called different. A model's band reaches
from 1 + the number of models that are clearly better to the number of all less those that are clearly worse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from harness.evaluation.compare import MACRO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.results.run_summaries import Matrix
    from tuning.store import Store

    Floats = NDArray[np.float64]

RULE = (
    "Models that share a rank cannot be told apart: every pair is tested on the items that both answered, and the "
    "p values of all pairs of the column are adjusted by Holm's method. 2–4: between one and three models could be "
    "ahead of this one."
)
CLEAR = 0.05
_AT_ONCE = 1 << 20  # differences in memory


class Band(NamedTuple):
    """Ranks from 1."""

    best: int
    worst: int
    of: int  # models in the column

    def __str__(self) -> str:
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def bands(store: Store, runs: tuple[str, ...], task: str, metric: str) -> dict[str, Band]:
    """By run. Runs that lack an item of the others, or the metric, are in no band. `metric` may end in "_macro"."""
    macro = False
    matrix = store.matrix(runs, task, metric)
    if matrix is None and metric.endswith(MACRO):
        macro = True
        matrix = store.matrix(runs, task, metric.removesuffix(MACRO))
    if matrix is None:
        return {}
    return dict(zip(matrix.runs, placed(len(matrix.runs), differences(matrix, macro)), strict=True))


def placed(models: int, pairs: Sequence[tuple[float, float]]) -> list[Band]:
    """Bands from (second less first, p) of each pair, in the order of `combinations(range(models), 2)`."""
    from harness.stats.paired import holm

    better, worse = [0] * models, [0] * models
    adjusted = holm([p for _, p in pairs])
    for (a, b), (difference, _), p in zip(combinations(range(models), 2), pairs, adjusted, strict=True):
        if p < CLEAR:
            winner, loser = (b, a) if difference > 0 else (a, b)
            better[loser] += 1
            worse[winner] += 1
    return [Band(1 + better[n], models - worse[n], models) for n in range(models)]


def differences(matrix: Matrix, macro: bool) -> list[tuple[float, float]]:
    """(second less first, two-sided p) of each pair of runs; with `macro`, of the means of groups' means."""
    import numpy as np

    if macro:
        return list(_macro(matrix))
    x = matrix.values
    alone = len(set(matrix.clusters)) == len(matrix.clusters)
    if alone and np.isin(x, (0, 1)).all():
        return list(_flips(x))
    return list(_means(x, None if alone else matrix.clusters))


def _flips(x: Floats) -> Iterator[tuple[float, float]]:
    from harness.stats.paired import mcnemar

    only = x @ (1 - x).T  # [a, b]: items that a has right and b wrong
    for a, b in combinations(range(len(x)), 2):
        yield float(only[b, a] - only[a, b]) / x.shape[1], mcnemar(int(only[a, b]), int(only[b, a]))


def _means(x: Floats, clusters: Sequence[str] | None) -> Iterator[tuple[float, float]]:
    import numpy as np

    from harness.stats.intervals import cluster_codes, moments
    from harness.stats.paired import reach_of, score_p

    models, items = x.shape
    far = reach_of([float(x.min()), float(x.max())])
    codes = None if clusters is None else cluster_codes(clusters, items)
    pairs = np.array(list(combinations(range(models), 2)), dtype=np.intp).reshape(-1, 2)
    step = max(1, _AT_ONCE // items)
    for start in range(0, len(pairs), step):
        part = pairs[start : start + step]
        apart = (x[part[:, 1]] - x[part[:, 0]]).ravel()
        strata = np.repeat(np.arange(len(part)), items)
        own = None if codes is None else np.tile(codes, len(part))
        for mean, variance, df, floor in zip(*moments(apart, strata, own), strict=True):
            yield float(mean), score_p(float(mean), float(variance), float(df), float(floor), far)


def _macro(matrix: Matrix) -> Iterator[tuple[float, float]]:
    import numpy as np

    from harness.stats.paired import paired_macro

    places = {group: np.flatnonzero(np.asarray(matrix.groups) == group) for group in sorted(set(matrix.groups))}
    own = {group: [matrix.clusters[n] for n in at] for group, at in places.items()}
    split = [{group: row[at].tolist() for group, at in places.items()} for row in matrix.values]
    for a, b in combinations(split, 2):
        test = paired_macro(a, b, own)
        yield test.difference, test.p
