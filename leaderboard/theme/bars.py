"""Values with their 95% intervals as bars of HTML (theme.css): small enough for a table's cell. templates/tables.html
draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Axis = tuple[float, float]


class Bar(NamedTuple):
    """A dot in its interval."""

    kind: str  # classes of theme.css: first, better, worse, zero, centred
    style: str  # places of the interval and of the value, as CSS


def bar(value: float, low: float, high: float, axis: Axis | None, kind: str = "") -> Bar | None:
    """Between the ends of `axis`; None where there is no axis."""
    if axis is None:
        return None
    start, scale = axis[0], 100 / (axis[1] - axis[0])
    left, right = max(0.0, scale * (low - start)), min(100.0, scale * (high - start))
    dot = min(100.0, max(0.0, scale * (value - start)))
    return Bar(kind, f"--left:{left:.1f}%;--width:{right - left:.1f}%;--dot:{dot:.1f}%")


def axis_of(scores: Sequence[Mapping[str, Any]]) -> Axis | None:
    """From where to where bars go: all intervals, out to the next twentieth of the whole scale."""
    ends = [score[end] for score in scores for end in ("low", "high") if math.isfinite(score[end])]
    if not ends:
        return None
    low, high = min(ends), max(ends)
    if low >= 0 and high <= 1:
        return max(0.0, math.floor(20 * low) / 20), min(1.0, math.ceil(20 * high) / 20)
    edge = 0.05 * (high - low) or 1.0
    return low - edge, high + edge


def axis_words(axis: Axis | None) -> tuple[str, ...]:
    """The axis's ends, for a heading; in points of a hundred where scores are."""
    if axis is None:
        return ()
    whole = axis[0] >= 0 and axis[1] <= 1
    return tuple(f"{100 * end:.0f}" if whole else f"{end:.3g}" for end in axis)
