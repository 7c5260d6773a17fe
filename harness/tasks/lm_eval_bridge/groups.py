"""A group of lm-eval's with `aggregate_metric_list`: one figure over its tasks.

Source: lm-evaluation-harness 0.4.13, `lm_eval/api/group.py` (`Group.aggregate`): the mean of the tasks' figures, each
weighed by its number of documents, or all alike with `weight_by_size: false`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.tasks.lm_eval_bridge.metrics import key
from harness.tasks.lm_eval_bridge.scoring_version import version_end
from harness.types import Score, Task


class Member(Task, Protocol):
    """A task of a group."""

    def declared(self) -> list[str]:
        """Its metrics, as scores name them."""
        ...


@dataclass(frozen=True, slots=True)
class Averaged:
    """One entry of `aggregate_metric_list`. `labels`: the tasks' metrics that it averages, "acc" or "acc,filter"."""

    labels: tuple[str, ...]
    by_size: bool


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`members`: the metrics that each task declares, by the task's name."""

    name: str  # "lm_eval:mmlu"
    version: str
    members: Mapping[str, Sequence[str]]
    averaged: tuple[Averaged, ...]
    data_digest: str  # over what the tasks are: versions, settings, rows
    settings: Mapping[str, Any]

    @property
    def metric(self) -> str:
        """The one a leaderboard shows first."""
        return next((label for entry in self.averaged for label in entry.labels), "")

    def figures(self, scores: Mapping[str, Sequence[Score]], sizes: Mapping[str, int]) -> tuple[list[Score], list[str]]:
        """The group's scores (group "all"), and what there is to say of them. `scores` and `sizes` (items) by task.

        A metric that some tasks do not have is averaged over the others, as lm-eval does. Where a task has it and no
        figure of it (see `LmEvalTask.summarize`), the group has none either."""
        made, notes = [], []
        for entry in self.averaged:
            for label in entry.labels:
                having = [task for task, metrics in self.members.items() if label in metrics]
                own = [s for task in having for s in scores[task] if (s.group, s.metric) == ("all", label)]
                if not having:
                    notes.append(f"no figure for {label}: none of its tasks has this metric")
                    continue
                if len(own) < len(having):
                    notes.append(
                        f"no figure for {label}: {len(having) - len(own)} of its {len(having)} tasks have none"
                    )
                    continue
                if len(having) < len(self.members):
                    notes.append(f"{label} is of {len(having)} of its {len(self.members)} tasks: the others have none")
                made.append(_mean(label, own, [sizes[task] if entry.by_size else 1 for task in having]))
        return made, notes


def _mean(label: str, scores: Sequence[Score], weights: Sequence[int]) -> Score:
    """The weighted mean of independent figures. Its interval is put together from theirs (Zou and Donner 2008, "MOVER":
    the squares of the weighted distances to their ends add up); there is none where one of theirs has no end."""
    shares = [weight / sum(weights) for weight in weights]
    value = sum(share * score.value for share, score in zip(shares, scores, strict=True))
    below = math.hypot(*(share * (s.value - s.low) for share, s in zip(shares, scores, strict=True)))
    above = math.hypot(*(share * (s.high - s.value) for share, s in zip(shares, scores, strict=True)))
    n = sum(score.n for score in scores)
    if not math.isfinite(below + above):
        return Score("all", label, value, -math.inf, math.inf, n, "none")
    return Score("all", label, value, value - below, value + above, n, "mover")


def aggregate_of(group: Any, tasks: Mapping[str, Member]) -> Aggregate:
    """`group` is lm-eval's, with an `aggregate_metric_list`; `tasks` by lm-eval's own names."""
    members = [tasks[task.task_name] for task in group.get_all_tasks()]
    declared = {task.name: tuple(task.declared()) for task in members}
    entries = [
        Averaged(_labels(entry.metric, entry.filter_list, declared), bool(entry.weight_by_size))
        for entry in group.aggregate_metric_list
    ]
    contents = [[task.name, task.version, task.data_digest, task.settings] for task in members]
    better = {name: good for task in members for name, good in task.settings["higher_is_better"].items()}
    return Aggregate(
        name=f"lm_eval:{group.name}",
        version=group.version + version_end(),
        members=declared,
        averaged=tuple(entries),
        data_digest=hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest(),
        settings={
            "members": list(declared),
            "aggregate_metric_list": [
                {"metrics": list(entry.labels), "aggregation": "mean", "weight_by_size": entry.by_size}
                for entry in entries
            ],
            "higher_is_better": better,
        },
    )


def _labels(metric: str, filters: Sequence[str] | None, declared: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Our names of a metric under these filters; without them, under all that the tasks have."""
    if filters is not None:
        return tuple(key(metric, name) for name in filters)
    known = {label for labels in declared.values() for label in labels if label.split(",")[0] == metric}
    return tuple(sorted(known)) or (metric,)
