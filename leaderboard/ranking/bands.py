"""Rank bands: which models of a column cannot be told apart.

The rule. A column is one benchmark, asked in one way, and its models are configurations, each with the whole runs of
its seeds on one set of items. Each pair of them is tested on the items, paired: where one has several seeds, over
items and seeds (harness/stats/crossed.py); else McNemar's mid-p for right and wrong answers to independent items; for
all else the score test of the mean difference, clustered as the task says, which is the test that `harness compare`
has for macro averages (harness/stats/paired.py). Its bootstrap is not used here: the least p that 10,000 resamples
can give, 1/10,001, is above what Holm asks of the first of 500 pairs or more. The p of all pairs of the column are
adjusted together (Holm 1979), so that with 95% confidence no pair of equals in it is called different. A model's band
reaches from 1 + the number of models that are clearly better to the number of all less those that are clearly worse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from harness.evaluation.task_result import MACRO

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


Runs = tuple[str, ...]  # of one configuration, one a seed


def bands(store: Store, models: tuple[Runs, ...], task: str, metric: str) -> dict[Runs, Band]:
    """By configuration. Those with a run that lacks an item of the others, or the metric, are in no band. `metric` may
    end in "_macro"."""
    macro = False
    runs = [run for model in models for run in model]
    matrix = store.matrix(runs, task, metric)
    if matrix is None and metric.endswith(MACRO):
        macro = True
        matrix = store.matrix(runs, task, metric.removesuffix(MACRO))
    if matrix is None:
        return {}
    there = set(matrix.runs)
    ranked = sorted(model for model in models if there.issuperset(model))
    return dict(zip(ranked, placed(len(ranked), pairs(matrix, ranked, macro)), strict=True))


def placed(models: int, tests: Sequence[tuple[float, float]]) -> list[Band]:
    """Bands from (second less first, p) of each pair, in the order of `combinations(range(models), 2)`."""
    from harness.stats.paired import holm

    better, worse = [0] * models, [0] * models
    adjusted = holm([p for _, p in tests])
    for (a, b), (difference, _), p in zip(combinations(range(models), 2), tests, adjusted, strict=True):
        if p < CLEAR:
            winner, loser = (b, a) if difference > 0 else (a, b)
            better[loser] += 1
            worse[winner] += 1
    return [Band(1 + better[n], models - worse[n], models) for n in range(models)]


def pairs(matrix: Matrix, models: Sequence[Runs], macro: bool) -> list[tuple[float, float]]:
    """(second less first, two-sided p) of each pair of configurations, in the order of `combinations(models, 2)`."""
    place = {run: n for n, run in enumerate(matrix.runs)}
    single = [model for model in models if len(model) == 1]
    of_runs = replace(
        matrix,
        runs=tuple(run for (run,) in single),
        values=matrix.values[[place[run] for (run,) in single]],
    )
    known: dict[tuple[Runs, ...], tuple[float, float]] = {}
    if len(single) > 1:
        known.update(zip(combinations(single, 2), differences(of_runs, macro), strict=True))
    if len(single) == len(models):
        return list(known.values())
    from harness.stats.crossed import crossed_difference
    from harness.stats.paired import reach_of

    x = matrix.values
    far = reach_of([float(x.min()), float(x.max())])
    clusters = matrix.clusters if len(set(matrix.clusters)) < len(matrix.clusters) else None
    groups = matrix.groups if macro else None
    sides = {model: x[[place[run] for run in model]] for model in models}
    for a, b in combinations(models, 2):
        if (a, b) not in known:
            (difference, _, _), p = crossed_difference(sides[a], sides[b], clusters, groups, far)
            known[a, b] = difference, p
    return [known[pair] for pair in combinations(models, 2)]


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
