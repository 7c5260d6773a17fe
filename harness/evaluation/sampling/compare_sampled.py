"""A comparison where a run has read its items in random order, and not all of them: what it is going to be at the end.

Both runs were drawn for in one order (`harness.stats.drawing`), or one of them is whole. The difference is that of the
whole runs, in the interval of a confidence sequence (`harness.stats.sequences`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from harness.errors import UsageError
from harness.evaluation.compare_values import Tested
from harness.evaluation.task_result import TaskResult
from harness.stats.drawing import Place, Unit, drawn, units
from harness.stats.sequences import MeanSequence

METHOD = "sequence"
GO_ON = "Go on with one of them to the end: its command without --until."
Values = Mapping[str, float]  # of one metric, by item


class Read(NamedTuple):
    """The test, the items that both have read and all that there are, and the sequence of b - a."""

    test: Tested
    n: int
    of: int
    sequence: MeanSequence


class Drawn(NamedTuple):
    """The units of two runs in the order in which they are drawn; `unknown` counts items that no run has read, so that
    nobody knows their units."""

    units: Sequence[Unit]
    places: Mapping[str, Place]
    unknown: int


def in_part(
    every: Sequence[TaskResult], values: Sequence[Values], drawn_for_macro: bool, macro: bool, by_group: bool
) -> list[tuple[str, Read]]:
    """By group ("all" is all items) one metric of two runs, of which one at least has read a part of its items.
    `drawn_for_macro`: the task's first metric is a mean of groups' means, `macro`: this one is. Nothing for a
    metric with values that are not from 0 to 1. UsageError where no order is common to both."""
    if not all(0 <= value <= 1 for side in values for value in side.values()):
        return []
    a, b = _two(every)
    order = _order(a, b, drawn_for_macro)
    of_a, of_b = values
    of_all = read_in_part(order, of_a, of_b, macro)
    if of_all is None:
        raise UsageError(f"{a.task}: {a.run} and {b.run} have no scored answer to the same item yet.")
    least = min(side.read for side in (a, b) if side.read is not None)
    if of_all.n < least:
        raise UsageError(
            f"{a.task}: of the {least:,} items that were read at random, {a.run} and {b.run} have only the first"
            f" {of_all.n:,} of the order that the seed gives. {GO_ON}"
        )
    reads: list[tuple[str, Read | None]] = [("all", of_all)]
    if by_group and not macro and not order.unknown:  # unknown items are of unknown groups
        groups = sorted({place.group for place in order.places.values()})
        reads += [(group, read_in_part(order, of_a, of_b, macro, group)) for group in groups]
    return [(group, read) for group, read in reads if read is not None]


def _two(every: Sequence[TaskResult]) -> tuple[TaskResult, TaskResult]:
    """The two runs, in whose order items were drawn. UsageError where they are more, or orders differ."""
    if len(every) != 2:
        several = ", ".join(side.run for side in every)
        raise UsageError(
            f"{every[0].task}: a run that has read a part of its items is compared with one other, and not over several"
            f" seeds: {several}. Name two runs."
        )
    a, b = every
    if a.read is not None and b.read is not None and a.seed != b.seed:
        raise UsageError(
            f"{a.task}: {a.run} and {b.run} have read their items in different random orders (seeds {a.seed} and"
            f" {b.seed}). {GO_ON}"
        )
    return a, b


def _order(a: TaskResult, b: TaskResult, macro: bool) -> Drawn:
    """`macro`: the first metric is a mean of groups' means, for which items were drawn. UsageError where the order
    cannot be told."""
    part, other = (b, a) if a.read is None else (a, b)
    rows = other.samples if other.read is None else [*a.samples, *b.samples]
    places = {row.item: Place(row.item, row.group, row.cluster) for row in rows}
    strange = {row.item for row in part.samples} - places.keys()
    if strange or (other.read is None and len(places) != part.items):
        raise UsageError(
            f"{a.task}: {part.run} reads a part of {part.items:,} items, and {other.run} has {len(places):,}, which are"
            " not the same. Measure both with the same groups and limit."
        )
    if other.read is not None and (macro or any(len({row.item for row in s.samples}) != s.read for s in (a, b))):
        raise UsageError(
            f"{a.task}: {a.run} and {b.run} have both read a part of their items, and what the others weigh in"
            f" {a.metric} is not known. {GO_ON}"
        )
    return Drawn(drawn(units(list(places.values()), macro), part.seed), places, part.items - len(places))


def read_in_part(order: Drawn, a: Values, b: Values, macro: bool, group: str = "") -> Read | None:
    """b - a under one metric, of all items or of a group's; None where there is nothing of it that both have read.
    `macro`: the metric is a mean of groups' means. ValueError where values are not from 0 to 1."""
    inside = [place for place in order.places.values() if group in ("", place.group)]
    own = {unit.key: unit for unit in units(inside, macro)}
    chances = {unit.key: unit.weight for unit in order.units}
    ordered = [own[unit.key] for unit in order.units if unit.key in own]
    both = list(takewhile(lambda unit: all(item in a and item in b for item in unit.items), ordered))
    if not both:
        return None
    unknown = 0 if group else order.unknown
    # unknown items are units of their own, which weigh as much as each of the others
    weights = [unit.weight * len(inside) for unit in ordered] + [1.0] * unknown
    rates = [chances[unit.key] * len(order.places) for unit in ordered] + [1.0] * unknown
    of_a, of_b = ([unit.value([side[item] for item in unit.items]) for unit in both] for side in (a, b))
    whole_a, whole_b = (not unknown and all(place.item in side for place in inside) for side in (a, b))
    if whole_a:
        sequence = MeanSequence(weights, known=_values(ordered, a), rates=rates)
        sequence.add(of_b)
    elif whole_b:  # wrong in place of right, so that it is b - a here too
        sequence = MeanSequence(weights, known=[1 - value for value in _values(ordered, b)], rates=rates)
        sequence.add([1 - value for value in of_a])
    else:
        sequence = MeanSequence(weights, -1.0, 1.0, rates=rates)
        sequence.add([y - x for x, y in zip(of_a, of_b, strict=True)])
    value, low, high = sequence.interval()
    mean_a = _mean(weights, rates, _values(ordered, a) if whole_a else of_a)
    mean_b = _mean(weights, rates, _values(ordered, b)) if whole_b else min(1.0, max(0.0, mean_a + value))
    mean_a = min(1.0, max(0.0, mean_b - value)) if whole_b else mean_a
    items = [item for unit in both for item in unit.items]
    flips: tuple[int | None, int | None] = (None, None)
    if all(side[item] in (0, 1) for side in (a, b) for item in items):
        flips = sum(a[item] > b[item] for item in items), sum(b[item] > a[item] for item in items)
    test = Tested(mean_a, mean_b, value, low, high, sequence.p_value(0.0), *flips, METHOD)
    return Read(test, len(items), len(inside) + unknown, sequence)


def _values(ordered: Sequence[Unit], of_items: Values) -> list[float]:
    return [unit.value([of_items[item] for item in unit.items]) for unit in ordered]


def _mean(weights: Sequence[float], rates: Sequence[float], values: Sequence[float]) -> float:
    sequence = MeanSequence(weights, rates=rates)
    sequence.add(values)
    return sequence.estimate
