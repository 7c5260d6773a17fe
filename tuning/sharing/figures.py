"""The numbers of a card, made of samples: scores of configurations over their trainings, and paired differences.

The same code makes them when a card is written and when it is verified. One run's score is the task's own; of several
trainings it is the mean over seeds and items (`harness/stats/crossed.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from harness.errors import UsageError
from harness.evaluation.compare import by_item, compare, places, results
from harness.evaluation.rescoring import rescored
from harness.evaluation.task_result import MACRO, TaskResult
from harness.exchange.exported import ScoredRun
from harness.exchange.verification import is_known
from harness.stats.crossed import crossed, crossed_difference, reach_between
from harness.stats.paired import holm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.results import Store

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """What configurations were measured on. `name` is what the task is called beside others; `sides` are the
    configurations, the card's own first, each with the ids of its runs, one a training. `left_out`: items that do not
    count."""

    name: str
    task: str
    protocol: str
    metric: str
    sides: tuple[tuple[str, tuple[str, ...]], ...]
    left_out: tuple[str, ...] = ()

    @property
    def runs(self) -> dict[str, tuple[str, ...]]:
        return dict(self.sides)

    @property
    def own(self) -> str:
        return self.sides[0][0]


@dataclass(frozen=True, slots=True)
class Figure:
    """A configuration's score: its value and 95% interval, in the metric's own units."""

    configuration: str
    name: str
    metric: str
    value: float
    low: float
    high: float
    n: int  # items
    seeds: int
    method: str


@dataclass(frozen=True, slots=True)
class Difference:
    """The card's own configuration less `rival`, paired by item. `p_holm` is corrected over all of a card."""

    rival: str
    name: str
    metric: str
    difference: float
    low: float
    high: float
    p_holm: float
    n: int
    method: str


Runs = Mapping[str, ScoredRun]


def figures(measured: Sequence[Measured], runs: Runs) -> list[Figure]:
    """Of every configuration on every task; raises KeyError where a run or its task is not there."""
    return [_figure(one, title, runs) for one in measured for title in one.runs]


def differences(measured: Sequence[Measured], runs: Runs) -> list[Difference]:
    """Of the card's own against every other, on every task. What was not measured alike is left out."""
    found = []
    for one in measured:
        for rival in list(one.runs)[1:]:
            try:
                found.append(_difference(one, rival, runs))
            except UsageError:
                continue
    adjusted = holm([p for _, p in found])
    return [
        Difference(row.rival, row.name, row.metric, row.difference, row.low, row.high, p, row.n, row.method)
        for (row, _), p in zip(found, adjusted, strict=True)
    ]


def _figure(one: Measured, title: str, runs: Runs) -> Figure:
    ids = one.runs[title]
    if len(ids) == 1 and not one.left_out:
        run = runs[ids[0]]
        scores = [s for s in run.score_rows if (s.task, s.group, s.metric) == (one.task, "all", one.metric)]
        (made,) = rescored(run.task_rows, run.samples_by_task, scores)
        score = made if made and is_known(one.task) else scores[0]  # a task of a plug-in may have a way of its own
        return Figure(title, one.name, one.metric, score.value, score.low, score.high, score.n, 1, score.method)
    values, clusters = _matrix(one, title, runs)
    bounded = (0.0, 1.0) if values.min() >= 0 and values.max() <= 1 else None
    value, low, high = crossed(values, clusters, bounded=bounded)
    metric = one.metric.removesuffix(MACRO)
    return Figure(title, one.name, metric, value, low, high, values.shape[1], len(ids), "crossed")


def _difference(one: Measured, rival: str, runs: Runs) -> tuple[Difference, float]:
    alone = len(one.runs[one.own]) == len(one.runs[rival]) == 1 and not one.left_out
    if alone:
        a, b = (_result(one, runs[one.runs[title][0]]) for title in (rival, one.own))
        row = compare(a, b, [one.metric])[0]
        found = (row.metric, row.difference, row.low, row.high)
        return Difference(rival, one.name, *found, row.p_value, row.n, row.method), row.p_value
    (a_values, clusters), (b_values, _) = (_matrix(one, title, runs) for title in (rival, one.own))
    reach = reach_between(a_values, b_values)
    (value, low, high), p = crossed_difference(a_values, b_values, clusters, reach=reach)
    metric = one.metric.removesuffix(MACRO)
    return Difference(rival, one.name, metric, value, low, high, p, a_values.shape[1], "crossed"), p


def _result(one: Measured, run: ScoredRun) -> TaskResult:
    found = [r for r in results(cast("Store", run), run.run, [one.task]) if r.protocol == one.protocol]
    if not found:
        raise KeyError(f"{one.task} of the run {run.run.id[:12]}")
    return found[0]


def _matrix(one: Measured, title: str, runs: Runs) -> tuple[Floats, list[str]]:
    """Values [seeds, items] on the items that all configurations have, in the order of their names, and clusters."""
    import numpy as np

    metric = one.metric.removesuffix(MACRO)
    answers: dict[str, list[Mapping[str, Any]]] = {}
    clusters: dict[str, str] = {}
    for configuration, ids in one.runs.items():
        for result in (_result(one, runs[run]) for run in ids):
            own = {item: values[metric] for item, values in by_item(result).items() if metric in values}
            answers.setdefault(configuration, []).append(own)
            clusters |= {item: cluster for item, (_, cluster) in places(result).items()}
    every = [set(own) for several in answers.values() for own in several]
    items = sorted(set.intersection(*every) - set(one.left_out))
    if not items:
        raise UsageError(f"{one.name}: the configurations have no item in common.")
    return np.asarray([[own[item] for item in items] for own in answers[title]]), [clusters[item] for item in items]
