"""Do the 95% intervals hold the truth in 93 to 97% of 1,000 simulated samples? One line a kind and size.

`python -m tests.harness.stats.test_coverage` prints the table of docs/statistics.md."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from harness.stats import intervals, paired

SIMULATIONS = 1_000
Rng = np.random.Generator
Ends = tuple[float, float]
# a simulation makes one sample, and gives the ends of its interval and the truth
Simulation = Callable[[Rng], tuple[Ends, float]]


def coverage(name: str, simulation: Simulation) -> float:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    # the cheapest kind gets ten times as many, so that its figure is worth reading to a tenth of a per cent
    count = SIMULATIONS * 10 if name.startswith("wilson") else SIMULATIONS
    held = 0
    for _ in range(count):
        (low, high), truth = simulation(rng)
        held += low <= truth <= high
    return held / count


def ends(interval: intervals.Interval | paired.Paired) -> Ends:
    return interval.low, interval.high


def f1_like(rng: Rng, shares: Sequence[float], n: int) -> np.ndarray:
    """Scores with `shares` of zeros, ones, and something between that leans low; their mean is `f1_mean(shares)`."""
    kind = rng.choice(3, n, p=shares)
    return np.where(kind == 2, rng.beta(2, 3, n), kind)


def f1_mean(shares: Sequence[float]) -> float:
    return shares[1] + shares[2] * 0.4


def wilson(n: int, p: float) -> Simulation:
    """The chance is drawn about p: at one p Wilson's coverage is as lumpy as the counts (see the exact test)."""

    def simulate(rng: Rng) -> tuple[Ends, float]:
        chance = rng.uniform(p - 0.05, p + 0.05)
        return ends(intervals.wilson(int(rng.binomial(n, chance)), n)), chance

    return simulate


def mean(n: int, shares: Sequence[float]) -> Simulation:
    return lambda rng: (ends(intervals.mean(f1_like(rng, shares, n).tolist())), f1_mean(shares))


def passages(rng: Rng, clusters: int) -> tuple[np.ndarray, list[str]]:
    """Cluster of each item, with 1 to 20 items a cluster."""
    own = np.repeat(np.arange(clusters), rng.integers(1, 21, clusters))
    return own, [str(c) for c in own]


def clustered(clusters: int, p: float, graded: bool, naive: bool = False) -> Simulation:
    """Intra-cluster correlation 0.3, as a beta-binomial has it."""

    def simulate(rng: Rng) -> tuple[Ends, float]:
        own, names = passages(rng, clusters)
        strength = 1 / 0.3 - 1
        chance = rng.beta(p * strength, (1 - p) * strength, clusters)[own]
        right = rng.random(len(own)) < chance
        values = np.where(right, rng.beta(8, 2, len(own)) if graded else 1.0, 0.0).tolist()
        truth = p * (0.8 if graded else 1)
        if naive:
            return ends(intervals.interval(values)[0]), truth
        return ends(intervals.clustered(values, names)), truth

    return simulate


def stratified(sizes: Sequence[int], centre: float, graded: bool = False, naive: bool = False) -> Simulation:
    """Groups keep their sizes and their chances, which spread about `centre`; larger groups are harder."""
    spread = np.linspace(0.15, -0.15, len(sizes))
    chances = np.clip(centre + spread[np.argsort(np.argsort(sizes, kind="stable"), kind="stable")], 0.01, 0.995)
    truth = float(chances.mean()) * (0.8 if graded else 1)

    def simulate(rng: Rng) -> tuple[Ends, float]:
        groups = {}
        for i, (n, p) in enumerate(zip(sizes, chances, strict=True)):
            right = rng.random(n) < p
            groups[str(i)] = np.where(right, rng.beta(8, 2, n) if graded else 1.0, 0.0).tolist()
        if naive:
            return ends(intervals.mean([value for values in groups.values() for value in values])), truth
        return ends(intervals.stratified(groups)), truth

    return simulate


