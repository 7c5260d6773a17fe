"""Scores of written answers: what counts as the same, numbers, and patterns that a hostile answer cannot hold up."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tasks.file_tasks import text_scores
from harness.tasks.file_tasks.text_scores import contains, exact_match, extracted, f1, normal, number_in, numeric

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text.strip())


@pytest.mark.parametrize(
    ("text", "gold", "same"),
    [
        ("the Eiffel Tower.", "Eiffel tower", True),
        ("12.50.", "12.5", True),
        ("1,000", "1000", True),
        ("A", "A", True),
        ("(a).", "A", True),
        ("B", "A", False),
        ("", "A", False),
        ("", "the", False),
        ("!", "!", True),
        ("", "!", False),
        ("Paris, France", "Paris", False),
    ],
)
def test_exact_match(text: str, gold: str, same: bool) -> None:
    assert exact_match(text, ["something else", gold]) == same


@settings(deadline=None)
@given(words)
def test_an_answer_is_itself(gold: str) -> None:
    assert exact_match(gold, [gold]) == f1(gold, [gold]) == contains(gold, [gold]) == 1


@settings(deadline=None)
@given(words)
def test_nothing_is_no_answer(gold: str) -> None:
    assert exact_match("", [gold]) == f1("", [gold]) == contains("", [gold]) == 0


@settings(deadline=None)
@given(st.text(), words)
def test_scores_lie_between_0_and_1_and_agree(text: str, gold: str) -> None:
    same, overlap, within = exact_match(text, [gold]), f1(text, [gold]), contains(text, [gold])
    assert 0 <= same <= overlap <= 1
    assert same <= within <= 1
    assert exact_match(text, [gold, text + "x"]) >= same, "one more accepted answer never makes it worse"
    assert normal(normal(text)) == normal(normal(normal(text)))


def test_contains_takes_whole_words() -> None:
    assert contains("I think it is Paris, of course.", ["paris"]) == 1
    assert contains("I know.", ["no"]) == 0
    assert f1("Paris France", ["Paris"]) == pytest.approx(0.67)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 42.", 42),
        ("$1,234.50!", 1234.5),
        ("-$5", -5),
        ("\u22127 degrees", -7),
        ("10-12", 12),
        ("first 3, then 4", 4),
        ("1,2,3", 3),
        (".5", 0.5),
        ("6e3", 6000),
        ("v2", None),
        ("none", None),
        ("", None),
    ],
)
def test_the_last_number(text: str, number: float | None) -> None:
    assert number_in(text) == number


@settings(deadline=None)
@given(st.integers(-(10**12), 10**12), st.sampled_from(["{}", "{:,}", "so: {}.", "= {:,} apples"]))
def test_numbers_as_people_write_them(number: int, form: str) -> None:
    assert number_in(form.format(number)) == number


@settings(deadline=None)
@given(st.floats(0, 1e6), st.floats(0, 100), st.floats(0, 10))
def test_tolerance_is_absolute(gold: float, off: float, tolerance: float) -> None:
    text, accepted = f"{gold + off:.6f}", [f"{gold:.6f}"]
    distance = abs(float(text) - float(accepted[0]))
    if abs(distance - tolerance) > 1e-2:  # not at the border itself, where rounding decides
        assert numeric(text, accepted, tolerance) == float(distance <= tolerance)


def test_extract() -> None:
    assert extracted(r"answer: (\w+)", "x answer: Paris. answer: Rome") == ("Paris", "")
    assert extracted(r"[A-D]", "It is C or D") == ("C", "")
    assert extracted(r"(a)|b", "b") == ("", text_scores.NO_MATCH)
    assert extracted(r"answer: (\w+)", "no") == ("", text_scores.NO_MATCH)


def test_a_pattern_that_would_search_for_hours_is_given_up() -> None:
    began = time.monotonic()
    answer, note = extracted(r"(x+x+)+y", "x" * 5000)
    assert (answer, note) == ("", text_scores.TOO_SLOW)
    assert time.monotonic() - began < 30  # hours without


HOSTILE = [
    "",
    "\0",
    "\ud800",
    "1" * 100_000,
    "." * 100_000,
    "1," * 50_000,
    "1e" * 50_000,
    "((((",
    "nan",
    "inf",
    "1e999",
    "-" * 9,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_scored(text: str) -> None:
    for gold in ("Paris", "42", "A"):
        assert exact_match(text, [gold]) == contains(text, [gold]) == 0
        assert 0 <= f1(text, [gold]) <= 1
    assert numeric(text, ["42"], 0.1) == 0
    assert extracted(r"(\d+)$", text)[1] in ("", text_scores.NO_MATCH)
