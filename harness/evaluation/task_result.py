"""What comparisons read of a run: one task, with the values of its items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

MACRO = "_macro"  # ends the name of a metric that is the mean over groups


def more_is_better(metric: str, settings: Mapping[str, Any]) -> bool:
    """By what a task's settings say of its metrics, by whose names without a filter."""
    base = metric.removesuffix(MACRO)
    higher = settings.get("higher_is_better", {})
    return bool(higher.get(base, higher.get(base.partition(",")[0], True)))


class Answer(Protocol):
    """What a comparison reads of a stored sample (`harness.results.rows.SampleRow`)."""

    @property
    def item(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def cluster(self) -> str: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task of one run. `settings` holds whatever else must be equal for scores to mean the same."""

    run: str  # how people call the run
    task: str
    protocol: str
    version: str
    shots: int
    chat: bool
    system: str
    data_digest: str
    settings: Mapping[str, Any]
    metric: str  # the one a leaderboard shows first; may end in "_macro"
    partial: bool  # --limit
    samples: Sequence[Answer]
    read: int | None = None  # the items that were read, where a run has read a part of them in random order (--until)
    items: int = 0  # all items that the run asks, where it has read a part
    seed: int = 0  # of that order
