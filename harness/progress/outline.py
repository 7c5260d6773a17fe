"""How far each part of a long work is, as a tree: what is done, what is under way, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST = 8  # parts of a part that are shown one by one
DONE, UNDER_WAY, LEFT = "✓", "▸", "·"


@dataclass(frozen=True, slots=True)
class Part:
    """`done` of `total` of a unit; total is 0 where the parts before have to tell."""

    name: str
    done: int = 0
    total: int = 0
    unit: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def is_done(self) -> bool:
        return 0 < self.total <= self.done

    @property
    def count(self) -> str:
        """ "3 of 12 runs"; "" where it cannot be counted yet."""
        return f"{self.done:,} of {self.total:,}{self.unit and ' '}{self.unit}" if self.total else ""


@dataclass(frozen=True, slots=True)
class OutlineRow:
    depth: int
    mark: str
    name: str
    count: str


def outline_rows(parts: Sequence[Part]) -> Iterator[OutlineRow]:
    """A row a part. The first that is not done is under way; it alone has its own parts shown. Where these are many,
    those that are done, and the last of those that are left, are counted in one row each."""
    under_way = next((part for part in parts if not part.is_done), None)
    width = max((len(part.name) for part in parts), default=0)
    for part in parts:
        mark = DONE if part.is_done else UNDER_WAY if part is under_way else LEFT
        yield OutlineRow(0, mark, part.name.ljust(width), part.count)
        if part is under_way:
            yield from _inner(part.parts)


def _inner(parts: Sequence[Part]) -> Iterator[OutlineRow]:
    done = [part for part in parts if part.is_done]
    left = [part for part in parts if not part.is_done]
    more = 0
    if len(parts) > MOST:
        if len(done) > 1:
            yield OutlineRow(1, DONE, f"{len(done)} more are done", "")
            done = []
        more = max(0, len(left) - MOST)
        left = left[: len(left) - more]
    for part in done:
        yield OutlineRow(1, DONE, part.name, part.count)
    for place, part in enumerate(left):
        yield OutlineRow(1, LEFT if place else UNDER_WAY, part.name, part.count)
    if more:
        yield OutlineRow(1, LEFT, f"{more} more are left", "")


def text_of(row: OutlineRow) -> str:
    """One line of a terminal."""
    return f"{'  ' * row.depth}{row.mark} {row.name}{row.count and '  '}{row.count}"
