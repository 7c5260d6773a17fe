"""How a text that a model wrote is held against accepted answers. It is hostile: nothing here takes longer than its
length or a second."""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Sequence
from typing import Any

from harness.tasks.span_f1 import exact_match_and_f1, normalize

SECONDS = 1.0  # of the user's own pattern on one response
TOO_SLOW = f"the pattern of `extract` did not come to an end within {SECONDS:g} second"
NO_MATCH = "the pattern of `extract` is not in the response"
NO_NUMBER = "no number in the response"
_NUMBER = re.compile(
    r"(?<![\w.])[-+]?\$?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
)
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_MINUS = str.maketrans("\u2212\u2013", "--")


@functools.cache
def _compiled(pattern: str) -> Any:
    import regex

    return regex.compile(pattern)


def extracted(pattern: str, text: str) -> tuple[str, str]:
    """(the first group of the first match, or the whole match, stripped; "") or ("", why there is none). `regex` takes
    what `re` takes, and can be told to give up: a pattern with nested repeats would try for hours."""
    try:
        match = _compiled(pattern).search(text, timeout=SECONDS)
    except TimeoutError:
        return "", TOO_SLOW
    if match is None:
        return "", NO_MATCH
    group = match[1] if _compiled(pattern).groups else match[0]
    return ("", NO_MATCH) if group is None else (group.strip(), "")


def normal(text: str) -> str:
    """As `span_f1.normalize`, without the marks that end words: a sentence's dot would make "12.5." another number.
    Of what would leave nothing, articles stay ("A", an answer to many questions), or all of it ("!")."""
    words = " ".join(word.rstrip(".,;:!?") or word for word in text.split())
    return normalize(words) or " ".join(words.translate(_NO_PUNCTUATION).split()).casefold() or words


def exact_match(text: str, accepted: Sequence[str]) -> float:
    answer = normal(text)
    return float(any(answer == normal(gold) for gold in accepted))


def f1(text: str, accepted: Sequence[str]) -> float:
    """Of words that both have; the best over accepted answers."""
    answer = normal(text)
    return max(
        exact_match_and_f1((answer,), (normal(gold),))[1] if normalize(gold) else exact_match(text, (gold,))
        for gold in accepted
    )


def contains(text: str, accepted: Sequence[str]) -> float:
    """In whole words."""
    answer = f" {normal(text)} "
    return float(any(f" {normal(gold)} " in answer for gold in accepted))


def number_in(text: str) -> float | None:
    """The last number: models end with their result."""
    numbers = _NUMBER.findall(text.translate(_MINUS))
    return float(numbers[-1].replace(",", "").replace("$", "")) if numbers else None


def numeric(text: str, accepted: Sequence[str], tolerance: float) -> float:
    value = number_in(text)
    golds = [gold for answer in accepted if (gold := number_in(answer)) is not None]
    return float(value is not None and any(abs(value - gold) <= tolerance + 1e-9 * abs(gold) for gold in golds))
