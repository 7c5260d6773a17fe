"""Scripts by their share of letters."""

from __future__ import annotations

import regex
from hypothesis import given
from hypothesis import strategies as st

from data.scripts import OTHER, shares


def test_scripts_are_told_apart() -> None:
    assert shares(["Hello, 123! ", "Привет"]) == {"Cyrillic": 6 / 11, "Latin": 5 / 11}
    assert shares(["漢字かなカナ"]) == {"Han": 1 / 3, "Hiragana": 1 / 3, "Katakana": 1 / 3}
    assert shares(["Ελλάδα", "한글", "שלום", "ไทย", "हद"]).keys() == {"Greek", "Hangul", "Hebrew", "Thai", "Devanagari"}
    assert shares(["\N{CHEROKEE LETTER A}"]) == {OTHER: 1}
    assert shares(["12 + 3", ""]) == {}


@given(st.lists(st.text(max_size=20), max_size=4))
def test_shares_add_up_and_are_in_order(texts: list[str]) -> None:
    by_script = shares(texts)
    letters = regex.search(r"\p{L}", "".join(texts)) is not None
    assert sum(by_script.values()) == 0 or abs(sum(by_script.values()) - 1) < 1e-9
    assert bool(by_script) == letters
    assert list(by_script.values()) == sorted(by_script.values(), reverse=True)