def pass_at_k(problems: int, samples: int, k: int, shape: tuple[float, float], naive: bool = False) -> Simulation:
    """Chances of problems are beta: many hopeless, some easy. The truth is over all such problems."""
    a, b = shape
    # E[1 - (1-p)^k] under Beta(a, b): 1 - prod (b+i)/(a+b+i)
    truth = 1 - float(np.prod([(b + i) / (a + b + i) for i in range(k)]))

    def simulate(rng: Rng) -> tuple[Ends, float]:
        right = rng.binomial(samples, rng.beta(a, b, problems))
        if naive:  # each sample as a problem of its own; for k = 1
            return ends(intervals.wilson(int(right.sum()), problems * samples)), truth
        return ends(intervals.pass_at_k_clustered([(samples, int(c)) for c in right], k)[0]), truth

    return simulate


def paired_binary(n: int, lost: float, gained: float) -> Simulation:
    def simulate(rng: Rng) -> tuple[Ends, float]:
        down, up, _ = (int(x) for x in rng.multinomial(n, [lost, gained, 1 - lost - gained]))
        a = [1] * down + [0] * (n - down)
        b = [0] * down + [1] * up + [0] * (n - down - up)
        return ends(paired.paired(a, b)), gained - lost

    return simulate


def paired_clustered(clusters: int, shift: float, graded: bool, naive: bool = False) -> Simulation:
    """Passages differ in how hard they are and in how much b gains on them; `shift` is the gain on the whole."""

    def simulate(rng: Rng) -> tuple[Ends, float]:
        own, names = passages(rng, clusters)
        base = rng.uniform(0.3, 0.6, clusters)
        gain = rng.uniform(-0.3, 0.3, clusters) + shift
        a, b = rng.random(len(own)) < base[own], rng.random(len(own)) < (base + gain)[own]
        if graded:
            a, b = a * rng.beta(8, 2, len(own)), b * rng.beta(8, 2, len(own))
        seed = int(rng.integers(2**31))
        known, resamples = (None, 200) if naive else (names, 1_000)
        got = paired.paired(a.astype(float).tolist(), b.astype(float).tolist(), known, seed, resamples)
        return ends(got), shift * (0.8 if graded else 1)

    return simulate


def paired_repeats(problems: int) -> Simulation:
    """Ten samples a problem from each run, averaged: graded differences of independent problems."""

    def simulate(rng: Rng) -> tuple[Ends, float]:
        base = rng.beta(0.5, 1.5, problems)
        a, b = rng.binomial(10, base) / 10, rng.binomial(10, base + (1 - base) * 0.1) / 10
        got = paired.paired(a.tolist(), b.tolist(), seed=int(rng.integers(2**31)), resamples=1_000)
        return ends(got), 0.1 * 0.75

    return simulate


def paired_macro(sizes: Sequence[int], shift: float) -> Simulation:
    chances = np.linspace(0.3, 0.8, len(sizes))

    def simulate(rng: Rng) -> tuple[Ends, float]:
        runs: tuple[dict[str, list[float]], dict[str, list[float]]] = {}, {}
        for i, (n, p) in enumerate(zip(sizes, chances, strict=True)):
            dice = rng.random(n)  # the same luck for both, but for a tenth of the items
            again = np.where(rng.random(n) < 0.1, rng.random(n), dice)
            runs[0][str(i)], runs[1][str(i)] = (
                (dice < p).astype(float).tolist(),
                (again < p + shift).astype(float).tolist(),
            )
        return ends(paired.paired_macro(*runs)), shift

    return simulate


MMLU_LIKE = [100] * 30 + list(range(110, 290, 10)) + [300, 320, 350, 380, 400, 550, 780, 900, 1500]
SKEWS = {"low": (0.8, 0.05, 0.15), "middle": (0.4, 0.3, 0.3), "high": (0.1, 0.8, 0.1)}

