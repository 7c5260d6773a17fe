"""Does a confidence sequence, looked at after every batch, miss the whole run's number in at most 5% of simulated runs?

`python -m tests.harness.stats.test_sequence_coverage` prints the table of docs/statistics.md."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from harness.stats import intervals
from harness.stats.drawing import Place, drawn, units
from harness.stats.sequences import MeanSequence

SIMULATIONS = 2_000
ITEMS, BATCH = 200, 10
Rng = np.random.Generator
Floats = np.ndarray


class Whole:
    """All answers of one simulated run: `values` of each item; `known` of another run, or of `low` to 1."""

    def __init__(
        self,
        values: Floats,
        known: Floats | None = None,
        low: float = 0.0,
        clusters: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
    ) -> None:
        own, group = clusters or [""] * len(values), groups or [""] * len(values)
        self.places = [Place(str(n), group[n], own[n]) for n in range(len(values))]
        self.values, self.known, self.low, self.macro = values, known, low, groups is not None

    def truth(self) -> float:
        """What the whole run would give, without units and weights."""
        rest = self.values - (0 if self.known is None else self.known)
        if not self.macro:
            return float(rest.mean())
        group = np.array([place.group for place in self.places])
        return float(np.mean([rest[group == name].mean() for name in np.unique(group)]))


def answers(rng: Rng, shift: float, correlation: float = 0.8, items: int = ITEMS) -> tuple[Floats, Floats]:
    """Right/wrong answers of two models to items of differing difficulty; the second is `shift` better in strength."""
    shared = rng.normal(size=items) * correlation**0.5
    a, b = (shared + rng.normal(size=items) * (1 - correlation) ** 0.5 + more > 0 for more in (0.4, 0.4 + shift))
    return a.astype(float), b.astype(float)


def binary(share: float) -> Callable[[Rng], Whole]:
    return lambda rng: Whole((rng.random(ITEMS) < share).astype(float))


def graded(rng: Rng) -> Whole:
    kind = rng.choice(3, ITEMS, p=[0.3, 0.4, 0.3])
    return Whole(np.where(kind == 2, rng.beta(2, 3, ITEMS), kind))


def paired(shift: float, known: bool) -> Callable[[Rng], Whole]:
    def simulate(rng: Rng) -> Whole:
        a, b = answers(rng, shift)
        return Whole(b, a) if known else Whole(b - a, low=-1.0)

    return simulate


def clustered(shift: float | None) -> Callable[[Rng], Whole]:
    """Passages of 1 to 20 items that are alike; of two models with a shift."""

    def simulate(rng: Rng) -> Whole:
        own = np.repeat(np.arange(60), rng.integers(1, 21, 60))
        passage = rng.normal(size=60)[own]
        a, b = (
            (passage + rng.normal(size=len(own)) + more > 0).astype(float) * rng.beta(8, 2, len(own))
            for more in (0.4, 0.4 + (shift or 0))
        )
        return Whole(b, None if shift is None else a, clusters=[str(c) for c in own])

    return simulate


def stratified(shift: float | None) -> Callable[[Rng], Whole]:
    """A macro average over 12 groups of 3 to 30 items, of differing difficulty."""

    def simulate(rng: Rng) -> Whole:
        own = np.repeat(np.arange(12), rng.integers(3, 31, 12))
        group = rng.normal(size=12)[own]
        shared = group + rng.normal(size=len(own))
        a, b = (
            (shared + 0.5 * rng.normal(size=len(own)) + more > 0).astype(float) for more in (0.4, 0.4 + (shift or 0))
        )
        return Whole(b, None if shift is None else a, groups=[str(c) for c in own])

    return simulate


KINDS: dict[str, Callable[[Rng], Whole]] = {
    "right/wrong, half": binary(0.5),
    "right/wrong, 3%": binary(0.03),
    "graded": graded,
    "paired, null, both sampled": paired(0.0, known=False),
    "paired, null, baseline whole": paired(0.0, known=True),
    "paired, small difference, both sampled": paired(0.1, known=False),
    "paired, small difference, baseline whole": paired(0.1, known=True),
    "clustered": clustered(None),
    "clustered, paired, null": clustered(0.0),
    "clustered, paired, small difference": clustered(0.1),
    "stratified": stratified(None),
    "stratified, paired, null": stratified(0.0),
    "stratified, paired, small difference": stratified(0.1),
}


def missed(kind: str, seed: int, method: str = "sequence", batch: int = BATCH) -> bool:
    """Whether, at any look after a batch, the interval did not hold what the whole run gives."""
    whole = KINDS[kind](np.random.default_rng([zlib.crc32(kind.encode()), seed]))
    truth = whole.truth()
    order = drawn(units(whole.places, whole.macro), seed)
    of = {place.item: n for n, place in enumerate(whole.places)}
    values, known = (
        None if own is None else [unit.value([float(own[of[item]]) for item in unit.items]) for unit in order]
        for own in (whole.values, whole.known)
    )
    assert values is not None
    sequence = MeanSequence([unit.weight for unit in order], whole.low, 1.0, known)
    for start in range(0, len(order) - batch, batch):
        sequence.add(values[start : start + batch])
        if method == "fixed":
            rest = np.array(values) - (0 if known is None else np.array(known))
            left = 1 - sum(unit.weight for unit in order[: sequence.n])
            low, high = fixed(rest[: sequence.n], sequence.estimate, left, (-1.0 if known else whole.low, 1.0))
            if not low <= truth <= high:
                return True
            continue
        # what the interval at 95% says, without the search for its ends (test_sequences.py holds the two together)
        if sequence.above(truth + 1e-9, 0.025) or sequence.below(truth - 1e-9, 0.025):
            return True
    return False


def fixed(values: Floats, estimate: float, left: float, bounds: tuple[float, float]) -> tuple[float, float]:
    """The 95% interval for one look, where `left` is the weight of what is not drawn."""
    value, low, high = intervals.mean(values.tolist(), bounds)
    return estimate - (value - low) * left**0.5, estimate + (high - value) * left**0.5


def share(kind: str, simulations: int, method: str = "sequence", batch: int = BATCH) -> tuple[float, float]:
    """Of the simulations, the share that missed, and the lower end of its own 95% interval."""
    count = sum(missed(kind, seed, method, batch) for seed in range(simulations))
    return count / simulations, intervals.wilson(count, simulations).low


QUICK = ["paired, null, baseline whole", "clustered", "stratified"]


@pytest.mark.parametrize("kind", QUICK)
def test_the_sequence_holds_the_whole_runs_number_at_every_look(kind: str) -> None:
    _, low = share(kind, 200, batch=2 * BATCH)
    assert low <= 0.05


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_the_sequence_holds_it_in_2000_simulations(kind: str) -> None:
    _, low = share(kind, SIMULATIONS)
    assert low <= 0.05


@pytest.mark.parametrize("kind", ["right/wrong, half", "paired, null, both sampled"])
def test_a_fixed_interval_read_at_every_batch_misses_far_more_often(kind: str) -> None:
    assert share(kind, 200, "fixed")[1] > 0.15


def widths(kind: str, repeats: int = 20, items: int = 2_000) -> list[float]:
    """Of the interval after 5, 20, 50 and 90% of the items, over that of a fixed one of so many; means."""
    ratios = []
    for seed in range(repeats):
        a, b = answers(np.random.default_rng(seed), 0.1, items=items)
        sequence = MeanSequence(
            [1.0] * items,
            -1.0 if kind == "paired, both sampled" else 0.0,
            known=a.tolist() if kind == "paired, baseline whole" else None,
        )
        values = b - a if kind == "paired, both sampled" else b
        spread = float(np.std(b if kind == "right/wrong" else b - a))
        for share in (0.05, 0.2, 0.5, 0.9):
            sequence.add(values[sequence.n : round(share * items)].tolist())
            _, low, high = sequence.interval()
            ratios.append((high - low) / (2 * intervals.Z * spread * ((1 - share) / (share * items)) ** 0.5))
    return np.reshape(ratios, (repeats, -1)).mean(axis=0).tolist()


def test_the_interval_is_at_most_twice_as_wide_as_a_fixed_one() -> None:
    assert max(widths("paired, baseline whole", repeats=2)[1:]) < 2


if __name__ == "__main__":
    for kind in ("right/wrong", "paired, both sampled", "paired, baseline whole"):
        print(f"{kind:45} width over a fixed one's " + ", ".join(f"{width:.2f}" for width in widths(kind)), flush=True)
    for kind in KINDS:
        once = share(kind, SIMULATIONS // 4, "fixed")[0]
        sequence = share(kind, SIMULATIONS)[0]
        print(f"{kind:45} sequence {sequence:6.1%}   fixed, read at every batch {once:6.1%}", flush=True)
