"""Which scripts texts are written in, as a share of their letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import regex

SCRIPTS = (
    *("Latin", "Cyrillic", "Greek", "Han", "Hiragana", "Katakana", "Hangul", "Arabic", "Hebrew", "Devanagari"),
    *("Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao"),
    *("Tibetan", "Myanmar", "Georgian", "Armenian", "Ethiopic", "Khmer", "Mongolian"),
)
OTHER = "other"
_LETTER = regex.compile(r"\p{L}")
_OF_SCRIPT = {script: regex.compile(rf"\p{{Script={script}}}") for script in SCRIPTS}


def shares(texts: Iterable[str]) -> dict[str, float]:
    """Of all letters, the largest first; empty where there is no letter."""
    characters: Counter[str] = Counter()
    for text in texts:
        characters.update(text)
    letters: Counter[str] = Counter()
    for character, count in characters.items():
        if _LETTER.match(character):
            letters[_script_of(character)] += count
    total = letters.total()
    return {script: count / total for script, count in letters.most_common()}


def _script_of(letter: str) -> str:
    return next((script for script, pattern in _OF_SCRIPT.items() if pattern.match(letter)), OTHER)
