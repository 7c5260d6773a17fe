"""What the trials of a search gave at their rungs: what they are compared by there, and what they would come to on the
whole rows.

All values are on the scale of the whole rows as far as that is known of a measure without other trials: seconds, which
go with the rows, are divided by a rung's fraction. The rest of the way is estimated from the trials that have gone it
(estimates.py). What is the same at each rung (adapter-size) needs no estimate.

A constraint is judged by its estimate for the whole rows, from trials that were decided before. It is broken for
certain where a rung breaks it and more rows cannot mend it: adapter-size, memory and seconds never fall with the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuning.objectives.objectives import growth, limit_of
from tuning.search.estimates import Curve, Estimate, Step, climb, steps
from tuning.search.fronts import Standing

if TYPE_CHECKING:
    from tuning.search.rungs import Standings
    from tuning.store import AttemptRow


@dataclass(frozen=True, slots=True)
class Measures:
    """What a study measures, in its words."""

    objectives: tuple[str, ...] = ("validation",)
    constraints: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        return (*self.objectives, *self.constraints)

    def violation(self, excesses: Iterable[float]) -> float:
        """How much the constraints are broken, each as a share of its limit (a limit of 0 as it is), added up."""
        pairs = zip(self.constraints, excesses, strict=True)
        return sum(max(0.0, excess) / (limit_of(word)[1] or 1.0) for word, excess in pairs)


class RungValues:
    """`attempts` are those of the search, by rung, of every trial in the order of proposal."""

    def __init__(
        self, measures: Measures, fractions: Sequence[float], attempts: Sequence[Mapping[int, AttemptRow]]
    ) -> None:
        self.measures, self.fractions, self.attempts = measures, fractions, attempts
        self.curves = [self._curves(place) for place in range(len(measures.words))]  # of objectives, then constraints
        self._steps: dict[tuple[int, int | None], list[Step]] = {}

    def estimate(self, trial: int, before: int | None = None) -> list[Estimate]:
        """Of each objective, then of what is over each constraint's limit, from the trials before that place (None:
        from all). ValueError where the trial has no value."""
        reached = [rung for rung, attempt in self.attempts[trial].items() if not attempt.failed]
        if not reached:
            raise ValueError("a trial without a value has no estimate")
        return [self._estimate(place, trial, max(reached), before) for place in range(len(self.curves))]

    def standings(self, rung: int, before: int) -> list[Standings]:
        """What trials are compared by at a rung. Constraints are estimated from the trials before that place."""
        return [
            {at: self._standing(trial, at, before) if at == rung else None for at in attempts}
            for trial, attempts in enumerate(self.attempts)
        ]

    def on_all_rows(self, trial: int) -> Standing:
        """What a trial would be compared by on all rows, as all trials suggest. ValueError where it has no value."""
        values = [estimate.value for estimate in self.estimate(trial)]
        count = len(self.measures.objectives)
        return Standing(tuple(values[:count]), self.measures.violation(values[count:]))

    def broken(self, trial: int, up_to: int | None = None) -> list[str]:
        """The constraints that the trial breaks for certain, whatever the rows, by what a rung and those below it say
        (None: all that it was trained at)."""
        found = []
        for rung, attempt in self.attempts[trial].items():
            if up_to is not None and rung > up_to:
                continue
            pairs = zip(self.measures.constraints, attempt.constraints, strict=False)  # () where it failed
            for word, excess in pairs:
                found += [word] * (excess > 0 and growth(word) != "unknown")
        return list(dict.fromkeys(found))

    def _standing(self, trial: int, rung: int, before: int) -> Standing | None:
        if self.attempts[trial][rung].failed or self.broken(trial, rung):
            return None
        count = len(self.measures.objectives)
        values = [float(curves[trial][rung] or 0.0) for curves in self.curves[:count]]
        limited = range(count, len(self.curves))
        excesses = [self._estimate(place, trial, rung, before).value for place in limited]
        return Standing(tuple(values), self.measures.violation(excesses))

    def _estimate(self, place: int, trial: int, rung: int, before: int | None) -> Estimate:
        value = float(self.curves[place][trial][rung] or 0.0)
        if growth(self.measures.words[place]) == "constant":
            return Estimate(value, 0.0, rung, 0)
        if (place, before) not in self._steps:
            self._steps[place, before] = steps(self.curves[place][:before], len(self.fractions))
        return climb(self._steps[place, before], rung, value)

    def _curves(self, place: int) -> list[Curve]:
        return [
            {rung: None if attempt.failed else self._scaled(place, rung, attempt) for rung, attempt in attempts.items()}
            for attempts in self.attempts
        ]

    def _scaled(self, place: int, rung: int, attempt: AttemptRow) -> float:
        word, fraction = self.measures.words[place], self.fractions[rung]
        value = (*attempt.objectives[: len(self.measures.objectives)], *attempt.constraints)[place]
        if growth(word) != "proportional" or fraction == 1:
            return value
        most = limit_of(word)[1] if word in self.measures.constraints else 0.0
        return (value + most) / fraction - most
