"""How values cross the sandbox's wall: unchanged where they are plain, and read safely whatever is written."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sandbox import program as inside

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(st.characters())
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.frozensets(st.integers() | st.text())
        | st.sets(st.integers())
    ),
)


@settings(max_examples=100, deadline=None)
@given(PLAIN)
def test_a_value_crosses_unchanged(value):
    crossed = inside.decode(inside.encode(value))
    assert crossed == value
    assert repr(crossed) == repr(value) or isinstance(value, (set, frozenset, list, tuple, dict))


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=60) | st.text("NTFifcsbltSzd0123456789:;,-.xep", max_size=60).map(str.encode),
    PLAIN,
    st.integers(0, 50),
)
def test_any_bytes_are_read_safely(data, value, at):
    good = inside.encode(value)
    for tried in (data, good[:at] + data + good[at:], good[:at] + good[at + 1 :]):
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            inside.encode(inside.decode(tried))  # what comes out is plain


def test_deep_and_endless_values_do_not_cross():
    endless = [1]
    endless.append(endless)
    for value in (endless, 1 << 4_000_000):
        with pytest.raises(ValueError, match="cross"):
            inside.encode(value)
    with pytest.raises(ValueError, match="deep"):
        inside.decode(b"l1:" * 5000 + b"N")
