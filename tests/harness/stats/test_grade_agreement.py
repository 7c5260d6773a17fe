"""Agreement of a grader with people is as others count it, and its intervals hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.stats.grade_agreement import GradedTwice, agreement, length_bias

FIVE = (1.0, 2.0, 3.0, 4.0, 5.0)


def graded(grader: np.ndarray, people: np.ndarray, clusters: np.ndarray | None = None) -> list[GradedTwice]:
    names = np.arange(len(grader)) if clusters is None else clusters
    return [GradedTwice(int(g), (int(p),), str(c)) for g, p, c in zip(grader, people, names, strict=True)]


def simulated(n: int, seed: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    people = rng.integers(0, 5, n)
    return np.clip(np.round(people + rng.normal(0, spread, n)), 0, 4).astype(int), people


def test_kappa_is_that_of_scikit_learn_and_statsmodels() -> None:
    from sklearn.metrics import cohen_kappa_score

    rater = pytest.importorskip("statsmodels.stats.inter_rater")
    grader, people = simulated(400, 0)
    both = agreement(graded(grader, people), FIVE)
    assert both.kappa.value == pytest.approx(cohen_kappa_score(grader, people, weights="quadratic"))
    table = np.array([[np.sum((grader == x) & (people == y)) for y in range(5)] for x in range(5)])
    theirs = rater.cohens_kappa(table, wt="quadratic")
    # independent answers: the jackknife's width is that of the asymptotic formula
    assert both.kappa.high - both.kappa.low == pytest.approx(theirs.kappa_upp - theirs.kappa_low, rel=0.05)
    assert both.exact.value == pytest.approx((grader == people).mean())
    assert both.difference.value == pytest.approx((grader - people).mean())


def test_what_grades_are_worth_counts() -> None:
    """Two grades that are worth nearly the same are nearly agreement."""
    answers = graded(np.array([0, 1, 2, 0, 1, 2]), np.array([1, 1, 2, 0, 0, 2]))
    near, far = agreement(answers, (0.0, 1.0, 10.0)), agreement(answers, (0.0, 9.0, 10.0))
    assert near.exact == far.exact
    assert near.kappa.value > 0.98 > far.kappa.value


def test_several_people_count_as_one_answer() -> None:
    one = agreement([GradedTwice(2, (2,), "a"), GradedTwice(0, (1,), "b"), GradedTwice(4, (4,), "c")], FIVE)
    same = agreement([GradedTwice(2, (2, 2), "a"), GradedTwice(0, (1, 1, 1), "b"), GradedTwice(4, (4,), "c")], FIVE)
    assert same == one
    split = agreement([GradedTwice(2, (2, 3), "a"), GradedTwice(0, (0,), "b")], FIVE)
    assert split.exact.value == 0.75
    assert split.difference.value == -0.25
    assert split.exact.n == 2


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    truth = agreement(graded(*simulated(4000, 7)), FIVE)
    held = np.zeros(3)
    for seed in range(200):
        both = agreement(graded(*simulated(40, 1000 + seed)), FIVE)
        held += [
            mine.low <= true.value <= mine.high
            for mine, true in zip(
                (both.exact, both.kappa, both.difference), (truth.exact, truth.kappa, truth.difference), strict=True
            )
        ]
    assert (held >= 180).all(), held


def test_answers_of_one_cluster_make_it_wider() -> None:
    grader, people = simulated(40, 1)
    clusters = np.repeat(np.arange(40), 4)
    alone = agreement(graded(grader, people), FIVE)
    copied = agreement(graded(grader.repeat(4), people.repeat(4), clusters), FIVE)
    independent = agreement(graded(grader.repeat(4), people.repeat(4)), FIVE)
    assert copied.kappa.low == pytest.approx(alone.kappa.low)
    assert copied.kappa.high - copied.kappa.low > 1.8 * (independent.kappa.high - independent.kappa.low)


def test_perfect_agreement_is_not_certainty_and_one_grade_says_nothing() -> None:
    same = np.arange(20) % 5
    both = agreement(graded(same, same), FIVE)
    assert (both.kappa.value, both.kappa.high) == (1, 1)
    assert 0.3 < both.kappa.low < 0.95
    alike = agreement(graded(np.full(9, 4), np.full(9, 4)), FIVE)
    assert math.isnan(alike.kappa.value)
    assert alike.exact.value == 1


def test_a_grader_that_likes_length_is_seen_and_a_fair_one_is_not() -> None:
    rng = np.random.default_rng(3)
    people, lengths = rng.integers(1, 4, 60), rng.integers(1, 1000, 60)
    fond = np.where(lengths > 500, people + 1, people - 1)
    assert length_bias(graded(fond, people), FIVE, list(lengths)).startswith(
        "grades long answers higher than people do"
    )
    assert "lower" in length_bias(graded(4 - fond, 4 - people), FIVE, list(lengths))
    assert length_bias(graded(people, people), FIVE, list(lengths)) == ""
    assert length_bias(graded(fond, people)[:19], FIVE, list(lengths)[:19]) == "", "too few to tell"
