"""How much of one item stands in one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from typing import Literal

from data.contamination.item_index import LEAST, LONG, SHORT, SHORTEST
from data.contamination.item_texts import Content

Kind = Literal["question", "13-gram", "near copy"]
NEAR = 0.75  # of a question is a near copy of it
NEAR_SHORT = 0.85  # of one that is shorter than a run of 13 words
HALF = 0.5  # of it, where question and options together make as much


class Row:
    """A training row's words, and what they are looked up by."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words

    @cached_property
    def runs(self) -> set[tuple[str, ...]]:
        return {tuple(self.words[at : at + SHORT]) for at in range(len(self.words) - SHORT + 1)}

    @cached_property
    def _text(self) -> str:
        return f" {' '.join(self.words)} "

    def has(self, words: Sequence[str]) -> bool:
        return f" {' '.join(words)} " in self._text


@dataclass(frozen=True, slots=True)
class Overlap:
    kind: Kind
    share: float  # of the question, or of question and options, by the weights of their words
    begin: int  # in the row, about
    end: int


def overlap(
    content: Content,
    own: Sequence[bool],
    weight: Callable[[str], float],
    row: Row,
    offsets: Sequence[int],
    has_long: bool,
) -> Overlap | None:
    """None where the row has too little of the item. `own`: which of the question's words are of this item alone.
    `weight`: of a word, more where fewer items have it. `offsets`: of each run that both have, where it begins in the
    row less where in the item. `has_long`: the row has 13 words in a row of this item alone.

    A question counts that stands in the row as it is, with eight words or more, its own or with those of an option that
    the row has too; and so do 13 words in a row. A near copy has every number and three quarters of the question, by
    count and by weight (by weight 0.85 of a short one), of its own part as well as of all; or half of it, and three
    quarters of question and options together. Words count that stand in the same order in a stretch of the row which is
    as long as the question, or in runs of three anywhere: an instruction may ask first and give the passage then."""
    question = content.question
    slack = max(3, len(question) // 5)
    begin = _densest(sorted(offsets), slack)
    end = begin + len(question)
    if question and row.has(question):
        beside = max((len(option) for option in content.options if row.has(option)), default=0)
        if len(question) >= SHORTEST or (len(question) >= LEAST and len(question) + beside >= SHORTEST):
            return Overlap("question", 1.0, begin, end)
    stretch = row.words[max(0, begin - slack) : end + slack]
    covered = _covered(question, stretch, row)
    weights = list(map(weight, question))
    share = _share(weights, covered)
    if has_long:
        return Overlap("13-gram", share, begin, end)
    own_part = [number for number, is_own in enumerate(own) if is_own]
    least = min(share, _share([weights[at] for at in own_part], [covered[at] for at in own_part]))
    numbers = [is_covered for word, is_covered in zip(question, covered, strict=True) if word.isdecimal()]
    if not all(numbers) or len(numbers) == len(question):  # numbers alone are alike everywhere
        return None
    enough = NEAR if len(question) >= LONG else NEAR_SHORT
    if len(question) >= SHORTEST and least >= enough and sum(covered) >= NEAR * len(question):
        return Overlap("near copy", share, begin, end)
    if content.options and least >= HALF and len(question) + sum(map(len, content.options)) >= SHORTEST:
        is_listed = [row.has(option) for option in content.options]
        options = [sum(map(weight, option)) for option in content.options]
        whole = _share([*weights, *options], [*covered, *is_listed])
        if whole >= NEAR:
            return Overlap("near copy", whole, begin, end)
    return None


def _share(weights: Sequence[float], is_there: Sequence[bool]) -> float:
    total = sum(weights)
    return sum(weight for weight, there in zip(weights, is_there, strict=True) if there) / total if total else 0.0


def _covered(question: Sequence[str], stretch: Sequence[str], row: Row) -> list[bool]:
    """Which words of the question count."""
    covered = [False] * len(question)
    for block in SequenceMatcher(None, question, stretch, autojunk=False).get_matching_blocks():
        covered[block.a : block.a + block.size] = [True] * block.size
    for at in range(len(question) - SHORT + 1):
        if tuple(question[at : at + SHORT]) in row.runs:
            covered[at : at + SHORT] = [True] * SHORT
    return covered


def _densest(offsets: Sequence[int], slack: int) -> int:
    """Where most offsets lie together."""
    best, most, first = 0, 0, 0
    for last, offset in enumerate(offsets):
        while offset - offsets[first] > slack:
            first += 1
        if last - first + 1 > most:
            best, most = offsets[first], last - first + 1
    return best
