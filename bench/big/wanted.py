"""A run to be made, and what its texts are made of."""

from __future__ import annotations

from dataclasses import dataclass

from harness.results import RunRow

WORDS = (
    "which of these is true of the bridge",
    "the lamp stands on the oldest table",
    "a letter came twice and was not opened",
    "the answer follows from the second rule",
    "seven boats left before the tide turned",
    "it depends on what the council decided",
    "the smaller number divides the larger one",
    "nobody had counted the apples since spring",
    "that is why the train waits at the border",
    "his sister keeps the accounts of the mill",
    "the committee read the report and voted",
    "a square has as many corners as a field",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run to be made: its tasks with how many of their items are answered."""

    row: RunRow
    skill: float
    tasks: dict[str, int]
    tag: str = ""
    protocol: str = "standard"
