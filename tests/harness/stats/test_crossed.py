"""Intervals over items and seeds: their coverage by simulation, and what they are where there is one seed."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.crossed import Difference, crossed, crossed_difference, difference_in_part
from harness.stats.intervals import interval, mean, stratified
from harness.stats.paired import paired
from harness.stats.sequences import MeanSequence

SAMPLES = 1000


def _chance(items: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(0.3 + items + seeds)))


def coverage(seeds: int, items: int, spread: float, samples: int = SAMPLES) -> tuple[float, float]:
    """Of the score and of a difference of nothing: `spread` is that of seeds, in log-odds (items have 1.5)."""
    rng = np.random.default_rng(seeds * items)
    truth = _chance(1.5 * rng.standard_normal((400, 2000)), spread * rng.standard_normal((400, 1))).mean()
    of_score = of_difference = 0
    for _ in range(samples):
        difficulty = 1.5 * rng.standard_normal(items)
        a, b = (
            (rng.random((seeds, items)) < _chance(difficulty, spread * rng.standard_normal((seeds, 1)))).astype(float)
            for _ in range(2)
        )
        interval = crossed(a)
        of_score += bool(interval.low <= truth <= interval.high)
        low, high = crossed_difference(a, b).interval[1:]
        of_difference += low <= 0 <= high
    return of_score / samples, of_difference / samples


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
def test_coverage(seeds: int, spread: float) -> None:
    """93 to 97%, and what a thousand samples leave open: 1.7 points is 2.5 standard errors at 95%."""
    of_score, of_difference = coverage(seeds, 300, spread)
    assert 0.913 <= of_score <= 0.987
    assert 0.913 <= of_difference <= 0.987


@pytest.mark.full
@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
def test_coverage_in_ten_thousand_samples(seeds: int, spread: float) -> None:
    """As docs/statistics.md says."""
    of_score, of_difference = coverage(seeds, 300, spread, 10 * SAMPLES)
    least, most = (0.925, 0.985) if seeds == 2 else (0.93, 0.975)
    assert least <= of_score <= most
    assert least <= of_difference <= most


def mean_of_groups_coverage(seeds: int, spread: float, samples: int) -> float:
    """Of the mean of nine groups' means, whose sizes are 5 to 85 and whose items are the harder the larger they are."""
    rng = np.random.default_rng(seeds)
    sizes = np.arange(5, 95, 10)
    of = np.repeat(np.arange(len(sizes)), sizes)
    names = [f"g{group}" for group in of]
    shifts = np.linspace(1, -1, len(sizes))
    seeds_drawn = spread * rng.standard_normal((400, 1))
    truth = np.mean([_chance(1.5 * rng.standard_normal((400, 500)) + shift, seeds_drawn).mean() for shift in shifts])
    hits = 0
    for _ in range(samples):
        chances = _chance(1.5 * rng.standard_normal(len(of)) + shifts[of], spread * rng.standard_normal((seeds, 1)))
        interval = crossed((rng.random((seeds, len(of))) < chances).astype(float), groups=names)
        hits += interval.low <= truth <= interval.high
    return hits / samples


@pytest.mark.parametrize("seeds", [2, 3])
def test_coverage_of_a_mean_of_groups(seeds: int) -> None:
    assert 0.913 <= mean_of_groups_coverage(seeds, 0.2, 500) <= 0.987


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_differences_without_limits_are_covered(seeds: int) -> None:
    """Losses, of rows that differ by 0.5, seeds by 0.05 and single losses by 0.3."""
    rng, hits = np.random.default_rng(seeds), 0
    for _ in range(500):
        rows = rng.normal(2, 0.5, 60)
        a, b = (rows + rng.normal(0, 0.05, (seeds, 1)) + rng.normal(0, 0.3, (seeds, 60)) for _ in range(2))
        low, high = crossed_difference(a, b, reach=None).interval[1:]
        hits += low <= 0 <= high
    assert 0.91 <= hits / 500 <= 0.99


def test_interval_and_p_agree_without_limits() -> None:
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.02, 0.05, 0.2):
        a, b = rng.normal(2, 0.3, (3, 80)), rng.normal(2 + shift, 0.3, (3, 80))
        (_, low, high), p = crossed_difference(a, b, reach=None)
        assert (low <= 0 <= high) == (p >= 0.05)


def test_items_alone_are_too_bold_where_seeds_differ() -> None:
    """What the interval is for: taking the mean over seeds for one run misses far more than 5%."""
    rng = np.random.default_rng(0)
    truth = _chance(1.5 * rng.standard_normal((400, 2000)), 0.3 * rng.standard_normal((400, 1))).mean()
    hits = 0
    for _ in range(300):
        seeds = 0.3 * rng.standard_normal((3, 1))
        answers = (rng.random((3, 300)) < _chance(1.5 * rng.standard_normal(300), seeds)).astype(float)
        interval = mean(answers.mean(axis=0).tolist())
        hits += interval.low <= truth <= interval.high
    assert hits / 300 < 0.9


def test_one_seed_is_a_run() -> None:
    answers = (np.random.default_rng(1).random((1, 200)) < 0.4).astype(float)
    assert crossed(answers) == pytest.approx(mean(answers[0].tolist()))


