"""What a stopped trial is told."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuning.search.estimates import Curve, Estimate, climb, correlations, steps


def estimate(known: Sequence[Curve], trial: int, rungs: int) -> Estimate:
    rung = max(rung for rung, value in known[trial].items() if value is not None)
    return climb(steps(known, rungs), rung, known[trial][rung] or 0.0)


def test_an_estimate_of_few_is_a_shift() -> None:
    found = estimate([{0: 2.0, 1: 1.5}, {0: 3.0}], 1, 2)
    assert (found.value, found.penalty, found.pairs) == (2.5, 0.0, 1)


def test_without_a_pair_a_value_stays() -> None:
    found = estimate([{0: 2.0}, {0: 3.0}], 1, 3)
    assert (found.value, found.penalty, found.pairs) == (3.0, 0.0, 0)


def test_an_estimate_finds_a_line_and_its_penalty_the_scatter() -> None:
    chance = random.Random(0)
    pairs = [(x := chance.uniform(1, 4), 0.5 * x + 0.2 + chance.gauss(0, 0.05)) for _ in range(400)]
    known: list[Curve] = [*({0: x, 1: y} for x, y in pairs), {0: 3.0}]
    found = estimate(known, 400, 2)
    assert found.value == pytest.approx(1.7, abs=0.02)
    assert found.penalty == pytest.approx(0.05, rel=0.15)
    assert found.penalized == found.value + found.penalty
    assert found.sentence == f"estimate {found.value:.4f} + penalty {found.penalty:.4f} (from 400 trials)"


def test_steps_are_climbed_one_after_another() -> None:
    known: list[Curve] = [
        {0: 4.0, 1: 3.0, 2: 2.0},
        {0: 5.0, 1: 4.0, 2: 2.5},
        {0: 6.0, 1: 5.0, 2: 3.0},
        {0: 5.0, 1: 6.0},
    ]
    assert estimate(known, 3, 3).value == pytest.approx(3.5)  # from its last rung, not its first
    assert estimate([*known, {0: 7.0}], 4, 3).value == pytest.approx(estimate([*known, {1: 6.5}], 4, 3).value, abs=1.0)


def test_a_measured_trial_is_told_as_it_is() -> None:
    found = estimate([{0: 2.0, 1: 1.5}], 0, 2)
    assert (found.value, found.penalty) == (1.5, 0.0)


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.floats(0, 10))
def test_an_estimate_keeps_the_order_of_values(found: list[float], value: float) -> None:
    known = steps([{0: one, 1: one / 2} for one in found], 2)
    assert climb(known, 0, value).value <= climb(known, 0, value + 1).value


def test_correlations_count_their_trials() -> None:
    known: list[Curve] = [{0: 1.0, 1: 2.0}, {0: 2.0, 1: 3.0}, {0: 3.0, 1: 5.0}, {0: 9.0}]
    assert correlations(known, 3) == [(3, pytest.approx(1.0)), (0, None)]
