"""The most memory that was in use at once."""

from __future__ import annotations

import sys

import pytest

from harness import peak_memory


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells the peak since a moment")
def test_the_peak_is_since_the_reset() -> None:
    size = 200_000_000
    peak_memory.reset("cpu")
    before = peak_memory.peak("cpu")
    held = bytearray(size)
    held[::4096] = b"x" * len(held[::4096])  # pages count once they are touched
    assert peak_memory.peak("cpu") - before > 0.9 * size
    del held
    peak_memory.reset("cpu")
    assert peak_memory.peak("cpu") - before < 0.5 * size


def test_what_is_elsewhere_is_not_known() -> None:
    assert peak_memory.peak("server") == 0
    assert peak_memory.peak("cpu") > 0
