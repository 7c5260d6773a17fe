"""The verdicts of a gate: may a candidate replace a baseline, up to a drop of so many points?

The verdict on whole runs is that of their 95% interval. Of a candidate that was read in part, the early verdict is what
that of the whole run is going to be, with at most 5% error at all looks together: its interval will reach about as far
to both sides of its difference as the items so far tell (`MeanSequence.whole_error`), and the difference itself has to
be beyond the limit by more than that, for sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.evaluation.compare import compare_read
from harness.stats.intervals import Z
from harness.stats.power import POWER, detectable

if TYPE_CHECKING:
    from harness.evaluation.compare import Comparison
    from harness.evaluation.task_result import TaskResult
    from harness.stats.sequences import MeanSequence


NOT_YET = "not yet"
CHANGING = 0.1  # the share of right/wrong answers that differ, which is about the variance of their differences


@dataclass(frozen=True, slots=True)
class Gated:
    """One task's verdict, its comparison, and how many points off the limit the items that were read would tell."""

    verdict: str
    comparison: Comparison
    distance_told: float


def gated(baseline: TaskResult, candidate: TaskResult, max_drop: float) -> Gated:
    """By the task's first metric. UsageError where the two cannot be compared."""
    rows = compare_read(baseline, candidate, [baseline.metric])
    if not rows:
        raise UsageError(
            f"{baseline.task}: {baseline.metric} has values that are not from 0 to 1, so a part says nothing."
        )
    comparison, read = rows[0]
    if read is None:
        error = (comparison.high - comparison.low) / (2 * Z)
        distance = distance_told(comparison.n, comparison.n, error**2 * comparison.n)
        return Gated(verdict(comparison, max_drop), comparison, distance)
    distance = distance_told(read.n, read.of, read.sequence.variance)
    return Gated(early_verdict(read.sequence, max_drop), comparison, distance)


def verdict(comparison: Comparison, max_drop: float) -> str:
    """One task's: "pass", "fail" or "undecided". `max_drop` is in points of a hundred."""
    limit = -max_drop / 100
    return "pass" if comparison.low > limit else "fail" if comparison.high < limit else "undecided"


def early_verdict(sequence: MeanSequence, max_drop: float) -> str:
    """What `verdict` is going to be when all items are read; NOT_YET where that is not sure. `sequence` is of the
    differences candidate - baseline, of which some are left to be read."""
    limit, reach = -max_drop / 100, Z * sequence.whole_error
    if sequence.above(limit + reach):
        return "pass"
    if sequence.below(limit - reach):
        return "fail"
    # one of the two can be wrong only where the other is right
    if sequence.above(limit - reach) and sequence.below(limit + reach):
        return "undecided"
    return NOT_YET


def distance_told(items: int, of: int, variance: float) -> float:
    """How many points of a hundred a difference has to be from the limit, so that the verdict says on which side it is,
    with a chance of 80%, after so many items out of `of`. `variance` is that of the items' differences, in [-1, 1]."""
    from scipy.special import ndtri

    error = (variance / of) ** 0.5
    if items == of:
        return 100 * (Z + float(ndtri(POWER))) * error
    return 100 * (detectable(items, of, variance) + Z * error)


def foretold(task: str, items: int, max_drop: float) -> str:
    """What parts of a task's items can tell, before any is read. How much answers will differ is not known then, so it
    is said of one answer in ten that changes."""
    few, more = (max(1, round(share * items)) for share in (0.05, 0.2))
    by_few, by_more = (distance_told(part, items, CHANGING) for part in (few, more))
    return (
        f"{task}: where one answer in ten changes, {few:,} of {items:,} items tell a change that lies {by_few:.1f}"
        f" points from {-max_drop:+g} with a chance of 80%, and {more:,} items one that lies {by_more:.1f} from it."
        " As many are read as the verdict on all of them takes."
    )


def overall(verdicts: Sequence[str]) -> str:
    """Of the tasks' verdicts the worst. That all pass needs no correction for their number; the more tasks there are,
    the likelier one fails by chance (2.5% each, where the true drop is just the limit)."""
    return next(word for word in ("fail", NOT_YET, "undecided", "pass") if word in verdicts)


def sentence(verdicts: Mapping[str, str], max_drop: float) -> str:
    """The verdict for people."""
    whole = overall(list(verdicts.values()))
    those = ", ".join(task for task, own in verdicts.items() if own == whole)
    if whole == "pass":
        return f"Pass: {those} dropped by less than {max_drop:g} points (95% interval)."
    if whole == "fail":
        return f"Fail: {those} dropped by more than {max_drop:g} points (95% interval)."
    if whole == NOT_YET:
        return (
            f"Undecided as yet: what was read does not tell whether {those} dropped by more than {max_drop:g} points."
            f" The candidate's command goes on as far as is needed with --until gate=BASELINE,max-drop={max_drop:g}."
        )
    return (
        f"Undecided: there are too few items to say whether {those} dropped by more than {max_drop:g} points."
        " More items, or a larger --max-drop, would tell."
    )
