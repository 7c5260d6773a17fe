"""A race: several models answer the same items, batch by batch, and who cannot end among the best stops.

Measured whole, the winner is the model with the highest score, and others are told from it by a paired comparison or
not. A model is out as soon as it is sure that on all items another one is so far ahead that the comparison of the two
would tell them apart. How far that is, is foreseen from the items so far (`crossed.foreseen_difference`); whether the
difference on all items is larger is told by its confidence sequence (`sequences.MeanSequence.above`). Each of a model's
k - 1 rivals has alpha / (k - 1). So a model that whole runs would not tell from the winner is out with a chance of at
most alpha, over the whole race: each rival is at most as far ahead of it as the winner is. That holds for the winner
too.

docs/statistics.md has how often a race ends as whole runs do, and after how many items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.stats.crossed import foreseen_difference
from harness.stats.sequences import MeanSequence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.stats.drawing import Unit

    Floats = NDArray[np.float64]

ALPHA = 0.05
FIRST, GROWTH = 100, 1.5


def looks(units: int) -> list[int]:
    """After how many units it is seen who is out; the last is all of them. The models are started anew for each look,
    so there is half as much again from one to the next, from a fiftieth of the units on, and no fewer than 100."""
    ends = []
    look: float = max(FIRST, math.ceil(units / 50))
    while look < units:
        ends.append(int(look))
        look *= GROWTH
    return [*ends, units]


class Race:
    """Of `models`, known by their place, on a task whose units are read in the order in which they are `drawn`.

    `groups` has each item's where the score is a macro average. Values are from 0 to 1, and more is better."""

    def __init__(
        self, models: int, drawn: Sequence[Unit], groups: Mapping[str, str] | None = None, alpha: float = ALPHA
    ) -> None:
        self.still_in = list(range(models))
        self.out: dict[int, int] = {}  # after how many units
        self.read = 0  # units
        self.items: list[str] = []  # those that were read, in their order
        self._drawn, self._groups = drawn, groups
        self._weights = [unit.weight for unit in drawn]
        self._size = sum(len(unit.items) for unit in drawn)
        self._alpha = alpha / max(1, models - 1)
        self._values: dict[int, list[Floats]] = {place: [] for place in self.still_in}  # [seeds, items of a look]
        self._of_units: dict[int, list[float]] = {place: [] for place in self.still_in}  # means over the seeds

    @property
    def is_decided(self) -> bool:
        """Whether no further unit is wanted."""
        return len(self.still_in) == 1 or self.read == len(self._drawn)

    def next_items(self, units: int) -> list[str]:
        """Those of so many further units, in their order."""
        return [item for unit in self._drawn[self.read : self.read + units] for item in unit.items]

    def add(self, units: int, values: Mapping[int, Floats]) -> None:
        """The values [seeds, items] of each model that is still in, on the items of the next units. Then it is seen who
        is out: nobody after the last unit, since all that are left were then measured whole, and are compared."""
        if not 0 < units <= len(self._drawn) - self.read:
            raise ValueError(f"{units} further units are not there: {self.read} of {len(self._drawn)} were read")
        items = self.next_items(units)
        if sorted(values) != self.still_in or any(own.shape[1] != len(items) for own in values.values()):
            raise ValueError(f"values of each of the models {self.still_in} on {len(items)} further items are wanted")
        for place, own in values.items():
            self._values[place].append(own)
            means = iter(own.mean(axis=0).tolist())
            more = self._drawn[self.read : self.read + units]
            self._of_units[place] += [unit.value([next(means) for _ in unit.items]) for unit in more]
        self.read += units
        self.items += items
        if self.read < len(self._drawn):
            self._see()

    def _see(self) -> None:
        import numpy as np

        there = {place: np.concatenate(self._values[place], axis=1) for place in self.still_in}
        of_units = {place: np.asarray(self._of_units[place]) for place in self.still_in}
        means = {place: self._sequence(own, low=0.0).estimate for place, own in of_units.items()}
        clusters = [unit.key for unit in self._drawn[: self.read] for _ in unit.items]
        groups = None if self._groups is None else [self._groups[item] for item in self.items]
        times = self._size / len(self.items)
        ranked = sorted(self.still_in, key=lambda place: (-means[place], place))
        for rank, place in enumerate(ranked):
            for ahead in ranked[:rank]:
                foreseen = foreseen_difference(there[place], there[ahead], times, clusters, groups)
                wanted = foreseen.value - foreseen.low  # where the whole comparison begins to tell the two apart
                if means[ahead] - means[place] <= wanted:
                    continue
                if self._sequence(of_units[ahead] - of_units[place], low=-1.0).above(wanted, self._alpha):
                    self.out[place] = self.read
                    break
        self.still_in = [place for place in self.still_in if place not in self.out]

    def _sequence(self, values: Floats, low: float) -> MeanSequence:
        sequence = MeanSequence(self._weights, low, 1.0)
        sequence.add(values.tolist())
        return sequence
