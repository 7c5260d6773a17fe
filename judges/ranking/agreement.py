"""How far judges can be trusted: position, ties, errors, length, agreement with themselves, each other and people.

Every figure has a 95% interval clustered by prompt. docs/statistics.md has the formulas and their sources.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from harness.stats import intervals
from harness.stats.jackknife import Estimate, jackknife

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CHOICES = ("first", "tie", "second")  # what a verdict on an ordered pair can be; "bad" is a tie


@dataclass(frozen=True, slots=True)
class Seen:
    """One verdict on one ordered pair. `verdict` is one of CHOICES, or "error". `longer` is how much longer the first
    answer is than the second (any unit)."""

    judge: str
    prompt: str
    turn: int
    first: str
    second: str
    verdict: str
    repeat: int = 0
    longer: float = 0.0

    @property
    def key(self) -> tuple[str, int, str, str]:
        """The pair whichever way it was shown."""
        return (self.prompt, self.turn, *sorted((self.first, self.second)))  # type: ignore[return-value]

    @property
    def choice(self) -> str:
        """The verdict as if the answers had been shown in the order of their names."""
        if self.first < self.second or self.verdict not in ("first", "second"):
            return self.verdict
        return "second" if self.verdict == "first" else "first"


@dataclass(frozen=True, slots=True)
class Quality:
    """One judge, from its verdicts on ordered pairs. Rates are shares of what can show them: `n` says of how many."""

    verdicts: int
    flip_rate: Estimate  # pairs judged in both orders: another verdict when the answers change places
    first_rate: Estimate  # decided verdicts on such pairs: for the answer shown first; 0.5 is no preference
    tie_rate: Estimate  # valid verdicts
    error_rate: Estimate  # all verdicts
    longer_rate: Estimate  # decided verdicts on answers of different length: for the longer; 0.5 is no preference
    self_agreement: Estimate  # pairs shown again in the same order: the same verdict again


def quality(seen: Sequence[Seen]) -> Quality:
    """Of one judge's (or one jury's) verdicts."""
    valid = [judged for judged in seen if judged.verdict in CHOICES]
    both = list(_both_orders(valid))
    decided = [judged for pair in both for judged in pair if judged.verdict != "tie"]
    unlike = [judged for judged in valid if judged.verdict != "tie" and judged.longer]
    return Quality(
        verdicts=len(seen),
        flip_rate=_rate((a.choice != b.choice, a.prompt) for a, b in both),
        first_rate=_rate((judged.verdict == "first", judged.prompt) for judged in decided),
        tie_rate=_rate((judged.verdict == "tie", judged.prompt) for judged in valid),
        error_rate=_rate((judged.verdict not in CHOICES, judged.prompt) for judged in seen),
        longer_rate=_rate(((judged.verdict == "first") == (judged.longer > 0), judged.prompt) for judged in unlike),
        self_agreement=_rate(_repeats(valid)),
    )


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one judge or person holds of one pair in the end (`choice`, one of CHOICES, in the order of names)."""

    who: str
    prompt: str
    pair: tuple[str, int, str, str]
    choice: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two sides on the pairs that both judged."""

    agreement: Estimate  # the share of equal choices
    kappa: Estimate  # Cohen's


def cohen(a: Iterable[Opinion], b: Iterable[Opinion]) -> Agreement:
    """Cohen's kappa (1960) of two sides. Where a side has several opinions of a pair (people), each meets each, and
    their pair counts as one observation in all."""
    theirs = _by_pair(b)
    tables: dict[str, Floats] = {}
    n = 0
    equal: list[tuple[float, str]] = []
    for pair, own in _by_pair(a).items():
        if pair in theirs:
            table = _crossed(own, theirs[pair])
            prompt = own[0].prompt
            tables[prompt] = tables.get(prompt, 0) + table
            equal.append((float(table.trace()), prompt))
            n += 1
    share = _rate(equal)
    return Agreement(share, jackknife(list(tables.values()), _kappa, _unlike, n, share))


def krippendorff(opinions: Iterable[Opinion]) -> Estimate:
    """Krippendorff's alpha for nominal data (2011) over all who judged; pairs that one alone judged do not count."""
    import numpy as np

    tables: dict[str, Floats] = {}
    equal: list[tuple[float, str]] = []
    for own in _by_pair(opinions).values():
        if len(own) < 2:
            continue
        counts = np.array([sum(opinion.choice == choice for opinion in own) for choice in CHOICES], dtype=float)
        table = (np.outer(counts, counts) - np.diag(counts)) / (len(own) - 1)
        prompt = own[0].prompt
        tables[prompt] = tables.get(prompt, 0) + table
        equal.append((float(table.trace()) / len(own), prompt))
    return jackknife(list(tables.values()), _alpha, _unlike, len(equal), _rate(equal))


