"""Scales of grades: words from the worst to the best, and what each is worth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from harness.errors import UsageError

DEFAULT_SCALE = ("1", "2", "3", "4", "5")
MOST_GRADES = 101
GRADE, GRADE_NORM = "grade", "grade_norm"  # metrics: in the scale's own numbers; 0 for the worst, 1 for the best
_RANGE = re.compile(r"(-?[0-9]{1,6})-(-?[0-9]{1,6})")
_NUMBER = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,6})?")
_GRADE = re.compile(r"\w(?:[\w +./-]{0,38}\w)?|-?[0-9]{1,6}(\.[0-9]{1,6})?")


def scale_of(value: Any) -> Any:
    """As a declaration writes it: a list, or "1-10" for all whole numbers from one to the other."""
    if isinstance(value, str) and (ends := _RANGE.fullmatch(value.strip())):
        low, high = int(ends[1]), int(ends[2])
        return tuple(str(number) for number in range(low, min(high, low + MOST_GRADES) + 1))
    if isinstance(value, list | tuple):
        return tuple(str(grade) if type(grade) in (int, float) else grade for grade in value)
    return value


def check_scale(scale: Sequence[str]) -> None:
    """UsageError for what is no scale."""
    if not 2 <= len(scale) <= MOST_GRADES:
        raise UsageError(f"there are {len(scale)} grades, and a scale has 2 to {MOST_GRADES}.")
    for grade in scale:
        if not _GRADE.fullmatch(grade):
            raise UsageError(f"{grade!r} is no grade: a number, or up to 40 letters, digits, spaces and + . / - _.")
    if len({grade.casefold() for grade in scale}) < len(scale):
        raise UsageError("one grade stands twice.")
    values = values_of(scale)
    if list(values) != sorted(set(values)):
        raise UsageError("the grades must rise, from the worst to the best.")


def values_of(scale: Sequence[str]) -> tuple[float, ...]:
    """Numbers are worth what they say; words their place, from 0."""
    if all(_NUMBER.fullmatch(grade) for grade in scale):
        return tuple(map(float, scale))
    return tuple(map(float, range(len(scale))))


def grade_in(text: str, scale: Sequence[str]) -> str | None:
    """The grade that a text is, in any case and however a number is written. None where it is none."""
    word = text.strip().casefold()
    for grade in scale:
        if word == grade.casefold():
            return grade
    if _NUMBER.fullmatch(word) and all(_NUMBER.fullmatch(grade) for grade in scale):
        return next((grade for grade in scale if float(grade) == float(word)), None)
    return None
