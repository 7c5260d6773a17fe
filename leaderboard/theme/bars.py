"""Values with their 95% intervals as bars of HTML (look.css): small enough for a table's cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Axis = tuple[float, float]


def bar(value: float, low: float, high: float, axis: Axis | None, kind: str = "") -> str:
    """A dot in its interval, between the ends of `axis`; `kind` is a class of look.css: first, better, worse."""
    if axis is None:
        return ""
    start, end = axis

    def place(x: float) -> float:
        return 100 * min(1.0, max(0.0, (x - start) / (end - start)))

    left, right = place(low), place(high)
    return (
        f'<span class="bar {kind}"><i class="reach" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>'
        f'<i class="dot" style="left:{place(value):.2f}%"></i></span>'
    )


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


def axis_words(axis: Axis | None) -> str:
    """The axis's ends, for a heading; in points of a hundred where scores are."""
    if axis is None:
        return ""
    whole = axis[0] >= 0 and axis[1] <= 1
    low, high = (f"{100 * end:.0f}" if whole else f"{end:.3g}" for end in axis)
    return f'<div class="axis"><span>{low}</span><span>{high}</span></div>'
