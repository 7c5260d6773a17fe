"""What is one word, whatever it is written like."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from data.contamination.words import sentences_of, words_of


def test_punctuation_case_and_markup_are_put_aside() -> None:
    assert words_of("**What** is\tthe\n“Moonlight-Sonata”, No. 14?") == [
        "what",
        "is",
        "the",
        "moonlight",
        "sonata",
        "no",
        "14",
    ]
    assert words_of(r"$\frac{1}{2}$ of x_1") == ["frac", "1", "2", "of", "x", "1"]
    assert words_of("… — !") == []


def test_scripts_without_spaces_are_taken_letter_by_letter() -> None:
    assert words_of("光速是多少 km?") == ["光", "速", "是", "多", "少", "km"]


def test_sentences_and_lines_stand_alone() -> None:
    text = "Answer this: What is a keloid? It is\na scar; the genome is: large"
    found = {"answer this", "what is a keloid", "it is", "a scar", "the genome is", "large"}
    assert found <= sentences_of(text)


@given(st.text())
def test_words_are_the_same_however_a_text_is_written(text: str) -> None:
    words = words_of(text)
    assert words_of(" ".join(words)) == words
    assert words_of(unicodedata.normalize("NFKC", text)) == words
    assert words_of(f"  «{text}» …\n") == words
