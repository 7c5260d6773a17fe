"""A run's scores made again of its stored samples alone, without its rows and without its model.

Tasks make scores in a few ways, and each is done again here as the task does it: means over items, groups, categories
and the mean of groups (`harness/stats/intervals.py`), pass@k, the perplexity of a mean log-probability, lm-eval's
aggregations, and the figure of a group of lm-eval's over its tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.results.rows import SampleRow, ScoreRow, TaskRow
from harness.stats import intervals, pass_at_k
from harness.stats.perplexity import perplexity
from harness.types import Item, Sample, Score

if TYPE_CHECKING:
    from harness.tasks.lm_eval_bridge.groups import Aggregate

LM_EVAL = "lm_eval:"
TOLERANCE = 1e-9  # of a figure, or of 1: another machine may add up in another order


def rescored(
    tasks: Sequence[TaskRow], samples: Mapping[str, Sequence[SampleRow]], scores: Sequence[ScoreRow]
) -> list[Score | None]:
    """Each of `scores` as the samples (by task) make it; None where they make no such score."""
    made: dict[str, dict[tuple[str, str], Score]] = {}
    wanted: dict[str, list[ScoreRow]] = {}
    for score in scores:
        wanted.setdefault(score.task, []).append(score)
    for task in sorted(tasks, key=lambda task: task.items == 0):  # a group's figure is made of its tasks'
        own = wanted.get(task.task, [])
        if task.items == 0:
            found = _of_group(task, made, samples)
        elif task.task.startswith(LM_EVAL):
            found = _of_lm_eval(task, samples.get(task.task, ()), own)
        else:
            found = _of_items(task, samples.get(task.task, ()))
        made[task.task] = {(score.group, score.metric): score for score in found}
    return [made.get(score.task, {}).get((score.group, score.metric)) for score in scores]


def is_same(stored: ScoreRow, made: Score) -> bool:
    """Whether both are one score: value, interval, items and method."""
    figures = ((stored.value, made.value), (stored.low, made.low), (stored.high, made.high))
    return (stored.n, stored.method) == (made.n, made.method) and all(close(*pair) for pair in figures)


def close(a: float, b: float) -> bool:
    """Whether two figures are one, but for the order in which they were added up."""
    return a == b or abs(a - b) <= TOLERANCE * max(1.0, abs(a), abs(b))


def _samples(rows: Sequence[SampleRow]) -> list[Sample]:
    return [
        Sample(Item(row.item, row.group, {}, row.cluster), row.metrics, row.answer, row.expected, row.note)
        for row in rows
    ]


def _of_items(task: TaskRow, rows: Sequence[SampleRow]) -> list[Score]:
    from harness.tasks.declared import categories_of

    samples = _samples(rows)
    categories = categories_of(task.task, task.protocol)
    made = []
    for metric in dict.fromkeys(name for sample in samples for name in sample.metrics):
        if metric.startswith(pass_at_k.ONE):
            continue
        own = intervals.scores(samples, metric, macro=True, categories=categories)
        made += own
        if metric == "logprob":
            made += [perplexity(score) for score in own if (score.group, score.metric) == ("all", metric)]
    return [*made, *pass_at_k.scores(samples)]


def _of_lm_eval(task: TaskRow, rows: Sequence[SampleRow], wanted: Sequence[ScoreRow]) -> list[Score]:
    """With the aggregation that makes the stored figure. Where none does, as the mean makes it."""
    from lm_eval.api import metrics as lm_eval_metrics

    from harness.tasks.lm_eval_bridge import aggregations, metrics

    columns: dict[str, list[tuple[str, object]]] = {}
    for sample in sorted(_samples(rows), key=lambda s: (len(s.item.id), s.item.id)):
        for metric, value in metrics.unpack(sample)[1].items():
            columns.setdefault(metric, []).append((sample.item.id, value))
    made = []
    for score in wanted:
        if score.metric not in columns:
            continue
        ids, values = zip(*columns[score.metric], strict=True)
        declared = task.settings.get("metric_list", ())
        name = score.metric.split(",")[0]
        aggregate = aggregations.of_figure(name, score.value, values, declared, TOLERANCE)
        if aggregate is None and not all(isinstance(value, int | float) for value in values):
            continue
        found = metrics.score(score.metric, aggregate or lm_eval_metrics.mean, values, ids)
        made += [found] if found else []
    return made


def _of_group(
    task: TaskRow, made: Mapping[str, Mapping[tuple[str, str], Score]], samples: Mapping[str, Sequence[SampleRow]]
) -> list[Score]:
    members = list(task.settings.get("members", ()))
    scores = {name: list(made.get(name, {}).values()) for name in members}
    sizes = {name: len({row.item for row in samples.get(name, ())}) for name in members}
    return _aggregate(task, scores).figures(scores, sizes)[0]


def _aggregate(task: TaskRow, scores: Mapping[str, Sequence[Score]]) -> Aggregate:
    from harness.tasks.lm_eval_bridge.groups import Aggregate, Averaged

    averaged = tuple(
        Averaged(tuple(entry["metrics"]), bool(entry["weight_by_size"]))
        for entry in task.settings.get("aggregate_metric_list", ())
    )
    having = {name: [score.metric for score in own if score.group == "all"] for name, own in scores.items()}
    return Aggregate(task.task, task.version, having, averaged, task.data_digest, task.settings)