KINDS: dict[str, Simulation] = {
    **{f"wilson: n={n}, p about {p}": wilson(n, p) for n in (100, 164, 250, 1000) for p in (0.25, 0.5, 0.75, 0.9)},
    **{f"mean: n={n}, F1-like, {skew}": mean(n, SKEWS[skew]) for n in (100, 300, 1000) for skew in SKEWS},
    **{
        f"clustered: {g} passages of 1 to 20, p={p}, {'graded' if graded else 'right/wrong'}": clustered(g, p, graded)
        for g, p in ((100, 0.25), (100, 0.5), (200, 0.25), (200, 0.9))
        for graded in (False, True)
    },
    "stratified: 57 groups of 100, p about 0.45": stratified([100] * 57, 0.45),
    "stratified: 57 groups of 100 to 1500, p about 0.45": stratified(MMLU_LIKE, 0.45),
    "stratified: 57 groups of 100, p about 0.84": stratified([100] * 57, 0.84),
    "stratified: 27 groups of 250, p about 0.35": stratified([250] * 27, 0.35),
    "stratified: 57 groups of 5, p about 0.45": stratified([5] * 57, 0.45),
    "stratified: 57 groups of 100, graded": stratified([100] * 57, 0.6, graded=True),
    **{
        f"pass@{k}: 164 problems, 10 samples, Beta{shape}": pass_at_k(164, 10, k, shape)
        for k in (1, 5, 10)
        for shape in ((0.3, 1.5), (0.5, 0.5))
    },
    **{
        f"paired right/wrong: n={n}, lost {lost}, gained {gained}": paired_binary(n, lost, gained)
        for n in (164, 500, 1000)
        for lost, gained in ((0.05, 0.05), (0.04, 0.09), (0.1, 0.25))
    },
    "paired bootstrap: 60 passages of 1 to 20, graded": paired_clustered(60, 0.05, graded=True),
    "paired bootstrap: 60 passages of 1 to 20, right/wrong": paired_clustered(60, 0.0, graded=False),
    "paired bootstrap: 200 passages of 1 to 20, graded": paired_clustered(200, 0.05, graded=True),
    "paired bootstrap: 164 problems, 10 samples each": paired_repeats(164),
    "paired macro: 57 groups of 100": paired_macro([100] * 57, 0.02),
    "paired macro: 27 groups of 10": paired_macro([10] * 27, 0.05),
}

NAIVE: dict[str, Simulation] = {
    "right/wrong in passages, clusters ignored": clustered(100, 0.5, False, naive=True),
    "graded in passages, clusters ignored": clustered(100, 0.5, True, naive=True),
    "macro average, taken over all items instead": stratified([50] * 10 + [500] * 3, 0.45, naive=True),
    "pass@1, each sample taken as a problem": pass_at_k(164, 10, 1, (0.5, 0.5), naive=True),
    "paired, clusters ignored": paired_clustered(60, 0.05, True, naive=True),
}

# Sizes below those that the docs promise, printed for them and tested by nobody.
SMALL: dict[str, Simulation] = {
    f"clustered: {g} passages of 1 to 20, p=0.9, graded": clustered(g, 0.9, graded=True) for g in (20, 50, 100)
} | {"stratified: 57 groups of 1, p about 0.45": stratified([1] * 57, 0.45)}

SLOW = ("200 passages", "groups of 100 to 1500", "p about 0.84", "57 groups of 100, graded", "paired macro: 57")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.full if any(s in name for s in SLOW) else ()) for name in KINDS]
)
def test_the_interval_holds_the_truth(name):
    assert 0.93 <= coverage(name, KINDS[name]) <= 0.97


@pytest.mark.parametrize("n", [100, 164, 250, 1000])
def test_wilson_holds_the_truth_at_every_chance(n):
    """Exactly, by summing the binomial: no simulation, no lucky seed."""
    from scipy.stats import binom

    all_ends = np.array([ends(intervals.wilson(k, n)) for k in range(n + 1)])
    for p in np.linspace(0.2, 0.9, 701):
        held = (all_ends[:, 0] <= p) & (p <= all_ends[:, 1])
        assert 0.93 <= binom.pmf(np.arange(n + 1), n, p)[held].sum() <= 0.97


@pytest.mark.parametrize("name", NAIVE)
def test_the_simulation_notices_a_wrong_method(name):
    assert coverage(name, NAIVE[name]) < 0.90


if __name__ == "__main__":
    for kinds in (KINDS, SMALL, NAIVE):
        for name, simulation in kinds.items():
            print(f"| {name} | {100 * coverage(name, simulation):.1f} |", flush=True)
