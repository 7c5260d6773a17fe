"""Speeds, what is left, and both in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.progress.task import Task, about, span


def task(*told: tuple[float, float, int], total: int = 10, **more: Any) -> Task:
    """A task of which this was told: (moment, done, tokens)."""
    made = Task("t", told[0][0])
    for at, done, tokens in told:
        made.take(at, done, total, **{"phase": "", "unit": "", "detail": "", "left": None, **more}, tokens=tokens)
    return made


def test_what_an_earlier_session_did_is_no_speed():
    resumed = task((0, 5, 0), (10, 6, 300))
    assert resumed.figures(10) == "6 of 10, 30 tokens/s, about 40 s left"


def test_what_is_left_shrinks_between_two_answers():
    assert "about 25 s left" in task((0, 5, 0), (10, 6, 300)).figures(25)


def test_a_speed_is_not_shown_before_it_is_measured():
    assert task((0, 0, 0)).figures(0) == "0 of 10"
    assert task((0, 0, 0), (1, 1, 500)).figures(1) == "1 of 10"


def test_another_phase_has_its_own_speed():
    made = task((0, 0, 0), (10, 10, 1000), phase="training", unit="steps")
    made.take(10, 0, 4, phase="validation", unit="rows", detail="", tokens=0, left=None)
    made.take(20, 1, 4, phase="validation", unit="rows", detail="", tokens=50, left=None)
    assert made.figures(20) == "1 of 4 rows, 5.0 tokens/s, about 30 s left"


def test_what_cannot_be_counted_says_how_long_it_lasts():
    made = task((0, 0, 0), total=0)
    assert made.figures(1) == ""
    assert made.figures(75) == "1 min 15 s so far"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (599.9, "10 min"),
        (3599, "1 h"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_span(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (41, 62, "about 40 to 60 s left"),
        (541, 903, "about 9 to 15 min left"),
        (700, 703, "about 12 min left"),
        (3000, 9000, "about 1 to 2.5 h left"),
        (1, 1.2, "about 1 s left"),
    ],
)
def test_an_estimate_is_rounded(low, high, text):
    assert about(low, high) == text


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_an_estimate_is_short_and_in_order(a, b):
    text = about(min(a, b), max(a, b))
    assert len(text) <= 40
    numbers = [float(word.replace(",", "")) for word in text.split() if word[0].isdigit()]
    assert numbers == sorted(numbers)