def _both_orders(valid: Sequence[Seen]) -> Iterable[tuple[Seen, Seen]]:
    """A pair's two verdicts, one in each order, of one repeat."""
    shown: dict[tuple[object, ...], Seen] = {}
    for judged in valid:
        shown[(judged.judge, judged.prompt, judged.turn, judged.repeat, judged.first, judged.second)] = judged
    for (judge, prompt, turn, repeat, first, second), judged in shown.items():
        other = shown.get((judge, prompt, turn, repeat, second, first))
        if other is not None and str(first) < str(second):
            yield judged, other


def _repeats(valid: Sequence[Seen]) -> Iterable[tuple[float, str]]:
    """For each ordered pair shown more than once: the share of two of its verdicts that are equal, and its prompt."""
    again: dict[tuple[object, ...], list[Seen]] = {}
    for judged in valid:
        again.setdefault((judged.judge, judged.prompt, judged.turn, judged.first, judged.second), []).append(judged)
    for own in again.values():
        twos = list(combinations([judged.verdict for judged in own], 2))
        if twos:
            yield sum(a == b for a, b in twos) / len(twos), own[0].prompt


def _rate(observed: Iterable[tuple[float, str]]) -> Estimate:
    """The mean of numbers in [0, 1], each with its prompt."""
    known = list(observed)
    if not known:
        return Estimate(math.nan, 0.0, 1.0, 0)
    rate, _ = intervals.interval([float(value) for value, _ in known], [prompt for _, prompt in known])
    return Estimate(rate.value, rate.low, rate.high, len(known))


def _by_pair(opinions: Iterable[Opinion]) -> Mapping[tuple[str, int, str, str], list[Opinion]]:
    by_pair: dict[tuple[str, int, str, str], list[Opinion]] = {}
    for opinion in opinions:
        by_pair.setdefault(opinion.pair, []).append(opinion)
    return by_pair


def _crossed(a: Sequence[Opinion], b: Sequence[Opinion]) -> Floats:
    import numpy as np

    table = np.zeros((len(CHOICES), len(CHOICES)))
    for one in a:
        for other in b:
            table[CHOICES.index(one.choice), CHOICES.index(other.choice)] += 1
    return table / table.sum()


def _kappa(table: Floats) -> float:
    chance = float(table.sum(axis=0) @ table.sum(axis=1)) / float(table.sum()) ** 2
    return _over_chance(float(table.trace()) / float(table.sum()), chance)


def _alpha(table: Floats) -> float:
    totals = table.sum(axis=0)
    n = float(totals.sum())
    return _over_chance(float(table.trace()) / n, float((totals * (totals - 1)).sum()) / (n * (n - 1)))


def _over_chance(agreed: float, chance: float) -> float:
    return math.nan if chance >= 1 - 1e-12 else (agreed - chance) / (1 - chance)


def _unlike(table: Floats) -> float:
    """The share of unequal choices that chance alone would bring."""
    return 1 - float(table.sum(axis=0) @ table.sum(axis=1)) / float(table.sum()) ** 2
