"""The scores of a task that was read in part: each with the interval of the figure that all items would give."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.evaluation.sampling.compare_sampled import METHOD
from harness.evaluation.task_result import MACRO
from harness.stats.drawing import Place, units
from harness.stats.intervals import UNIT
from harness.stats.sequences import MeanSequence
from harness.types import Item, Sample, Score

if TYPE_CHECKING:
    from harness.stats.drawing import Unit

OVERALL = "all"  # the group of figures over all items
ROUNDING = 1e-9  # how far two ways to add up one mean may be apart


def sampled_scores(
    items: Sequence[Item], drawn: Sequence[Unit], read: int, samples: Sequence[Sample], scores: Sequence[Score]
) -> tuple[list[Score], list[str]]:
    """`scores` are what the task makes of `samples`, those of the first `read` units. Those that are means over items
    or over groups' means, of all items or of one group, get each a sequence of its own, which holds with 95% by itself.
    The others are left out, and named in a sentence."""
    of_metric = _by_item(samples)
    made: list[Score] = []
    without: list[str] = []
    for score in scores:
        population = [item for item in items if score.group in (OVERALL, item.group)]
        base, macro = _base(score.metric, of_metric)
        values = of_metric.get(base, {})
        if population and is_mean(score, [item for item in population if item.id in values], values, macro):
            made.append(_score(score, population, drawn, read, values, macro))
        else:
            without.append(score.metric if score.group == OVERALL else f"{score.metric} of {score.group}")
    return made, [f"left out, because all items make these figures: {', '.join(without)}"] if without else []


def is_mean(score: Score, items: Sequence[Item], values: Mapping[str, float], macro: bool) -> bool:
    """Whether a score is the mean of these items' values, or the mean of their groups' means, all from 0 to 1."""
    groups: dict[str, list[float]] = {}
    for item in items:
        groups.setdefault(item.group if macro else "", []).append(values[item.id])
    own = [value for group in groups.values() for value in group]
    if not own or not all(UNIT[0] <= value <= UNIT[1] for value in own):
        return False
    mean = statistics.fmean(statistics.fmean(group) for group in groups.values())
    return math.isclose(mean, score.value, abs_tol=ROUNDING)


def _score(
    score: Score,
    population: Sequence[Item],
    drawn: Sequence[Unit],
    read: int,
    values: Mapping[str, float],
    macro: bool,
) -> Score:
    known = {unit.key: unit for unit in units([Place(i.id, i.group, i.cluster) for i in population], macro)}
    order = [unit for unit in drawn if unit.key in known]  # of a group the order among its own
    own = [known[unit.key] for unit in order]
    sequence = MeanSequence([unit.weight for unit in own], *UNIT, rates=[unit.weight for unit in order])
    there = [known[unit.key] for unit in drawn[:read] if unit.key in known]
    sequence.add([unit.value([values[item] for item in unit.items]) for unit in there])
    interval = sequence.interval()
    return Score(score.group, score.metric, *interval, sum(len(unit.items) for unit in there), METHOD)


def _base(metric: str, known: Mapping[str, object]) -> tuple[str, bool]:
    """The samples' metric behind a score's, and whether it is a mean of groups' means."""
    return (metric, False) if metric in known else (metric.removesuffix(MACRO), metric.endswith(MACRO))


def _by_item(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """By metric and item, the mean over its repeats. A metric that some sample does not have is left out."""
    of_metric: dict[str, dict[str, list[float]]] = {}
    for sample in samples:
        for name, value in sample.metrics.items():
            of_metric.setdefault(name, {}).setdefault(sample.item.id, []).append(float(value))
    return {
        name: {item: statistics.fmean(own) for item, own in of_item.items()}
        for name, of_item in of_metric.items()
        if sum(map(len, of_item.values())) == len(samples)
    }
