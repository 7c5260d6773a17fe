"""Runs of which one, or both, have read a part of their items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.errors import UsageError
from harness.evaluation.compare import compare
from harness.evaluation.task_result import MACRO, TaskResult
from harness.results import SampleRow
from harness.stats.drawing import Place, drawn, units

ITEMS = 240
RNG = np.random.default_rng(3)
STRENGTH = RNG.normal(size=ITEMS)
GROUPS = [f"g{n}" for n in RNG.choice(4, ITEMS, p=[0.1, 0.2, 0.3, 0.4])]
CLUSTERS = [f"p{n // 4}" if n < 80 else "" for n in range(ITEMS)]


def result(name: str, shift: float, metric: str = "acc", clustered: bool = False) -> TaskResult:
    right = STRENGTH + 0.5 * np.random.default_rng(len(name)).normal(size=ITEMS) + shift > 0
    rows = [
        SampleRow(name, "mmlu", f"q{n:03}", 0, GROUPS[n], CLUSTERS[n] if clustered else "", {"acc": float(right[n])})
        for n in range(ITEMS)
    ]
    return TaskResult(name, "mmlu", "standard", "1", 0, False, "", "d", {}, metric, False, rows)


def read(whole: TaskResult, units_read: int, seed: int = 0) -> TaskResult:
    """The run, had it read only so many of its units."""
    places = [Place(row.item, row.group, row.cluster) for row in whole.samples]
    there = {
        item for unit in drawn(units(places, whole.metric.endswith(MACRO)), seed)[:units_read] for item in unit.items
    }
    rows = [row for row in whole.samples if row.item in there]
    return replace(whole, samples=rows, read=len(there), items=len(whole.samples), seed=seed)


@pytest.mark.parametrize("metric", ["acc", "acc_macro"])
@pytest.mark.parametrize("clustered", [False, True])
def test_a_part_says_what_the_whole_runs_differ_by(metric: str, clustered: bool) -> None:
    base, new = result("base", 0.5, metric, clustered), result("new", -0.4, metric, clustered)
    (whole,) = compare(base, new, [metric])
    for a, b in ((base, read(new, 90)), (read(base, 90), new)):
        (row,) = compare(a, b, [metric])
        assert row.low <= whole.difference <= row.high < 0
        assert (row.method, row.of) == ("sequence", ITEMS)
        assert row.n == (90 if not clustered else row.n) < ITEMS
        assert row.b - row.a == pytest.approx(row.difference)
        assert row.p_value < 0.05
    # the whole side's figure is its own
    assert compare(base, read(new, 90), [metric])[0].a == pytest.approx(whole.a)
    assert compare(read(base, 90), new, [metric])[0].b == pytest.approx(whole.b)


def test_the_two_directions_are_one_comparison() -> None:
    base, new = result("base", 0.5), read(result("new", -0.4), 90)
    (there,), (back,) = compare(base, new), compare(new, base)
    assert (back.difference, back.low, back.high) == pytest.approx((-there.difference, -there.high, -there.low))
    assert (back.lost, back.gained) == (there.gained, there.lost)


def test_two_parts_are_compared_on_what_both_have_read() -> None:
    base, new = result("base", 0.5), result("new", -0.4)
    (whole,) = compare(base, new)
    (row,) = compare(read(base, 150), read(new, 100))
    assert (row.n, row.of) == (100, ITEMS)
    assert row.low <= whole.difference <= row.high
    wider = row.high - row.low
    (beside,) = compare(base, read(new, 100))
    assert beside.high - beside.low < wider


def test_groups_have_their_own_figures() -> None:
    base, new = result("base", 0.5), result("new", -0.4)
    rows = {row.group: row for row in compare(base, read(new, 120), by_group=True)}
    whole = {row.group: row for row in compare(base, new, by_group=True)}
    assert rows.keys() == whole.keys()
    assert sum(rows[name].n for name in rows if name != "all") == 120
    assert all(rows[name].low <= whole[name].difference <= rows[name].high for name in rows)
    assert {row.group for row in compare(read(base, 120), read(new, 120), by_group=True)} == {"all"}


def test_a_part_that_is_all_but_one_item_leaves_nearly_nothing_open() -> None:
    base, new = result("base", 0.5), result("new", -0.4)
    (row,) = compare(base, read(new, ITEMS - 1))
    assert row.high - row.low <= 1 / ITEMS + 1e-9


def test_what_has_no_common_order_is_refused() -> None:
    base, new = result("base", 0.5), result("new", -0.4)
    with pytest.raises(UsageError, match="different random orders"):
        compare(read(base, 90), read(new, 90, seed=1))
    with pytest.raises(UsageError, match="what the others weigh"):
        compare(read(result("base", 0.5, "acc_macro"), 90), read(result("new", 0.5, "acc_macro"), 90))
    with pytest.raises(UsageError, match="what the others weigh"):  # more is stored than was read in order
        compare(read(base, 90), replace(read(new, 90), read=80))
    with pytest.raises(UsageError, match="which are not the same"):
        compare(replace(base, samples=base.samples[:100]), read(new, 90))
    with pytest.raises(UsageError, match="not over several"):
        compare([base, base], [read(new, 90)])
