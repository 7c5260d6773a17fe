"""Intervals of scores: known values, limits, and what must hold for any sample. Coverage is in test_coverage.py."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import intervals
from harness.types import Item, Sample

UNIT_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=60)
CLUSTERS = st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abcdef")), min_size=1, max_size=60)


def test_wilson_equals_scipy():
    from scipy.stats import binomtest

    for n in (1, 7, 164, 14_042):
        for k in {0, 1, n // 3, n}:
            theirs = binomtest(k, n).proportion_ci(method="wilson")
            assert intervals.wilson(k, n) == pytest.approx((k / n, theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (0, 0)])
def test_wilson_refuses_what_is_no_proportion(k, n):
    with pytest.raises(ValueError, match="no proportion"):
        intervals.wilson(k, n)


def test_pass_at_k_equals_counting_every_choice():
    for n, k in ((5, 1), (6, 3), (7, 7)):
        for c in range(n + 1):
            right = [i < c for i in range(n)]
            counted = [any(chosen) for chosen in itertools.combinations(right, k)]
            assert intervals.pass_at_k(n, c, k) == pytest.approx(sum(counted) / len(counted), abs=1e-12)


@pytest.mark.parametrize(("n", "c", "k"), [(5, 1, 6), (5, 6, 1), (5, -1, 1), (5, 1, 0)])
def test_pass_at_k_refuses_more_than_there_are(n, c, k):
    with pytest.raises(ValueError, match="pass@"):
        intervals.pass_at_k(n, c, k)


def test_pass_at_k_of_problems_is_their_mean():
    counts = [(10, 0), (10, 3), (10, 10), (5, 1)]
    found, method = intervals.pass_at_k_clustered(counts, 5)
    assert method == "clustered"
    assert found.value == pytest.approx(sum(intervals.pass_at_k(n, c, 5) for n, c in counts) / 4)
    assert intervals.pass_at_k_clustered([(1, 1), (1, 0)], 1) == (intervals.wilson(1, 2), "wilson")


def test_mean_without_bounds_is_student_t():
    from scipy.stats import ttest_1samp

    values = [3.0, 7.5, -2.0, 11.0, 4.0]
    theirs = ttest_1samp(values, 0).confidence_interval(0.95)
    assert intervals.mean(values, None) == pytest.approx((np.mean(values), theirs.low, theirs.high))


def test_mean_without_bounds_of_one_value_knows_nothing():
    assert intervals.mean([4.0], None) == (4.0, -math.inf, math.inf)


def _cr2_by_matrices(y: np.ndarray, own: np.ndarray) -> tuple[float, float]:
    """Bell and McCaffrey's variance and degrees of freedom of a mean, written out with whole matrices."""
    n, one = len(y), np.ones((len(y), 1))
    hat = one @ one.T / n
    rest = y - y.mean()
    rows, total = [], 0.0
    for g in np.unique(own):
        inside = np.flatnonzero(own == g)
        block = np.eye(len(inside)) - hat[np.ix_(inside, inside)]
        values, vectors = np.linalg.eigh(block)
        adjust = vectors @ np.diag(values**-0.5) @ vectors.T
        total += (one[inside, 0] @ adjust @ rest[inside] / n) ** 2
        rows.append((np.eye(n) - hat)[inside].T @ adjust @ one[inside, 0] / n)
    p = np.array(rows) @ np.array(rows).T
    return total, np.trace(p) ** 2 / (p**2).sum()


def test_clustered_moments_equal_the_matrix_formula():
    rng = np.random.default_rng(3)
    own = np.repeat(np.arange(6), [1, 2, 3, 5, 8, 2])
    y = rng.random(6)[own] * 0.8 + rng.random(len(own)) * 0.2  # so alike that the cluster's variance is the larger
    means, variances, dfs, count = intervals.moments(y, np.zeros(len(y), dtype=np.intp), own)
    variance, df = _cr2_by_matrices(y, own)
    assert (means[0], variances[0], dfs[0], count[0]) == pytest.approx((y.mean(), variance, df, 6))


def test_clustered_with_every_item_alone_is_the_plain_mean():
    values = [0.1, 0.9, 0.4, 0.4, 1.0, 0.0]
    assert intervals.clustered(values, list("abcdef")) == pytest.approx(intervals.mean(values))


def test_stratified_with_one_group_is_the_plain_mean():
    values = [0.1, 0.9, 0.4, 0.4, 1.0, 0.0]
    assert intervals.stratified({"only": values}) == pytest.approx(intervals.mean(values))


def test_stratified_is_the_mean_of_means_and_copes_with_groups_of_one():
    found = intervals.stratified({"a": [1.0], "b": [0.0, 0.0, 0.0], "c": [1.0, 0.0]})
    assert found.value == pytest.approx(0.5)
    assert 0 < found.low < 0.3
    assert 0.7 < found.high < 1


def test_stratified_of_groups_all_right_or_all_wrong_is_not_certain():
    found = intervals.stratified({str(i): [float(i % 2)] * 2 for i in range(10)})
    assert found.low < 0.45
    assert found.high > 0.55


def test_groups_of_one_item_are_not_taken_as_certain():
    groups = {"large": [0.0, 1.0] * 50} | {str(i): [float(i % 2)] for i in range(19)}
    found = intervals.stratified(groups)
    # 20 groups, 19 of them one coin flip: about what 20 flips tell
    wilson = intervals.wilson(found.value * 20, 20)
    assert found.high - found.low > 0.9 * (wilson.high - wilson.low)


