"""What an answer looks like, apart from what it says: length and formatting, as covariates of a ranking.

A covariate of a game is (a - b) / (a + b), as in the style control of Chatbot Arena (Li, Angelopoulos and Chiang 2024):
twice the headings count the same in a short answer and a long one."""

from __future__ import annotations

import re
from collections.abc import Sequence

STYLE = ("length", "headings", "lists", "bold", "code")  # characters, then counts of Markdown

_MARKS = (
    re.compile(r"^ {0,3}#{1,6}\s", re.MULTILINE),
    re.compile(r"^\s*(?:[-*+]|\d{1,3}[.)])\s", re.MULTILINE),
    re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__"),
    re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE),
)


def look(text: str) -> tuple[int, ...]:
    """One number for each of STYLE."""
    return (len(text), *(len(mark.findall(text)) for mark in _MARKS))


def difference(a: Sequence[int], b: Sequence[int]) -> tuple[float, ...]:
    """Of two looks, one number in [-1, 1] for each of STYLE; 0 where neither has any."""
    return tuple((x - y) / (x + y) if x + y else 0.0 for x, y in zip(a, b, strict=True))
