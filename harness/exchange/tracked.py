"""Runs and studies as experiment trackers keep them, and what gives and takes them.

What is tracked comes from parts of the kind `harness.tracked`: runs from this floor, studies from that of tuning. A
tracker (MLflow, trackio) takes all of them alike. Each has a key, by which a second export finds what the first one
made, and a digest of its content, by which it knows whether anything is new.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from harness import registry
from harness.errors import UsageError, suggest

if TYPE_CHECKING:
    from pathlib import Path

KEY = "lora-harness.key"
CONTENT = "lora-harness.content"


@dataclass(frozen=True, slots=True)
class Metric:
    name: str  # words with slashes between
    value: float
    step: int = 0


@dataclass(frozen=True, slots=True)
class Tracked:
    key: str  # "run:ID", "study:ID", "trial:ID/NUMBER": unique over all machines
    name: str
    status: Literal["running", "finished", "failed"]
    started: datetime
    ended: datetime | None
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[Metric] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    children: Sequence[Tracked] = ()

    @property
    def content(self) -> str:
        """sha256, hexadecimal, of all but the children."""
        own = {name: value for name, value in asdict(self).items() if name != "children"}
        return hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()


class TrackedSource(Protocol):
    """A part of the kind `harness.tracked`."""

    def __call__(self, db: str, word: str | None, /) -> list[Tracked]:
        """What the word names in the store, or all without one; [] where it names nothing. StoreError for a store that
        cannot be read."""
        ...


@dataclass(slots=True)
class Logged:
    """What became of an export: names of what is new, of what was gone on with, and of what was there as it is."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)


class Tracker(Protocol):
    def log(self, tracked: Sequence[Tracked]) -> Logged:
        """MissingError where its package is not installed, UsageError where it cannot be reached."""
        ...


def tracked(db: str | Path, words: Sequence[str]) -> list[Tracked]:
    """What the words name, each once; everything without words. UsageError for a word that names nothing."""
    sources: list[TrackedSource] = [registry.load("tracked", name) for name in registry.names("tracked")]
    found: list[Tracked] = []
    wanted: Sequence[str | None] = words or [None]
    for word in wanted:
        own = [one for source in sources for one in source(str(db), word)]
        if word is not None and not own:
            known = {one.name for source in sources for one in source(str(db), None)}
            raise UsageError(f"There is no run and no study {word!r} in {db}.{suggest(word, known)}")
        found += own
    return list({one.key: one for one in found}.values())
