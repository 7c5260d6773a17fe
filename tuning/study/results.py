"""What is known of a search: which trials are the best, which go on from a rung, what an optimizer is told.

All of it follows from the recorded attempts in the order of proposal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tuning.search import fronts, rungs
from tuning.search.estimates import Estimate
from tuning.search.rung_values import Measures, RungValues
from tuning.store import AttemptRow, TrialRow
from tuning.types import Outcome


@dataclass(slots=True, kw_only=True)
class Results:
    study: str  # id
    seed: int
    fractions: tuple[float, ...]  # of the rungs
    together: int  # the first trials, decided as one group
    measures: Measures = field(default_factory=Measures)
    by_first: bool = False  # rungs compare trials by the first objective alone, as they once did
    trials: list[TrialRow] = field(default_factory=list)
    attempts: dict[tuple[int, str, float, int], AttemptRow] = field(default_factory=dict)

    @property
    def started(self) -> int:
        return len(self.trials)

    @property
    def unsettled(self) -> list[TrialRow]:
        return [trial for trial in self.trials if trial.state == "running"]

    @property
    def failed(self) -> list[TrialRow]:
        """Trials that have failed and are not settled yet."""
        return [t for t in self.unsettled if any(attempt.failed for attempt in self.searched(t.number))]

    def outcome(self, number: int) -> Outcome:
        """What the optimizer is told."""
        trial = self.trials[number - 1]
        if trial.state == "running":
            raise ValueError(f"trial {number} has no outcome yet")
        return Outcome(trial.objectives or None, trial.constraints if trial.objectives else ())

    def searched(self, number: int) -> list[AttemptRow]:
        """The rungs of a trial that are done, the smallest first."""
        keys = ((number, "search", fraction, self.seed) for fraction in self.fractions)
        return [self.attempts[key] for key in keys if key in self.attempts]

    def whole(self, number: int) -> AttemptRow | None:
        """The trial trained on all rows with the study's seed, in the search or after it."""
        for purpose in ("search", "final"):
            attempt = self.attempts.get((number, purpose, self.fractions[-1], self.seed))
            if attempt is not None and not attempt.failed:
                return attempt
        return None

    @property
    def rung_values(self) -> RungValues:
        """Of every trial; what was measured after the search stays out."""
        place = {fraction: rung for rung, fraction in enumerate(self.fractions)}
        by_trial: list[dict[int, AttemptRow]] = [{} for _ in self.trials]
        for attempt in self.attempts.values():
            if attempt.purpose == "search" and attempt.seed == self.seed:
                by_trial[attempt.trial - 1][place[attempt.fraction]] = attempt
        return RungValues(self.measures, self.fractions, by_trial)

    def going_on(self, rung: int, numbers: Sequence[int], group: Sequence[int]) -> list[int]:
        """Those of these trials that go on from a rung; all before the `group` that they belong to are decided."""
        values = self.rung_values
        if self.by_first:
            values = RungValues(Measures(self.measures.objectives[:1]), self.fractions, values.attempts)
        standings = values.standings(rung, min(group) - 1)
        going = rungs.going_on(standings, rung, [number - 1 for number in numbers], self.together)
        return [place + 1 for place in going]

    @property
    def finals(self) -> int:
        """How many are trained on all rows when the search has ended, where they are not yet."""
        return rungs.ALL_ROWS * len(self.measures.objectives) if len(self.fractions) > 1 else 0

    def promising(self) -> list[TrialRow]:
        """The best `finals` trials by what the search measured or estimates. What cannot keep the constraints is left
        out, but where nothing else is there."""
        values = self.rung_values
        ended = [trial.number for trial in self.trials if trial.state in ("finished", "stopped")]
        able = [number for number in ended if self.by_first or not values.broken(number - 1)] or ended
        best = fronts.best({number: values.on_all_rows(number - 1) for number in able}, self.finals)
        return [self.trials[number - 1] for number in best]

    def estimate(self, number: int) -> list[Estimate]:
        """Of each objective, then of what is over each constraint's limit: from what was known when it ended."""
        return self.rung_values.estimate(number - 1, max(number, self.together))

    def value(self, number: int) -> tuple[float, bool] | None:
        """The first objective on all rows, and whether it is an estimate (without its penalty, from all that is known
        now); None for a trial that has neither."""
        return self._value(number, self.rung_values)

    def _value(self, number: int, values: RungValues) -> tuple[float, bool] | None:
        measured = self.whole(number)
        if measured is not None:
            return measured.objectives[0], False
        if (
            not any(not attempt.failed for attempt in self.searched(number))
            or self.trials[number - 1].state == "failed"
        ):
            return None
        return values.estimate(number - 1)[0].value, True

    def keeps_constraints(self, number: int) -> bool:
        """As measured on all rows, else as the optimizer was told."""
        measured = self.whole(number)
        excesses = measured.constraints if measured is not None else self.trials[number - 1].constraints
        return not any(excess > 0 for excess in excesses)

    def ranked(self) -> list[int]:
        """Trials by the first objective, those that break no constraint first; failed ones are left out."""
        known = self.rung_values
        values = {t.number: self._value(t.number, known) for t in self.trials if t.state != "running"}
        broken = {trial.number for trial in self.trials if not self.keeps_constraints(trial.number)}
        return sorted((n for n, v in values.items() if v), key=lambda n: (n in broken, (values[n] or (0.0,))[0], n))

    @property
    def front(self) -> list[int]:
        """Trials on all rows that break no constraint and that no other of these betters in all objectives."""
        whole = {t.number: row for t in self.trials if (row := self.whole(t.number)) is not None}
        kept = [number for number in whole if self.keeps_constraints(number)]
        return [kept[place] for place in fronts.first_front([whole[number].objectives for number in kept])]

    @property
    def leading(self) -> tuple[int, float, bool] | None:
        """The best trial so far, its first objective, and whether that is an estimate."""
        value = None
        for number in self.ranked()[:1]:
            value = self.value(number)
        return value and (number, *value)

    @property
    def best(self) -> TrialRow | None:
        """The best of those that were trained on all rows."""
        return next((self.trials[n - 1] for n in self.ranked() if self.whole(n)), None)

    def best_whole(self) -> list[int]:
        """Those on all rows: the study's best, then as fronts have it."""
        whole = {n: row for n in self.ranked() if (row := self.whole(n)) is not None}
        measures = self.measures
        ordered = fronts.best(
            {n: fronts.Standing(row.objectives, measures.violation(row.constraints)) for n, row in whole.items()}
        )
        return list(dict.fromkeys([*list(whole)[:1], *ordered]))

    def why_stopped(self, number: int, guess: Sequence[Estimate]) -> str:
        broken = [] if self.by_first else self.rung_values.broken(number - 1)
        if broken:
            return f"{', '.join(broken)} cannot be kept"
        if len(self.measures.objectives) == 1:
            return guess[0].sentence
        pairs = zip(self.measures.objectives, guess, strict=False)
        return "; ".join(f"{word} {one.sentence}" if one.pairs else f"{word} {one.value:g}" for word, one in pairs)