def test_one_seed_each_is_near_the_paired_test() -> None:
    rng = np.random.default_rng(2)
    a, b = ((rng.random((1, 400)) < chance).astype(float) for chance in (0.5, 0.6))
    ours, theirs = crossed_difference(a, b), paired(a[0].tolist(), b[0].tolist())
    assert ours.interval.value == pytest.approx(theirs.difference)
    assert ours.p == pytest.approx(theirs.p, abs=0.01)


@pytest.mark.parametrize("items", [2, 5, 20, 400])
@pytest.mark.parametrize("reach", [1.0, 3.0])
def test_of_models_that_never_differ_the_unseen_items_are_all_that_can(items: int, reach: float) -> None:
    """As `harness compare` has it of two runs, and as Wilson has the share of none in so many items."""
    values = np.full((1, items), 0.5)
    difference, p = crossed_difference(values, values, reach=reach)
    unseen = interval([0.0] * items, None)[0].high
    assert difference == pytest.approx((0.0, -unseen * reach, unseen * reach))
    assert p == 1.0


@pytest.mark.parametrize("items", [2, 5, 20, 100])
@pytest.mark.parametrize("apart", [-1.0, -0.3, -0.05, 0.01, 0.2, 1.0])
def test_of_models_that_differ_alike_everywhere_p_and_interval_agree(items: int, apart: float) -> None:
    a = np.full((1, items), 0.5)
    difference, p = crossed_difference(a, a + apart)
    assert -1 - 1e-12 <= difference.low <= apart <= difference.high <= 1 + 1e-12
    assert (p < 0.05) == (difference.low > 0 or difference.high < 0)


def test_equal_answers_are_no_difference() -> None:
    answers = (np.random.default_rng(3).random((3, 100)) < 0.4).astype(float)
    difference = crossed_difference(answers, answers)
    assert difference.interval.value == 0
    assert difference.p == 1
    assert difference.interval.low < 0 < difference.interval.high


def test_clusters_widen_the_interval() -> None:
    rng = np.random.default_rng(4)
    passages = np.repeat(rng.random(40), 10)
    answers = (rng.random((3, 400)) < passages).astype(float)
    clusters = [str(n // 10) for n in range(400)]
    whole, alone = crossed(answers, clusters), crossed(answers)
    assert whole.high - whole.low > 1.3 * (alone.high - alone.low)


def test_one_seed_of_groups_is_a_macro_average() -> None:
    rng = np.random.default_rng(5)
    answers = (rng.random((1, 60)) < 0.4).astype(float)
    names = [f"g{n % 5}" for n in range(60)]
    of_groups = {name: answers[0, [at for at, own in enumerate(names) if own == name]].tolist() for name in names}
    assert crossed(answers, groups=names) == pytest.approx(stratified(of_groups))


def test_groups_of_one_size_are_all_items() -> None:
    """The mean is the same, and so is what seeds add."""
    rng = np.random.default_rng(6)
    answers = (rng.random((3, 60)) < np.array([[0.3], [0.5], [0.7]])).astype(float)
    of_groups, of_items = crossed(answers, groups=[f"g{n % 5}" for n in range(60)]), crossed(answers)
    assert of_groups.value == pytest.approx(of_items.value)
    assert of_groups.high - of_groups.low == pytest.approx(of_items.high - of_items.low, rel=0.05)


def _read_in_part(a: np.ndarray, b: np.ndarray, read: int) -> Difference:
    items = a.shape[1]
    sequence = MeanSequence([1 / items] * items, -1, 1)
    sequence.add((b[:, :read].mean(axis=0) - a[:, :read].mean(axis=0)).tolist())
    return difference_in_part(a[:, :read], b[:, :read], sequence, items / read)


def missed_in_part(samples: int, items: int = 300, seeds: int = 2, spread: float = 0.3) -> tuple[int, int]:
    """How often a difference of nothing is not in the interval at one of three looks before the end: of a part read in
    random order, and of an interval of fixed size that is read at the same looks."""
    rng = np.random.default_rng(7)
    missed = fixed = 0
    for _ in range(samples):
        difficulty = 1.5 * rng.standard_normal(items)
        a, b = (
            (rng.random((seeds, items)) < _chance(difficulty, spread * rng.standard_normal((seeds, 1)))).astype(float)
            for _ in range(2)
        )
        looks = (60, 120, 240)
        missed += any(not one.low <= 0 <= one.high for one in (_read_in_part(a, b, read).interval for read in looks))
        fixed += any(
            not one.low <= 0 <= one.high
            for one in (crossed_difference(a[:, :read], b[:, :read]).interval for read in looks)
        )
    return missed, fixed


@pytest.mark.full
def test_a_part_may_be_looked_at_again_and_again() -> None:
    missed, fixed = missed_in_part(400)
    assert missed <= 0.05 * 400
    assert fixed > 0.08 * 400, "what looks would do to an interval of fixed size"


def test_of_a_part_the_p_is_below_a_twentieth_where_the_interval_has_no_zero() -> None:
    rng = np.random.default_rng(8)
    told_apart = 0
    for gap in (0.0, 0.1, 0.2, 0.3, -0.3):
        luck = rng.random(400)
        a, b = ((luck + 0.2 * rng.standard_normal((2, 400)) < chance).astype(float) for chance in (0.5, 0.5 + gap))
        for read in (100, 300):
            interval, p = _read_in_part(a, b, read)
            assert (p < 0.05) == (not interval.low <= 0 <= interval.high)
            assert interval.low <= crossed_difference(a, b).interval.value <= interval.high
            told_apart += p < 0.05
    assert 0 < told_apart < 10
