"""Intervals over items and seeds: their coverage by simulation, and what they are where there is one seed."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.crossed import crossed, crossed_difference
from harness.stats.intervals import mean
from harness.stats.paired import paired

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
        of_score += interval.low <= truth <= interval.high
        low, high = crossed_difference(a, b).interval[1:]
        of_difference += low <= 0 <= high
    return of_score / samples, of_difference / samples


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
def test_coverage(seeds: int, spread: float) -> None:
    """93 to 97%, and 1.4 points for a thousand samples. Differences are a little more careful."""
    of_score, of_difference = coverage(seeds, 300, spread)
    assert 0.916 <= of_score <= 0.984
    assert 0.930 <= of_difference <= 0.99


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_two_seeds_are_never_bold(spread: float) -> None:
    assert min(coverage(2, 300, spread)) >= 0.936


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
