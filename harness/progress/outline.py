"""How far each part of a long work is, as a tree: what is done, what is under way, and what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST = 8  # parts of a part that are shown one by one
DONE, UNDER_WAY, LEFT = "✓", "▸", "·"


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """`done` of `total` of a unit; total is 0 where the parts before have to tell."""

    name: str
    done: int = 0
    total: int = 0
    unit: str = ""
    entries: tuple[OutlineEntry, ...] = ()

    @property
    def is_done(self) -> bool:
        return 0 < self.total <= self.done

    @property
    def count(self) -> str:
        """ "3 of 12 runs"; "" where it cannot be counted yet."""
        return f"{self.done:,} of {self.total:,}{self.unit and ' '}{self.unit}" if self.total else ""


@dataclass(frozen=True, slots=True)
class OutlineRow:
    """`name` has the width of those beside it."""

    depth: int
    mark: str
    name: str
    count: str = ""

    @property
    def text(self) -> str:
        """One line of a terminal."""
        return f"{'  ' * self.depth}{self.mark} {self.name}  {self.count}".rstrip()


def outline_rows(parts: Sequence[OutlineEntry]) -> list[OutlineRow]:
    """A row a part. The first that is not done is under way; it alone has its own parts shown. Where these are many,
    those that are done, and the last of those that are left, are counted in one row each."""
    rows = []
    under_way = next((part for part in parts if not part.is_done), None)
    for part, row in zip(parts, _rows(0, parts), strict=True):
        rows.append(row)
        if part is under_way:
            rows += _inner(part.entries)
    return rows


def _inner(parts: Sequence[OutlineEntry]) -> list[OutlineRow]:
    if len(parts) <= MOST:
        return _rows(1, parts)
    done = sum(part.is_done for part in parts)
    left = [part for part in parts if not part.is_done]
    rows = [OutlineRow(1, DONE, f"{done} more are done")] if done else []
    rows += _rows(1, left[:MOST])
    return [*rows, OutlineRow(1, LEFT, f"{len(left) - MOST} more are left")] if len(left) > MOST else rows


def _rows(depth: int, parts: Sequence[OutlineEntry]) -> list[OutlineRow]:
    width = max((len(part.name) for part in parts), default=0)
    first = next((part for part in parts if not part.is_done), None)
    return [
        OutlineRow(
            depth,
            DONE if part.is_done else UNDER_WAY if part is first else LEFT,
            part.name.ljust(width),
            part.count,
        )
        for part in parts
    ]
