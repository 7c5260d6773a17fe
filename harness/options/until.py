"""What `--until` says: when a run has read enough of its items."""

from __future__ import annotations

import re
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
    """So many items are read."""

    items: int


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
    if kind == "items" and rest.isascii() and rest.isdecimal() and int(rest) > 0:
        return UntilItems(int(rest))
    raise UsageError(f"it must be {UNTIL}.")


def _number(text: str) -> float:
    """-1 where it is none."""
    return float(text) if re.fullmatch(r"\d+(\.\d*)?|\.\d+", text, re.ASCII) else -1.0
