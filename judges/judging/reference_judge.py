"""The `reference` judge: answers that can be checked against the prompt's reference. It needs no model.

A reference can be checked where it ends in a line "Answer: …", or is itself no longer than five words. Of an answer,
what follows its last "answer is", "answer:" or "=" counts, otherwise its last line that is not empty. A number must be
the last number there; a word or words must stand there, whole and in this order. The right answer wins; two right or
two wrong ones are a tie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from judges.types import JudgedPair, Verdict

NAME = "reference"
VERSION = "1"
_SHORT = 5  # words
_LABEL = re.compile(r"^\W*answer\s*:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_GIVEN = re.compile(r"(?:\banswer\s*(?:is|:)|=)(?!=)", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\w)")
_WORD = re.compile(r"\w+")


def expected(reference: str) -> str | None:
    """The short answer that a reference comes to, or None where it cannot be checked."""
    labelled = _LABEL.findall(reference)
    short = labelled[-1] if labelled else reference.strip()
    words = _WORD.findall(short)
    return short if words and (labelled or len(words) <= _SHORT) else None


def right(answer: str, wanted: str) -> bool:
    """Does the answer come to `wanted` (see above)?"""
    conclusion = _conclusion(answer)
    number = _NUMBER.fullmatch(wanted.strip().rstrip("."))
    if number:
        numbers = _NUMBER.findall(conclusion)
        return bool(numbers) and _value(numbers[-1]) == _value(number[0])
    needle, hay = (_WORD.findall(text.casefold()) for text in (wanted, conclusion))
    return any(hay[at : at + len(needle)] == needle for at in range(len(hay) - len(needle) + 1))


def _conclusion(answer: str) -> str:
    given = list(_GIVEN.finditer(answer))
    if given:
        after = answer[given[-1].end() :].strip()
        if after:
            return after.split("\n", 1)[0]
    lines = [line for line in answer.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _value(number: str) -> float:
    return float(number.replace(",", ""))


class ReferenceJudge:
    """The order of a pair means nothing to it."""

    name = NAME
    version = VERSION
    config: Mapping[str, Any] = {}

    def compare(self, pair: JudgedPair) -> Verdict | None:
        wanted = None if pair.reference is None else expected(pair.reference)
        if wanted is None:
            return None
        first, second = right(pair.first[-1], wanted), right(pair.second[-1], wanted)
        words = {True: "right", False: "wrong"}
        return Verdict(
            "tie" if first == second else "first" if first else "second",
            f"The reference comes to {wanted!r}: A is {words[first]}, B is {words[second]}.",
        )
