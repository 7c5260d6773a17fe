"""What a trace is made of: links, each one thing that a number comes from, with what it was made from in turn.

A figure is a number that commands and pages show. It stands here as it is computed anew from what the store holds
(`made_from`), beside the one that the store keeps, where it keeps it.
"""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

from harness.cli.options import DEFAULT_DB
from harness.cli.tables import interval
from harness.store import codec

if TYPE_CHECKING:
    from harness.store.connection import StoreConnection

Kind = Literal[
    "answers",
    "base",
    "checkpoint",
    "comparison",
    "configuration",
    "judge",
    "leaderboard",
    "program",
    "prompts",
    "ranking",
    "rows",
    "run",
    "sample",
    "samples",
    "score",
    "study",
    "trial",
    "verdict",
    "verdicts",
    "whole study",
]
Numbers = tuple[float | None, float | None, float | None]  # a value and the ends of its interval
_CLOSE = 1e-9  # two orders of addition differ by less


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    text: str  # as commands and pages write it
    value: float | None = None
    low: float | None = None
    high: float | None = None
    made_from: str = ""  # "24 samples"; "" where it cannot be computed anew, and stands as it is stored
    stored: Numbers | str | None = None  # None where the store does not keep it

    @property
    def agrees(self) -> bool | None:
        """Whether the stored number is what its samples give; None where there is nothing to compare."""
        if self.stored is None or not self.made_from:
            return None
        if isinstance(self.stored, str):
            return self.stored == self.text
        return all(map(_same, self.stored, (self.value, self.low, self.high)))


@dataclass(frozen=True, slots=True)
class Link:
    """`facts` are plain data. `missing` are sentences: what cannot be found, and why."""

    kind: Kind
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    figures: Sequence[Figure] = ()
    missing: Sequence[str] = ()
    command: str = ""  # that shows it
    page: str = ""  # of the board that shows it, from its root
    sources: Sequence[Link] = ()  # what it was made from

    @property
    def differing(self) -> list[str]:
        """The figures, here and below, that are not what the store's samples give."""
        own = [f"{self.kind} {self.name}: {figure.name}" for figure in self.figures if figure.agrees is False]
        return [*own, *(name for source in self.sources for name in source.differing)]


def document(link: Link) -> dict[str, Any]:
    """As JSON."""
    return {
        "kind": link.kind,
        "name": link.name,
        "facts": dict(link.facts),
        "figures": [
            {
                "name": figure.name,
                "text": figure.text,
                "value": figure.value,
                "low": figure.low,
                "high": figure.high,
                "made_from": figure.made_from,
                "stored": figure.stored,
                "agrees": figure.agrees,
            }
            for figure in link.figures
        ],
        "missing": list(link.missing),
        "command": link.command,
        "page": link.page,
        "sources": [document(source) for source in link.sources],
    }


def of_score(
    name: str, numbers: Numbers, method: str = "", made_from: str = "", stored: Numbers | None = None
) -> Figure:
    """A score with its interval: in points of a hundred where all are between 0 and 1."""
    value, low, high = numbers
    known = {"value": value, "low": low, "high": high, "interval": method}
    if value is None:
        text = ""
    elif low is None or high is None:
        text = interval({**known, "low": value, "high": value}).partition(" ")[0]
    else:
        text = interval(known)
    return Figure(name, text, value, low, high, made_from, stored)


def of_number(
    name: str, form: str, numbers: Numbers, made_from: str = "", stored: Numbers | None = None, scale: float = 1
) -> Figure:
    """`form` is that of `str.format`, for the value and for the ends; `scale` is what they are shown multiplied by."""
    value, low, high = numbers
    return Figure(name, _shown(form, scale, value, low, high), value, low, high, made_from, stored)


def _shown(form: str, scale: float, value: float | None, low: float | None, high: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    ends = [form.format(scale * end) if math.isfinite(end) else "no limit" for end in (low, high) if end is not None]
    return form.format(scale * value) + (f" [{', '.join(ends)}]" if len(ends) == 2 else "")


def _same(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return a == b or (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=_CLOSE, abs_tol=_CLOSE)


def command(store: StoreConnection, *words: object) -> str:
    """A command line of `harness` on this store."""
    db = str(store.path)
    place = [] if db == os.environ.get("HARNESS_DB", DEFAULT_DB) else ["--db", db]
    return shlex.join(["harness", *map(str, words), *place])


def address(page: str, **query: str | int | Sequence[str]) -> str:
    """Of a page of the board, from its root; what is "" is left out."""
    kept = {name: _encoded(value) for name, value in query.items() if value not in ("", [], ())}
    return f"/{page}?{urlencode(kept, doseq=True)}" if kept else f"/{page}"


def _encoded(value: Any) -> Any:
    return codec.encode(value) if isinstance(value, str) else value
