"""Numbers that are known within bounds, and how people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Range:
    low: float
    expected: float
    high: float

    @staticmethod
    def of(value: float, spread: float = 0.0) -> Range:
        """A value that may be so many times smaller or larger: 0.25 is from 1/1.25 to 1.25 of it."""
        return Range(value / (1 + spread), value, value * (1 + spread))

    @staticmethod
    def read(written: Mapping[str, float]) -> Range:
        return Range(written["low"], written["expected"], written["high"])

    @staticmethod
    def sum(written: Iterable[Mapping[str, float]]) -> Range:
        return sum(map(Range.read, written), NOTHING)

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.expected + other.expected, self.high + other.high)

    def __mul__(self, factor: float) -> Range:
        return Range(self.low * factor, self.expected * factor, self.high * factor)

    def times(self, other: Range) -> Range:
        return Range(self.low * other.low, self.expected * other.expected, self.high * other.high)

    def to_dict(self) -> dict[str, float]:
        return {name: float(f"{value:.4g}") for name, value in asdict(self).items()}


NOTHING = Range(0.0, 0.0, 0.0)
_TIMES = (("h", 3600.0), ("min", 60.0), ("s", 1.0))
_SIZES = (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10))


def time_text(seconds: float) -> str:
    """ "1.4 h"."""
    unit, size = _unit(_TIMES, seconds, 2)
    return f"{_number(seconds / size)} {unit}"


def time_range_text(seconds: Range) -> str:
    """ "1.2 to 1.9 h", "50 s to 1.9 h"."""
    unit, size = _unit(_TIMES, seconds.high, 2)
    high = f"{_number(seconds.high / size)} {unit}"
    return (
        f"{_number(seconds.low / size)} to {high}"
        if seconds.low >= size or size == 1
        else f"{time_text(seconds.low)} to {high}"
    )


def size_text(size_bytes: float) -> str:
    """ "3.1 GiB"."""
    unit, size = _unit(_SIZES, size_bytes, 1)
    return f"{_number(size_bytes / size)} {unit}"


def size_range_text(sizes: Range) -> str:
    low, high = size_text(sizes.low), size_text(sizes.high)
    return high if low == high else f"{low} to {high}"


def _unit(units: tuple[tuple[str, float], ...], value: float, least: float) -> tuple[str, float]:
    """The largest unit of which there are `least`."""
    return next(((unit, size) for unit, size in units if value >= least * size), units[-1])


def _number(value: float) -> str:
    """Two digits, and all before the point."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
