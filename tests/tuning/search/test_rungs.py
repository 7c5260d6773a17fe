"""Who goes on from a rung, and what a stopped trial is told."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.search.rungs import ETA, correlations, estimate, goes_on

values = st.floats(0, 10, allow_nan=False)


def curves(*columns: float | None) -> list[dict[int, float | None]]:
    return [{0: value} for value in columns]


def test_the_first_goes_on_and_a_worse_second_does_not() -> None:
    assert goes_on(curves(1.0), 0, 0)
    assert not goes_on(curves(1.0, 2.0), 1, 0)


def test_of_the_start_points_the_best_goes_on_wherever_it_stands() -> None:
    found = [goes_on(curves(3.0, 2.0, 1.0), trial, 0, together=3) for trial in range(3)]
    assert found == [False, False, True]


def test_a_failed_trial_goes_nowhere_and_counts_for_nothing() -> None:
    assert not goes_on(curves(None, 1.0), 0, 0, together=2)
    assert goes_on(curves(None, 1.0), 1, 0, together=2)
    assert not goes_on(curves(1.0, None), 1, 0)


@given(st.lists(values, min_size=1, max_size=60), st.integers(0, 5))
def test_no_more_than_their_share_go_on(found: list[float], together: int) -> None:
    on = [goes_on(curves(*found), trial, 0, together) for trial in range(len(found))]
    for seen in range(max(1, together), len(found) + 1):
        assert sum(on[:seen]) <= -(-seen // ETA)
    assert any(on)


@given(st.lists(values, min_size=2, max_size=40), st.integers(0, 39), st.integers(0, 4))
def test_what_comes_later_changes_no_decision(found: list[float], trial: int, together: int) -> None:
    trial %= len(found)
    known = max(trial + 1, together)
    all_of = [{0: value, 1: value / 2} for value in found]
    assert goes_on(all_of, trial, 0, together) == goes_on(all_of[:known], trial, 0, together)
    assert estimate(all_of, trial, 2, together) == estimate(all_of[:known], trial, 2, together)


def test_an_estimate_of_few_is_a_shift() -> None:
    known = [{0: 2.0, 1: 1.5}, {0: 3.0}]
    found = estimate(known, 1, 2)
    assert (found.value, found.penalty, found.pairs) == (2.5, 0.0, 1)


def test_an_estimate_finds_a_line_and_its_penalty_the_scatter() -> None:
    chance = random.Random(0)
    pairs = [(x := chance.uniform(1, 4), 0.5 * x + 0.2 + chance.gauss(0, 0.05)) for _ in range(400)]
    found = estimate([*({0: x, 1: y} for x, y in pairs), {0: 3.0}], 400, 2)
    assert found.value == pytest.approx(1.7, abs=0.02)
    assert found.penalty == pytest.approx(0.05, rel=0.15)
    assert found.penalized == found.value + found.penalty
    assert "stopped at 5% of the rows" in found.sentence((0.05, 1.0))


def test_steps_are_climbed_one_after_another() -> None:
    known = [{0: 4.0, 1: 3.0, 2: 2.0}, {0: 5.0, 1: 4.0, 2: 2.5}, {0: 6.0, 1: 5.0, 2: 3.0}, {0: 5.0, 1: 6.0}]
    assert estimate(known, 3, 3).value == pytest.approx(3.5)  # from its last rung, not its first
    assert estimate([*known, {0: 7.0}], 4, 3).value == pytest.approx(estimate([*known, {1: 6.5}], 4, 3).value, abs=1.0)


def test_a_measured_trial_is_told_as_it_is() -> None:
    found = estimate([{0: 2.0, 1: 1.5}], 0, 2)
    assert (found.value, found.penalty) == (1.5, 0.0)
    with pytest.raises(ValueError, match="no estimate"):
        estimate([{0: None}], 0, 2)


def test_correlations_count_their_trials() -> None:
    known = [{0: 1.0, 1: 2.0}, {0: 2.0, 1: 3.0}, {0: 3.0, 1: 5.0}, {0: 9.0}]
    assert correlations(known, 3) == [(3, pytest.approx(1.0)), (0, None)]
