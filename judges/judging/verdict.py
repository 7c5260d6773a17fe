"""What a judge's text says: [[A]], [[B]] or [[C]], strictly.

FastChat (lm-sys/FastChat, llm_judge/common.py) looks for the three in that order, so that a text which quotes two of
them counts as A. Here two different verdicts in one text are no verdict.
"""

from __future__ import annotations

import re
from typing import Literal

Said = Literal["first", "second", "tie"]

_MEANING: dict[str, Said] = {"A": "first", "B": "second", "C": "tie"}
_VERDICT = re.compile(r"\[\[([ABC])\]\]")


class UnclearError(ValueError):
    """The text holds no verdict, or two different ones; the message says which."""


def parse(text: str) -> Said:
    """The one verdict of a judge's text, which may say it several times. Raises UnclearError."""
    letters = sorted(set(_VERDICT.findall(text)))
    if not letters:
        raise UnclearError("no verdict: none of [[A]], [[B]], [[C]] in the judge's text")
    if len(letters) > 1:
        raise UnclearError(f"two verdicts: the judge's text has {' and '.join(f'[[{letter}]]' for letter in letters)}")
    return _MEANING[letters[0]]
