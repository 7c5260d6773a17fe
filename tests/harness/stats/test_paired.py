"""Paired tests: known values, agreement of interval and p, symmetry. Coverage is in test_coverage.py."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, norm

from harness.stats import paired

PAIRS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from("abcdefgh")),
    min_size=1,
    max_size=50,
)


@pytest.mark.parametrize(("lost", "gained"), [(0, 1), (0, 4), (3, 9), (12, 30), (400, 310)])
def test_mcnemar_is_the_exact_test_less_half_of_what_was_observed_on_each_side(lost, gained):
    exact = binomtest(lost, lost + gained).pvalue
    assert paired.mcnemar(lost, gained) == pytest.approx(exact - binom.pmf(lost, lost + gained, 0.5))
    assert paired.mcnemar(gained, lost) == paired.mcnemar(lost, gained)


@pytest.mark.parametrize("flips", [0, 1, 7, 500])
def test_mcnemar_of_as_many_flips_each_way_is_one(flips):
    assert paired.mcnemar(flips, flips) == pytest.approx(1)


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(ValueError, match="negative"):
        paired.mcnemar(-1, 3)


def _tango_by_search(more: int, less: int, n: int, delta: float) -> float:
    """Tango's statistic with the rarer flip's chance found by maximising the likelihood, not by his formula."""

    def loss(q: float) -> float:
        same = 1 - 2 * q - delta
        parts = ((more, q + delta), (less, q), (n - more - less, same))
        return -sum(count * np.log(max(chance, 1e-300)) for count, chance in parts if count)

    q = minimize_scalar(loss, bounds=(max(0, -delta), (1 - delta) / 2), method="bounded", options={"xatol": 1e-12}).x
    return (more - less - n * delta) / np.sqrt(n * (2 * q + delta * (1 - delta)))


@pytest.mark.parametrize(("more", "less", "n"), [(9, 3, 44), (53, 16, 316), (0, 5, 100), (30, 0, 60), (100, 90, 1000)])
def test_tango_ends_are_where_the_score_statistic_is_at_its_points(more, less, n):
    z = norm.ppf(0.975)
    assert _tango_by_search(more, less, n, paired._tango(more, less, n)) == pytest.approx(-z, abs=1e-4)
    assert _tango_by_search(more, less, n, -paired._tango(less, more, n)) == pytest.approx(z, abs=1e-4)


@pytest.mark.parametrize("n", [1, 5, 164])
def test_tango_at_the_edges(n):
    z2 = norm.ppf(0.975) ** 2
    assert paired._tango(0, 0, n) == pytest.approx(z2 / (n + z2))  # no flip at all
    assert paired._tango(n, 0, n) == 1.0
    assert -1 < paired._tango(0, n, n) < 1  # all flips one way: the other end is still open


@example(0, 4, 50)  # the score interval alone leaves zero out here
@example(6, 15, 79)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 900))
def test_an_interval_of_right_and_wrong_holds_zero_where_p_says_so(lost, gained, same):
    n = lost + gained + same
    if n == 0:
        return
    a = [1] * lost + [0] * (n - lost)
    b = [0] * lost + [1] * gained + [0] * same
    found = paired.paired(a, b)
    assert found.method == "mcnemar"
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert (found.low > 0 or found.high < 0) == (found.p < 0.05)


@settings(max_examples=60)
@given(PAIRS)
def test_a_bootstrap_holds_zero_where_p_says_so_and_turns_round_with_the_runs(rows):
    a, b, own = (list(column) for column in zip(*rows, strict=True))
    found, turned = paired._bootstrap(a, b, own, 0, 500), paired._bootstrap(b, a, own, 0, 500)
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert turned == (-found.difference, -found.high, -found.low, found.p, "bootstrap")
    totals = np.bincount([ord(c) - ord("a") for c in own], np.subtract(b, a))
    sizes = np.bincount([ord(c) - ord("a") for c in own])
    if np.ptp(totals[sizes > 0] / sizes[sizes > 0]) > 1e-9:  # where clusters differ there is something to resample
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)


@settings(max_examples=60)
@given(PAIRS)
def test_a_macro_difference_holds_zero_where_p_says_so_and_turns_round_with_the_runs(rows):
    groups = sorted({group for _, _, group in rows})
    a = {name: [left for left, _, group in rows if group == name] for name in groups}
    b = {name: [right for _, right, group in rows if group == name] for name in groups}
    found, turned = paired.paired_macro(a, b), paired.paired_macro(b, a)
    assert turned[:4] == pytest.approx((-found.difference, -found.high, -found.low, found.p), abs=1e-9)
    if abs(found.p - 0.05) > 1e-9:
        assert (found.low > 0 or found.high < 0) == (found.p < 0.05)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_a_run_against_itself_differs_by_nothing_with_p_one(values):
    own = [str(i // 2) for i in range(len(values))]
    for found in (
        paired.paired(values, values),
        paired.paired(values, values, own),
        paired.paired_macro({"g": values}, {"g": values}),
    ):
        assert (found.difference, found.p) == (0, 1)
        assert found.low < 0 < found.high  # the same answers on these items do not make two models the same


def test_clusters_that_all_differ_alike_leave_the_sign_test():
    found = paired.paired([0.0] * 10, [0.5] * 10, list("aabbccddee"))
    assert (found.difference, found.p) == (0.5, 2 * 0.5**5)


def test_a_bootstrap_depends_on_its_seed_alone():
    rng = np.random.default_rng(1)
    a, b = rng.random(80).tolist(), rng.random(80).tolist()
    assert paired.paired(a, b, seed=1) == paired.paired(a, b, seed=1)
    assert paired.paired(a, b, seed=1).high != paired.paired(a, b, seed=2).high


def test_a_bootstrap_of_many_items_is_student_t():
    from scipy.stats import ttest_rel

    rng = np.random.default_rng(2)
    a = rng.random(2_000)
    b = a + rng.normal(0.004, 0.1, 2_000)
    theirs = ttest_rel(b, a)
    ends = theirs.confidence_interval(0.95)
    found = paired.paired(a.tolist(), b.tolist())
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=1e-4)
    assert found.p == pytest.approx(theirs.pvalue, abs=0.02)


def test_ten_thousand_resamples_of_a_whole_drop_are_quick():
    rng = np.random.default_rng(5)
    own = [str(i % 582) for i in range(9_536)]
    a, b = rng.random(9_536).tolist(), rng.random(9_536).tolist()
    start = time.process_time()
    paired.paired(a, b, own)
    assert time.process_time() - start < 1


def test_scores_beyond_one_are_not_clipped():
    found = paired.paired([10.0, 20.0, 30.0, 25.0], [15.0, 24.0, 36.0, 31.0])
    assert found.difference == pytest.approx(5.25)
    assert found.high > 5.25


@pytest.mark.parametrize(("a", "b"), [([1], [1, 0]), ([], [])])
def test_pairs_need_the_same_items(a, b):
    with pytest.raises(ValueError, match="the same items"):
        paired.paired(a, b)


def test_holm_by_hand():
    assert paired.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert paired.holm([0.9, 0.8]) == [1.0, 1.0]
    assert paired.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_never_makes_p_smaller_and_never_more_than_bonferroni(pvalues):
    for p, adjusted in zip(pvalues, paired.holm(pvalues), strict=True):
        assert p <= adjusted <= min(1.0, p * len(pvalues))
