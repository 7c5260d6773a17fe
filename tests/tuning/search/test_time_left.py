"""Estimates of a search's time, against searches that are simulated."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tuning.search.rungs import FRACTIONS, WHOLE
from tuning.search.time_left import seconds_left, trainings_left


def test_without_rungs_it_is_what_is_left_of_the_budget():
    low, high = seconds_left(10, WHOLE, {1.0: [60.0, 60.0, 60.0, 60.0]}, {1.0: 4}) or (0, 0)
    assert low < 6 * 60 < high
    assert high < 1.2 * 6 * 60


def test_nothing_is_said_before_a_training_was_measured():
    assert seconds_left(10, FRACTIONS, {}, {}) is None
    assert seconds_left(10, FRACTIONS, {0.05: []}, {0.05: 1}) is None


def test_a_fourth_goes_on_from_each_rung():
    assert trainings_left(50, FRACTIONS, {}) == {0.05: 50, 0.1: 13, 0.3: 4, 1.0: 1}
    assert trainings_left(50, FRACTIONS, {0.05: 20, 0.1: 5}) == {0.05: 30, 0.1: 8, 0.3: 4, 1.0: 1}


def test_it_holds_what_a_search_with_rungs_takes():
    """Rows take 100 s and validation 5 s at any rung, of which only the first was seen."""
    cost = {fraction: 100 * fraction + 5 for fraction in FRACTIONS}
    done = {0.05: 4}
    low, high = seconds_left(50, FRACTIONS, {0.05: [cost[0.05]] * 4}, done, finals=3) or (0, 0)
    left = trainings_left(50, FRACTIONS, done)
    for finals in (2, 3):
        assert low <= sum(cost[fraction] * number for fraction, number in left.items()) + finals * cost[1.0] <= high


def test_a_search_that_is_over_takes_no_more():
    assert seconds_left(8, WHOLE, {1.0: [5.0]}, {1.0: 8}) == (0, 0)
    assert seconds_left(1, FRACTIONS, {1.0: [5.0]}, dict.fromkeys(FRACTIONS, 1), after=3, finals=3) == (0, 0)


@given(
    budget=st.integers(1, 1000),
    seconds=st.dictionaries(st.sampled_from(FRACTIONS), st.lists(st.floats(0, 1e6), max_size=5)),
    done=st.dictionaries(st.sampled_from(FRACTIONS), st.integers(0, 1000)),
    after=st.integers(0, 5),
)
def test_it_is_a_range(budget, seconds, done, after):
    estimate = seconds_left(budget, FRACTIONS, seconds, done, after, finals=6)
    assert estimate is None or 0 <= estimate[0] <= estimate[1] < math.inf
