"""Numbers known within bounds, as people read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.estimate.ranges import Range, size_text, time_range_text, time_text

POSITIVE = st.floats(0.01, 1e7)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.4, 1.2, "0.4 to 1.2 s"),
        (40, 55, "40 to 55 s"),
        (40, 300, "40 s to 5.0 min"),
        (130, 300, "2.2 to 5.0 min"),
        (4320, 7200, "1.2 to 2.0 h"),
        (1200, 90_000, "20 min to 25 h"),
    ],
)
def test_times(low: float, high: float, text: str) -> None:
    assert time_range_text(Range(low, low, high)) == text


def test_single_figures() -> None:
    assert time_text(5040) == "84 min"
    assert time_text(7560) == "2.1 h"
    assert size_text(3.1 * 2**30) == "3.1 GiB"
    assert size_text(634 * 2**20) == "634 MiB"


@given(POSITIVE, POSITIVE, st.floats(0, 5), st.floats(0, 5))
def test_sums_and_products_stay_in_order(a: float, b: float, x: float, y: float) -> None:
    one, other = Range.of(a, x), Range.of(b, y)
    for made in (one + other, one.times(other), one * b, Range.read(one.to_dict())):
        assert made.low <= made.expected <= made.high
