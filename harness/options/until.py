"""What `--until` says: when a run has read enough of its items."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import UsageError

MAX_DROP = 1.0  # points, as of `harness gate`
UNTIL = "width=2 (points of a hundred), gate=RUN,max-drop=1 or items=400"


@dataclass(frozen=True, slots=True)
class UntilWidth:
    """The 95% interval, from end to end, is at most so many points wide."""

    points: float


@dataclass(frozen=True, slots=True)
class UntilGate:
    """It is sure which verdict `harness gate` will give against the run `baseline` when all items are read."""

    baseline: str
    max_drop: float


@dataclass(frozen=True, slots=True)
class UntilItems:
    """So many items are read: of each task, or by task."""

    items: int | Mapping[str, int]


Until = UntilWidth | UntilGate | UntilItems


def read_until(text: str) -> Until:
    """UsageError for what says no end."""
    kind, _, rest = text.partition("=")
    if kind == "width" and 0 < (points := _number(rest)) < 100:
        return UntilWidth(points)
    if kind == "gate" and rest:
        baseline, comma, drop = rest.rpartition(",max-drop=")
        if not comma:
            return UntilGate(rest, MAX_DROP)
        if baseline and 0 <= (max_drop := _number(drop)) <= 100:
            return UntilGate(baseline, max_drop)
    if kind == "items" and (items := _count(rest)):
        return UntilItems(items)
    if kind == "items" and rest:
        by_task = {task: _count(count) for task, _, count in (part.rpartition(":") for part in rest.split(","))}
        if all(by_task) and all(by_task.values()):
            return UntilItems(by_task)
    raise UsageError(f"it must be {UNTIL}.")


def items_text(items: Mapping[str, int]) -> str:
    """What says so many items by task."""
    return "items=" + ",".join(f"{task}:{count}" for task, count in items.items())


def _count(text: str) -> int:
    """0 where it is none."""
    return int(text) if text.isascii() and text.isdecimal() else 0


def _number(text: str) -> float:
    """-1 where it is none."""
    return float(text) if re.fullmatch(r"\d+(\.\d*)?|\.\d+", text, re.ASCII) else -1.0
