"""Two runs on the items they share, and the comparisons that are refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.evaluation.compare import compare, compare_runs
from harness.evaluation.task_result import TaskResult
from harness.stats import paired


@dataclass
class Row:
    item: str
    metrics: dict[str, float]
    group: str = "g"
    cluster: str = ""
    repeat: int = 0


def result(run: str, rows: list[Row], **changed: Any) -> TaskResult:
    standard = TaskResult(run, "mmlu", "standard", "1", 5, False, "", "d1", {"max_tokens": 8}, "acc", False, rows)
    return replace(standard, **changed)


def binary(values: str, group: str = "g", cluster: str = "") -> list[Row]:
    return [Row(f"{group}/{i}", {"acc": float(v)}, group, cluster) for i, v in enumerate(values)]


def test_right_and_wrong_of_independent_items():
    (found,) = compare(result("A", binary("1100110011")), result("B", binary("1111110000")))
    assert (found.task, found.group, found.metric, found.n) == ("mmlu", "all", "acc", 10)
    assert (found.a, found.b, found.difference) == pytest.approx((0.6, 0.6, 0.0))
    assert (found.flips, found.lost, found.gained, found.method) == (4, 2, 2, "mcnemar")
    assert found.p_value == pytest.approx(paired.mcnemar(2, 2))
    assert found.p_holm is None


def test_difference_is_b_less_a():
    (found,) = compare(result("A", binary("0000000011")), result("B", binary("1111111111")))
    assert found.difference == pytest.approx(0.8)
    assert (found.lost, found.gained) == (0, 8)
    assert 0 < found.low < 0.8 < found.high
    assert found.p_value == pytest.approx(paired.mcnemar(0, 8))


def test_items_of_one_passage_are_resampled_together():
    rows = [[Row(str(i), {"f1": (i * k % 7) / 7}, "drop", str(i // 5)) for i in range(60)] for k in (1, 3)]
    (found,) = compare(result("A", rows[0], metric="f1"), result("B", rows[1], metric="f1"))
    assert (found.method, found.flips, found.lost) == ("bootstrap", None, None)
    a, b = ({row.item: row.metrics["f1"] for row in part} for part in rows)
    order = sorted(a)
    own = ["c" + str(int(item) // 5) for item in order]
    test = paired.paired([a[i] for i in order], [b[i] for i in order], own)
    assert (found.low, found.high, found.p_value) == (test.low, test.high, test.p)


def test_right_and_wrong_in_passages_still_count_their_flips():
    rows = [[Row(str(i), {"em": float(i % k == 0)}, "drop", str(i // 3)) for i in range(30)] for k in (2, 3)]
    (found,) = compare(result("A", rows[0], metric="em"), result("B", rows[1], metric="em"))
    assert (found.method, found.flips, found.lost, found.gained) == ("bootstrap", 15, 10, 5)


def test_repeats_are_averaged_before_items_are_paired():
    a = [Row(str(i), {"acc": float(r < i)}, repeat=r) for i in range(6) for r in range(4)]
    b = [Row(str(i), {"acc": 1.0}) for i in range(6)]
    (found,) = compare(result("A", a), result("B", b))
    assert found.n == 6
    assert found.a == pytest.approx(sum(min(i, 4) / 4 for i in range(6)) / 6)
    assert (found.method, found.flips) == ("bootstrap", None)


def test_the_first_metric_comes_first_and_groups_follow_when_asked():
    rows = [Row(f"{g}/{i}", {"acc": float(i % 2), "abc": 0.5, "norm": 1.0}, g) for g in "xy" for i in range(8)]
    found = compare(result("A", rows), result("B", rows), by_group=True)
    assert [(c.metric, c.group, c.n) for c in found] == [
        (metric, group, n) for metric in ("acc", "abc", "norm") for group, n in (("all", 16), ("x", 8), ("y", 8))
    ]
    assert [c.metric for c in compare(result("A", rows), result("B", rows), metrics=["norm"])] == ["norm"]


def test_a_macro_metric_weighs_groups_alike():
    a = binary("0" * 10, "x") + binary("1" * 90, "y")
    b = binary("1" * 10, "x") + binary("1" * 80 + "0" * 10, "y")
    macro, micro = compare(result("A", a, metric="acc_macro"), result("B", b, metric="acc_macro"))
    assert (macro.metric, macro.method, micro.metric) == ("acc_macro", "stratified", "acc")
    assert (macro.a, macro.b) == pytest.approx((0.5, (1 + 80 / 90) / 2))
    assert macro.difference == pytest.approx((1 - 1 / 9) / 2)
    assert micro.difference == pytest.approx(0)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"task": "bbh"}, ["the task", "mmlu in A", "bbh in B"]),
        ({"protocol": "instructeval"}, ["protocol", "standard in A", "instructeval in B"]),
        ({"version": "2"}, ["version", "1 in A", "2 in B"]),
        ({"shots": 0}, ["shots", "5 in A", "0 in B"]),
        ({"chat": True}, ["chat", "False in A", "True in B"]),
        ({"system": "Be kind."}, ["system", "none in A", "Be kind. in B"]),
        ({"data_digest": "d2"}, ["data", "d1 in A", "d2 in B"]),
        ({"settings": {"max_tokens": 16}}, ["max_tokens", "8 in A", "16 in B"]),
        ({"settings": {"max_tokens": 8, "stop": ["."]}}, ["stop", "none in A", "['.'] in B"]),
    ],
)
def test_runs_that_were_measured_differently_are_refused(changed, words):
    rows = binary("10")
    with pytest.raises(UsageError) as error:
        compare(result("A", rows), result("B", rows, **changed))
    assert all(word in str(error.value) for word in words)
    assert str(error.value).count("\n") == 0


def test_other_items_are_refused_with_their_counts():
    with pytest.raises(UsageError, match=r"6 in A, 4 in B \(a partial run\), 4 in both"):
        compare(result("A", binary("101010")), result("B", binary("1010"), partial=True))


def test_partial_runs_of_the_same_items_are_compared():
    a, b = (result(name, binary("1010"), partial=True) for name in "AB")
    assert compare(a, b)[0].n == 4


def test_a_run_without_answers_is_refused():
    with pytest.raises(UsageError, match="B has no scored answer"):
        compare(result("A", binary("10")), result("B", []))


def test_a_metric_that_is_not_there_is_refused_and_the_near_one_named():
    with pytest.raises(UsageError, match=r"no metric accc .*Did you mean acc"):
        compare(result("A", binary("10")), result("B", binary("10")), metrics=["accc"])


def test_items_without_the_metric_in_both_do_not_count():
    a = [*binary("1011"), Row("extra", {"other": 1.0})]
    b = [*binary("1001"), Row("extra", {"acc": 1.0})]
    assert [(c.metric, c.n) for c in compare(result("A", a), result("B", b))] == [("acc", 4)]


def test_several_tasks_get_holm_over_their_first_metrics():
    def tasks(run: str, values: dict[str, str]) -> list[TaskResult]:
        return [result(run, binary(answers), task=task) for task, answers in values.items()]

    a = tasks("A", {"x": "0" * 20, "y": "0" * 20, "only in a": "1"})
    b = tasks("B", {"y": "1" * 6 + "0" * 14, "x": "1" * 20})
    found = compare_runs(a, b)
    assert [c.task for c in found] == ["x", "y"]
    assert [c.p_holm for c in found] == pytest.approx(paired.holm([c.p_value for c in found]))
    assert found[1].p_holm == found[1].p_value
    assert found[0].p_holm == 2 * found[0].p_value
    (one,) = compare_runs(a[:1], b)
    assert one.p_holm is None


def test_runs_without_a_common_task_are_refused():
    with pytest.raises(UsageError, match="share no task: mmlu against bbh"):
        compare_runs([result("A", binary("1"))], [result("B", binary("1"), task="bbh")])


ROWS = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.booleans(), st.sampled_from(["", "p", "q", "r"])),
    min_size=1,
    max_size=30,
)


def runs(rows: list[tuple[float, float, bool, bool, str]]) -> tuple[TaskResult, TaskResult]:
    a = [Row(str(i), {"acc": float(r[2]), "f1": r[0]}, "xy"[i % 2], r[4]) for i, r in enumerate(rows)]
    b = [Row(str(i), {"acc": float(r[3]), "f1": r[1]}, "xy"[i % 2], r[4]) for i, r in enumerate(rows)]
    return result("A", a), result("B", b)


METRICS = ["acc", "f1", "acc_macro", "f1_macro"]


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_turning_the_runs_round_turns_every_number_round(rows):
    a, b = runs(rows)
    for there, back in zip(compare(a, b, METRICS, True), compare(b, a, METRICS, True), strict=True):
        assert (back.difference, back.low, back.high) == pytest.approx((-there.difference, -there.high, -there.low))
        assert (back.a, back.b, back.p_value) == pytest.approx((there.b, there.a, there.p_value))
        assert (back.lost, back.gained, back.flips) == (there.gained, there.lost, there.flips)
        assert there.difference == pytest.approx(there.b - there.a)


@settings(max_examples=25, deadline=None)
@given(ROWS, st.randoms())
def test_the_order_of_rows_does_not_matter(rows, random):
    a, b = runs(rows)
    mixed = random.sample(list(b.samples), len(rows))
    assert compare(a, b, METRICS) == compare(a, replace(b, samples=mixed), METRICS)


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_a_run_against_itself(rows):
    a, _ = runs(rows)
    for found in compare(a, a, METRICS, by_group=True):
        assert (found.difference, found.p_value, found.flips or 0) == (0, 1, 0)


def test_runs_without_a_metric_that_is_a_mean_are_refused() -> None:
    """A perplexity is no mean over items: such samples have no metrics."""
    rows = [replace(row, metrics={}) for row in binary("11")]
    with pytest.raises(UsageError, match="nothing to pair"):
        compare_runs([result("a", rows)], [result("b", rows)])
