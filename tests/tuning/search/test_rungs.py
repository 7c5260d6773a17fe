"""Who goes on from a rung."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tuning.search.fronts import Standing
from tuning.search.rungs import ETA, going_on

Values = Sequence[float]
floats = st.floats(0, 10, allow_nan=False)
pairs = st.tuples(floats, floats)


def decided(found: Sequence[Values | None], together: int = 0, block: int = 1) -> list[bool]:
    """A search whose trials have these values at rung 0: whether each goes on. Those that do are trained at rung 1."""
    trials: list[dict[int, Standing | None]] = []
    blocks = [range(at, min(len(found), at + block)) for at in range(together, len(found), block)]
    for group in (range(min(together, len(found))), *blocks):
        trials += [{0: None if (values := found[place]) is None else Standing(tuple(values))} for place in group]
        for place in going_on(trials, 0, group, together):
            trials[place][1] = None
    return [1 in trial for trial in trials]


def one(*values: float | None) -> list[Values | None]:
    return [None if value is None else (value,) for value in values]


def test_the_first_goes_on_and_a_worse_second_does_not() -> None:
    assert decided(one(1.0, 2.0)) == [True, False]


def test_of_the_start_points_the_best_goes_on_wherever_it_stands() -> None:
    assert decided(one(3.0, 2.0, 1.0), together=3) == [False, False, True]


def test_a_failed_trial_goes_nowhere_and_counts_for_nothing() -> None:
    assert decided(one(None, 1.0), together=2) == [False, True]
    assert decided(one(1.0, None)) == [True, False]
    assert decided(one(None, 2.0)) == [False, True]


def test_what_keeps_the_constraints_goes_before_what_is_better() -> None:
    """Five trials: two may go on, and the second is the one that comes when two may."""
    trials: list[dict[int, Standing | None]] = [
        {0: Standing((3.0,)), 1: None},
        {0: Standing((2.0,), 1.0)},
        {0: Standing((2.0,), 1.0)},
        {0: Standing((2.0,), 1.0)},
        {0: Standing((2.9,))},
    ]
    assert going_on(trials, 0, [4]) == [4]
    trials[4] = {0: Standing((2.5,), 0.5)}
    assert going_on(trials, 0, [4]) == [4]
    trials[3] = {0: Standing((2.0,), 0.4)}
    assert going_on(trials, 0, [4]) == []


@settings(deadline=None)
@given(st.lists(floats, min_size=1, max_size=40), st.integers(0, 5))
def test_one_objective_goes_by_its_value(found: list[float], together: int) -> None:
    """The rule in its plainest words, which studies have followed since before there were several."""
    expected: list[bool] = []
    for place, value in enumerate(found):
        first = place < together
        seen = found[:together] if first else found[: place + 1]
        before = [other < value or (other == value and at < place) for at, other in enumerate(seen)]
        most = -(-len(seen) // ETA)
        expected.append(sum(before) < most and (first or sum(expected) < most))
    assert decided([(value,) for value in found], together) == expected


@settings(deadline=None)
@given(st.lists(pairs, min_size=1, max_size=40), st.integers(0, 5))
def test_no_more_than_their_share_go_on(found: list[Values], together: int) -> None:
    on = decided(found, together)
    for seen in range(max(1, together), len(found) + 1):
        assert sum(on[:seen]) <= -(-seen // ETA)
    assert any(on)


@settings(deadline=None)
@given(st.lists(pairs, min_size=2, max_size=30), st.integers(1, 29), st.integers(0, 4))
def test_what_comes_later_changes_no_decision(found: list[Values], count: int, together: int) -> None:
    count = max(together, min(count, len(found)))
    assert decided(found, together)[:count] == decided(found[:count], together)


@settings(deadline=None)
@given(st.lists(pairs, min_size=1, max_size=30), st.integers(0, 4), st.integers(1, 5))
def test_a_block_decides_as_one_after_the_other(found: list[Values], together: int, block: int) -> None:
    assert decided(found, together, block) == decided(found, together)


@settings(deadline=None)
@given(st.lists(pairs, min_size=ETA, max_size=40))
def test_whoever_goes_on_is_dominated_by_few_that_were_there(found: list[Values]) -> None:
    """Never by as many as may go on: these would all stand before it."""
    for place, on in enumerate(decided(found)):
        a, b = found[place]
        better = sum(x <= a and y <= b and (x, y) != (a, b) for x, y in found[: place + 1])
        assert not on or better < -(-(place + 1) // ETA)
