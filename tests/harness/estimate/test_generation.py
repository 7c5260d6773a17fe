"""Texts that end nobody knows where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.estimate.generation import Steps


def test_rows_that_never_ended_go_to_their_limit() -> None:
    steps = Steps(0.5, 0.25, ((20, False),) * 4)
    # of two rows: 4 and 9 steps behind their first token; both take part in four of them
    assert steps.seconds([[5, 10]]).expected == pytest.approx(9 * 0.5 + (4 + 9) * 0.25)
    assert steps.tokens([[5, 10]]).expected == 15
    assert steps.seconds([[5, 10]]).high == steps.seconds([[5, 10]]).expected
    assert steps.seconds([[5, 10]]).low < steps.seconds([[5, 10]]).expected


def test_one_token_takes_no_step() -> None:
    assert Steps(1.0, 1.0).seconds([[1, 1, 1]]).high == 0


def test_lengths_that_were_seen_are_expected() -> None:
    """Ends at 10 of many rows: about so long are those that were not seen, however long they may get."""
    steps = Steps(1.0, 0.0, ((10, True),) * 400)
    tokens = steps.tokens([[1000] * 10])
    assert tokens.expected / 10 == pytest.approx(10, rel=0.1)
    assert tokens.high < 1.2 * tokens.low
    few = Steps(1.0, 0.0, ((10, True),) * 4).tokens([[1000] * 10])
    assert few.high / few.low > tokens.high / tokens.low


ROWS = st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=20)
BATCHES = st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=6), min_size=1, max_size=4)


@given(ROWS, BATCHES)
def test_ranges_lie_between_one_token_and_the_limits(rows: list[tuple[int, bool]], batches: list[list[int]]) -> None:
    steps = Steps(0.1, 0.01, tuple(rows))
    seconds, tokens = steps.seconds(batches), steps.tokens(batches)
    limits = [limit for batch in batches for limit in batch]
    assert 0 <= seconds.low <= seconds.expected + 1e-9 <= seconds.high + 2e-9
    assert len(limits) - 1e-6 <= tokens.low <= tokens.expected + 1e-9 <= tokens.high + 2e-9 <= sum(limits) + 1e-6
