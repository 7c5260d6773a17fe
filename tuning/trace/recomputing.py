"""A run's scores, computed anew from its stored samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.sources import DataError
from harness.errors import HarnessError
from harness.evaluation.sampling.compare_sampled import METHOD
from harness.stats import intervals
from harness.types import Item, Sample, Score
from tuning.trace.links import Figure, Numbers, of_score

if TYPE_CHECKING:
    from harness.results import RunRow, SampleRow, ScoreRow, TaskRow

By = Mapping[tuple[str, str], Score]  # by group and metric


def figures(run: RunRow, task: TaskRow, samples: Sequence[SampleRow], stored: Sequence[ScoreRow]) -> list[Figure]:
    """Of one task, in the order of `stored`.

    Most metrics are means of their items' (over all, over groups, over the groups' means). What does not come out so
    is asked of the task itself, whose rows must be at hand. Where they are not, and of a part of the items, the score
    stands as it is stored."""
    made: list[Figure] = []
    by_means = _by_means(samples)
    of_task: By | None = None
    for score in stored:
        if score.method == METHOD:
            made.append(_figure(score, None, samples))
            continue
        anew = by_means.get((score.group, score.metric))
        if anew is None or not _figure(score, anew, samples).agrees:
            of_task = _by_task(run, task, samples) if of_task is None else of_task
            anew = of_task.get((score.group, score.metric), anew)
        made.append(_figure(score, anew, samples))
    return made


def _figure(score: ScoreRow, anew: Score | None, samples: Sequence[SampleRow]) -> Figure:
    name = score.metric if score.group == "all" else f"{score.metric} of {score.group}"
    stored: Numbers = (score.value, score.low, score.high)
    if anew is None:
        return of_score(name, stored, score.method, "", stored)
    count = len(samples) if score.group == "all" else sum(sample.group == score.group for sample in samples)
    made_from = f"{count or len(samples):,} samples"
    return of_score(name, (anew.value, anew.low, anew.high), anew.method, made_from, stored)


def _by_means(samples: Sequence[SampleRow]) -> By:
    plain = [Sample(Item(s.item, s.group, {}, s.cluster), s.metrics) for s in samples]
    metrics = dict.fromkeys(name for sample in samples for name in sample.metrics)
    scores = [score for name in metrics for score in intervals.scores(plain, name, macro=True)]
    return {(score.group, score.metric): score for score in scores}


def _by_task(run: RunRow, task: TaskRow, samples: Sequence[SampleRow]) -> By:
    """As the run made them; nothing where the task, its rows or its version are no more what they were."""
    from harness import tasks

    options: Mapping[str, Any] = run.config
    try:
        selected = tasks.load(
            options["tasks"],
            options.get("data"),
            options.get("protocol", "standard"),
            options.get("shots"),
            options.get("chat", False),
            options.get("include_path"),
        )
        found = next((one.task for one in selected if one.task.name == task.task), None)
        if found is None or (found.version, found.data_digest) != (task.version, task.data_digest):
            return {}
        items = {item.id: item for item in found.items()}
        own = [Sample(items[s.item], s.metrics, s.answer, s.expected, s.note) for s in samples]
        return {(score.group, score.metric): score for score in found.summarize(own)}
    except (HarnessError, DataError, KeyError, TypeError):
        return {}  # rows that are elsewhere, or a run of another program
