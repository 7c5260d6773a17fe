"""How long a search still takes: the trainings that remain, and what such trainings took."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from tuning.search.rungs import ETA

LEAST_SPREAD = 0.1  # of an estimate; measured seconds differ by more than chance
ONE = 0.5  # the spread where one training was measured, or a part of one
SMALLER_RUNG = 0.6  # of what a smaller rung's seconds come to by rows alone: validation takes a larger part there


def trainings_left(budget: int, fractions: Sequence[float], done: Mapping[float, int]) -> dict[float, int]:
    """Of the search by rung, without those that are done: from each about one of ETA goes on."""
    left, reached = {}, budget
    for fraction in fractions:
        left[fraction] = max(0, reached - done.get(fraction, 0))
        reached = math.ceil(reached / ETA)
    return left


def seconds_left(
    budget: int,
    fractions: Sequence[float],
    seconds: Mapping[float, Sequence[float]],
    done: Mapping[float, int],
    after: int = 0,
    finals: int = 0,
) -> tuple[float, float] | None:
    """Of one worker, between which a search is likely to need; None where nothing was measured.

    `seconds` are those of trainings at a rung, `done` how many it has had. Of the `finals` trainings on all rows
    after a search with rungs, `after` are done; all others may be needed, or as many as there will be too few whole
    trials."""
    if not any(seconds.values()):
        return None
    low = high = 0.0
    left = trainings_left(budget, fractions, done)
    last = fractions[-1]
    whole = done.get(last, 0) + left[last]
    lacking = (max(0, finals - whole - after), max(0, finals - after))
    for fraction in fractions:
        least, most = (left[fraction] + more if fraction == last else left[fraction] for more in lacking)
        cost_low, cost_high = _cost(fraction, seconds, max(1, most))
        low, high = low + least * cost_low, high + most * cost_high
    return low, high


def _cost(fraction: float, seconds: Mapping[float, Sequence[float]], trainings: int) -> tuple[float, float]:
    """Seconds of a training at a rung as a mean of so many, from its own or from those of the rung that is nearest."""
    measured = [known for known in seconds if seconds[known]]
    nearest = min(measured, key=lambda known: abs(math.log(known / fraction)))
    values = seconds[nearest]
    mean = statistics.fmean(values)
    deviation = statistics.stdev(values) / mean if len(values) > 1 and mean else 0.0
    spread = max(LEAST_SPREAD, 2 * deviation * math.sqrt(1 / len(values) + 1 / trainings) if len(values) > 1 else ONE)
    mean *= fraction / nearest
    low = SMALLER_RUNG if nearest < fraction else 1.0
    high = 1 / SMALLER_RUNG if nearest > fraction else 1.0
    return mean * low * max(0.2, 1 - min(spread, 0.5)), mean * high * (1 + min(spread, 0.5))
