"""Simulated races: models answer items of realistic difficulty, and are raced and measured whole.

`python -m tests.harness.stats.race_simulation` prints the table of docs/statistics.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtr

from harness.stats.drawing import Unit
from harness.stats.paired import paired
from harness.stats.race import Race, looks

# points that each of nine is below the best
GAPS: Mapping[str, tuple[float, ...]] = {
    "one ahead by 2": (0, 2, 2, 3, 3, 4, 5, 6, 10),
    "two ahead": (0, 0.3, 3, 3, 4, 4, 6, 8, 12),
    "a point apart": (0, 1, 2, 3, 4, 5, 6, 7, 8),
    "three ahead": (0, 0.2, 0.5, 3, 4, 5, 6, 8, 15),
    "five within a point": (0, 0.5, 0.5, 1, 1, 3, 5, 8, 12),
}
SIZES = (2000, 6511, 14042)
SPREAD = 1.5  # of the items' difficulties, in logits
CORRELATION = 0.8  # of what two models' answers to an item hang on beside its difficulty: they are of one base


@dataclass(frozen=True, slots=True)
class Outcome:
    raced: frozenset[int]  # the winner and those that cannot be told from it
    whole: frozenset[int]  # the same of all models measured whole
    best: int  # the highest on all items
    kept_best: bool  # whether it was in the race at its end
    share: float  # of the answers that measuring all whole takes


def answers(gaps: tuple[float, ...], items: int, rng: np.random.Generator, best: float = 0.6) -> np.ndarray:
    """Right or wrong [models, items]: the Rasch model, with what is left to chance correlated between models."""
    abilities, known = np.linspace(-4, 5, 400), rng.normal(0, SPREAD, 4000)
    accuracy = expit(abilities[:, None] - known).mean(axis=1)
    ability = np.interp(best - np.asarray(gaps) / 100, accuracy, abilities)
    shared, own = rng.standard_normal(items), rng.standard_normal((len(gaps), items))
    chance = ndtr(np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own)
    return (chance < expit(ability[:, None] - rng.normal(0, SPREAD, items))).astype(float)


def units_of(items: int) -> list[Unit]:
    """Each item by itself, in the order of the answers."""
    return [Unit(f"i{n}", (str(n),), (1.0,), 1 / items) for n in range(items)]


def raced(values: np.ndarray, alpha: float = 0.05) -> Outcome:
    models, items = values.shape
    race = Race(models, units_of(items), alpha=alpha)
    used = 0
    for look in looks(items):
        used += len(race.still_in) * (look - race.read)
        race.add(look - race.read, {place: values[[place], race.read : look] for place in race.still_in})
        if race.is_decided:
            break
    best = int(values.mean(axis=1).argmax())
    whole = winners(values, list(range(models)))
    return Outcome(winners(values, race.still_in), whole, best, best in race.still_in, used / values.size)


def winners(values: np.ndarray, among: list[int]) -> frozenset[int]:
    """The highest on all items and those that the paired test cannot tell from it."""
    first = max(among, key=lambda place: values[place].mean())
    return frozenset(p for p in among if p == first or paired(values[p], values[first]).p >= 0.05)


def races(gaps: tuple[float, ...], items: int, times: int, seed: int = 0) -> Iterator[Outcome]:
    rng = np.random.default_rng(seed)
    for _ in range(times):
        yield raced(answers(gaps, items, rng))


def main(times: int) -> None:
    for items in SIZES:
        for name, gaps in GAPS.items():
            outcomes = list(races(gaps, items, times))
            same = np.mean([one.raced == one.whole for one in outcomes])
            kept = np.mean([one.kept_best for one in outcomes])
            share, size = np.mean([one.share for one in outcomes]), np.mean([len(one.whole) for one in outcomes])
            figures = (f"{size:.1f}", f"{100 * same:.1f}", f"{100 * kept:.1f}", f"{100 * share:.0f}")
            print("|", " | ".join((f"{items:,}", name, *figures)), "|", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
