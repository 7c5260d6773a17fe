"""Each fault of a judge is found, with an interval that holds it; agreement is as others count it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from harness.stats.jackknife import Estimate
from judges.ranking.agreement import CHOICES, Opinion, cohen, krippendorff, quality
from tests.judges import simulate


def holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def judged(judge: simulate.Judge, prompts: int = 80, repeats: int = 1, seed: int = 0):
    return quality(simulate.verdicts(judge, prompts, np.random.default_rng(seed), repeats))


def opinions(who: str, choices: Sequence[str], each: int = 1) -> list[Opinion]:
    """`each` pairs a prompt."""
    return [Opinion(who, f"q{n // each}", (f"q{n // each}", n, "a", "b"), c) for n, c in enumerate(choices)]


def test_a_fair_judge_has_no_fault():
    found = judged(simulate.fair, repeats=2)
    assert found.flip_rate.value == found.tie_rate.value == found.error_rate.value == 0
    assert 0 < found.flip_rate.high < 0.06
    assert found.self_agreement.value == 1
    assert holds(found.first_rate, 0.5)
    assert holds(found.longer_rate, 0.5)


def test_always_first():
    found = judged(simulate.always_first)
    assert found.flip_rate.value == found.first_rate.value == 1
    assert found.first_rate.low > 0.9
    assert holds(found.longer_rate, 0.5)


def test_longer_wins():
    found = judged(simulate.longest)
    assert found.longer_rate.value == 1
    assert found.longer_rate.low > 0.9
    assert found.flip_rate.value == 0
    assert holds(found.first_rate, 0.5)


def test_a_coin():
    found = judged(simulate.coin, repeats=2)
    assert holds(found.flip_rate, 2 / 3)
    assert holds(found.tie_rate, 1 / 3)
    assert holds(found.self_agreement, 1 / 3)
    assert holds(found.first_rate, 0.5)


def test_five_percent_garbage():
    found = judged(simulate.garbage)
    assert holds(found.error_rate, 0.05)
    assert found.flip_rate.value == 0
    assert found.flip_rate.n < 3 * 80  # a pair with an error in it shows no flip


def test_intervals_hold_a_fault_as_often_as_they_say():
    """A judge that says "first" to 30% whatever the answers: then 30% of pairs flip, and half of those by 30% twice."""
    held = 0
    for seed in range(200):
        found = judged(simulate.leaning(0.3), 40, seed=seed)
        # the worse answer shown first is called better in 30%: that pair flips
        held += holds(found.flip_rate, 0.3)
    assert held >= 180


def test_people_have_no_second_order_and_no_flips():
    found = quality([s for s in simulate.verdicts(simulate.fair, 20, np.random.default_rng(0)) if s.first < s.second])
    assert found.flip_rate.n == 0
    assert math.isnan(found.flip_rate.value)


def test_cohens_kappa_is_that_of_statsmodels():
    rater = pytest.importorskip("statsmodels.stats.inter_rater")
    rng = np.random.default_rng(0)
    a = rng.choice(CHOICES, 400, p=[0.5, 0.2, 0.3])
    b = np.where(rng.random(400) < 0.6, a, rng.choice(CHOICES, 400))
    ours = cohen(opinions("a", list(a)), opinions("b", list(b)))
    table = np.array([[sum((a == x) & (b == y)) for y in CHOICES] for x in CHOICES])
    theirs = rater.cohens_kappa(table)
    assert ours.kappa.value == pytest.approx(theirs.kappa)
    # independent pairs: the jackknife's width is that of the asymptotic formula
    assert ours.kappa.high - ours.kappa.low == pytest.approx(theirs.kappa_upp - theirs.kappa_low, rel=0.05)
    assert ours.agreement.value == pytest.approx((a == b).mean())


def test_kappa_of_prompts_that_go_together_is_wider():
    rng = np.random.default_rng(0)
    a = rng.choice(CHOICES, 60)
    b = np.where(rng.random(60) < 0.6, a, rng.choice(CHOICES, 60))
    copied = [cohen(opinions("a", np.repeat(a, 5), n), opinions("b", np.repeat(b, 5), n)).kappa for n in (1, 5)]
    assert copied[0].value == pytest.approx(copied[1].value)
    assert copied[1].high - copied[1].low > 2 * (copied[0].high - copied[0].low)


def test_perfect_agreement_is_not_certainty():
    same = list(np.random.default_rng(0).choice(CHOICES, 20))
    kappa = cohen(opinions("a", same), opinions("b", same)).kappa
    assert (kappa.value, kappa.high) == (1, 1)
    assert 0.5 < kappa.low < 0.9
    assert krippendorff([*opinions("a", same), *opinions("b", same)]).low < 0.9


def test_one_choice_throughout_says_nothing_of_agreement_over_chance():
    kappa = cohen(opinions("a", ["tie"] * 9), opinions("b", ["tie"] * 9)).kappa
    assert math.isnan(kappa.value)
    assert (kappa.low, kappa.high) == (-1, 1)


def test_no_pair_in_common():
    kappa = cohen(opinions("a", ["tie"]), []).kappa
    assert kappa.n == 0
    assert math.isnan(kappa.value)


def test_krippendorffs_alpha_is_the_textbooks():
    """Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section C: nominal data, any number of
    observers, missing data; its first three of five values stand for our choices and pairs with others are left out
    of both sides; so the sum is done again here by its own formula."""
    table = [  # the binary example of section A: observers Meg and Owen, articles 1 to 10; alpha = 0.095
        (0, 0), (1, 1), (0, 1), (0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (1, 0), (0, 0),
    ]  # fmt: skip
    meg, owen = ([CHOICES[row[n]] for row in table] for n in (0, 1))
    found = krippendorff([*opinions("meg", meg), *opinions("owen", owen)])
    n, n0, n1, disagreements = 20, 16, 4, 2
    assert found.value == pytest.approx(1 - (n - 1) * (2 * disagreements) / (2 * n0 * n1))
    assert found.n == 10


def test_alpha_takes_more_than_two_and_missing_ones():
    rng = np.random.default_rng(1)
    truth = rng.choice(CHOICES, 200)
    noisy = [np.where(rng.random(200) < 0.8, truth, rng.choice(CHOICES, 200)) for _ in range(3)]
    everyone = [o for n, c in enumerate(noisy) for o in opinions(str(n), list(c)) if rng.random() < 0.9]
    found = krippendorff(everyone)
    pairs = [
        cohen(opinions("a", list(noisy[i])), opinions("b", list(noisy[j]))).kappa.value for i, j in ((0, 1), (1, 2))
    ]
    assert found.value == pytest.approx(sum(pairs) / 2, abs=0.08)
    assert found.low < found.value < found.high