@pytest.mark.parametrize("right", [0.0, 1.0])
@pytest.mark.parametrize("n", [1, 10, 300])
def test_where_all_answers_are_alike_the_interval_is_wilsons(n, right):
    values = [right] * n
    wilson = intervals.wilson(right * n, n)
    assert intervals.mean(values) == pytest.approx(wilson)
    assert intervals.stratified({"only": values}) == pytest.approx(wilson)
    # clusters of two: as many independent answers as clusters, at worst
    assert intervals.clustered(values * 2, [str(i // 2) for i in range(2 * n)]) == pytest.approx(wilson)


def test_one_cluster_is_one_answer():
    assert intervals.clustered([1.0, 1.0, 0.0], ["p", "p", "p"]) == pytest.approx(
        (2 / 3, *intervals._wilson(2 / 3, 1, intervals.Z)[1:])
    )


@given(CLUSTERS)
def test_every_interval_holds_its_value_and_stays_in_bounds(rows):
    values, own = [value for value, _ in rows], [cluster for _, cluster in rows]
    groups = {name: [value for value, cluster in rows if cluster == name] for name in own}
    found = [
        intervals.mean(values),
        intervals.clustered(values, own),
        intervals.stratified(groups),
        intervals.interval(values, own)[0],
    ]
    for interval in found:
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
        assert interval.high - interval.low > 0


@given(CLUSTERS, st.randoms())
def test_order_does_not_matter(rows, random):
    mixed = list(rows)
    random.shuffle(mixed)
    assert intervals.clustered(*map(list, zip(*rows, strict=True))) == pytest.approx(
        intervals.clustered(*map(list, zip(*mixed, strict=True))), abs=1e-9
    )


@given(UNIT_VALUES)
def test_other_bounds_only_change_the_scale(values):
    unit = intervals.mean(values)
    scaled = intervals.mean([200 * value - 100 for value in values], bounded=(-100, 100))
    assert tuple(scaled) == pytest.approx([200 * end - 100 for end in unit], abs=1e-3)


def test_interval_chooses_the_method():
    assert intervals.interval([1, 0, 1])[1] == "wilson"
    assert intervals.interval([1, 0, 1], ["a", "b", "c"])[1] == "wilson"
    assert intervals.interval([1, 0, 1], ["a", "a", "c"])[1] == "clustered"
    assert intervals.interval([1, 0.5, 1])[1] == "mean"
    assert intervals.interval([1, 0, 1], bounded=None)[1] == "mean"


@pytest.mark.parametrize("values", [[], [1.2], [-0.1, 1.0], [math.nan]])
def test_values_that_no_interval_fits_are_refused(values):
    with pytest.raises(ValueError, match="value"):
        intervals.mean(values)


def test_as_many_clusters_as_values():
    with pytest.raises(ValueError, match="3 values need 3 clusters"):
        intervals.clustered([1, 0, 1], ["a", "b"])


def sample(item: str, group: str, cluster: str = "", **metrics: float) -> Sample:
    return Sample(Item(item, group, {}, cluster), metrics)


def test_scores_of_groups_categories_and_the_macro_average():
    samples = [sample(f"b/{i}", "b", acc=float(i < 30)) for i in range(40)]
    samples += [sample(f"a/{i}", "a", acc=float(i < 5)) for i in range(20)]
    samples += [sample(f"c/{i}", "c", acc=1.0) for i in range(20)]
    found = intervals.scores(samples, "acc", macro=True, categories={"a": "STEM", "b": "STEM"})
    assert [(score.group, score.metric, score.n, score.method) for score in found] == [
        ("all", "acc", 80, "wilson"),
        ("all", "acc_macro", 80, "stratified"),
        ("category:STEM", "acc", 60, "wilson"),
        ("a", "acc", 20, "wilson"),
        ("b", "acc", 40, "wilson"),
        ("c", "acc", 20, "wilson"),
    ]
    assert [score.value for score in found] == pytest.approx([55 / 80, 2 / 3, 35 / 60, 0.25, 0.75, 1.0])
    assert (found[0].value, found[0].low, found[0].high) == intervals.wilson(55, 80)


def test_repeats_are_averaged_first_and_the_item_is_their_cluster():
    samples = [sample("x", "g", acc=value) for value in (1.0, 0.0, 0.0, 0.0)] + [sample("y", "g", acc=1.0)]
    (found,) = intervals.scores(samples, "acc", by_group=False)
    assert (found.value, found.n, found.method) == (0.625, 2, "clustered")


def test_items_of_one_passage_are_a_cluster_and_an_item_alone_is_not_confused_with_one():
    samples = [sample(str(i), "drop", cluster=str(i // 4), f1=i / 20) for i in range(20)]
    (found,) = intervals.scores(samples, "f1", by_group=False)
    assert found.method == "clustered"
    assert (found.value, found.low, found.high) == pytest.approx(
        intervals.clustered([i / 20 for i in range(20)], [str(i // 4) for i in range(20)])
    )
    alone = [sample("1", "g", acc=1.0), sample("2", "g", cluster="1", acc=0.0)]
    assert intervals.scores(alone, "acc", by_group=False)[0].method == "wilson"


def test_samples_without_the_metric_do_not_count():
    samples = [sample("x", "g", acc=1.0), sample("y", "g", other=1.0)]
    assert intervals.scores(samples, "acc", by_group=False)[0].n == 1
    assert intervals.scores(samples, "nothing") == []


def test_a_metric_beyond_one_has_no_bounds():
    (found,) = intervals.scores([sample(str(i), "g", ppl=10.0 + i) for i in range(9)], "ppl", by_group=False)
    assert found.low < 14 < found.high
    assert found.high > 15


def test_scores_of_a_whole_mmlu_are_quick():
    samples = [sample(str(i), f"subject {i % 57}", acc=float(i % 3 == 0)) for i in range(14_042)]
    start = time.process_time()
    assert len(intervals.scores(samples, "acc", macro=True, categories={"subject 1": "STEM"})) == 60
    assert time.process_time() - start < 1
