"""A text's words, by which training rows and benchmark items are compared: case, accents' form, punctuation, markup and
spaces put aside, as GPT-3's and lm-evaluation-harness's decontamination do. Scripts that write no spaces between words
are taken letter by letter."""

from __future__ import annotations

import re

from data.near_copies.first_of_each import normalise

_WITHOUT_SPACES = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Japanese, Chinese
    "\U00020000-\U0003ffff"
)
_WORDS = re.compile(rf"(?=\w)[{_WITHOUT_SPACES}]|[^\W_{_WITHOUT_SPACES}]+")
_ENDS = re.compile(r"[.:;?!\n。：；？！]+")


def words_of(text: str) -> list[str]:
    return _WORDS.findall(normalise(text))


def sentences_of(text: str) -> set[str]:
    """Lines and sentences, each as its words with a space between."""
    parts = {*text.split("\n"), *_ENDS.split(text)}
    return {" ".join(words) for words in map(words_of, parts) if words}
