"""The contract of a judge that needs no server: what it is shown and what it says.

A judge knows answers and nothing of models or stores. `judges/judging/installed.py` stands between and stores. A model
that judges at a server is no such part: `judges/judging/model_judge.py` asks it, by its name there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class JudgedPair:
    """Two answers to one question, in the order in which they are shown."""

    question: str  # its id in the prompt set
    turns: tuple[str, ...]  # what was asked, up to the turn that is judged
    first: tuple[str, ...]  # the answers that are shown first, one a turn
    second: tuple[str, ...]
    reference: str | None = None  # of the turn that is judged


@dataclass(frozen=True, slots=True)
class Verdict:
    winner: Literal["first", "second", "tie"]
    text: str = ""  # the reasons, for people


class Judge(Protocol):
    """Verdicts are functions of the pair, so each pair is shown once in each order, and never a second time."""

    @property
    def name(self) -> str:
        """As --judge has it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever a verdict may change."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """What else makes its verdicts what they are; as JSON has it. Another config is another judge in the store."""
        ...

    def compare(self, pair: JudgedPair) -> Verdict | None:
        """None where it cannot judge this pair: that is passed over, and no error."""
        ...


class JudgeFactory(Protocol):
    """A part of the kind `harness.judges`."""

    def __call__(self) -> Judge: ...
