"""Where a sampled run looks: a function of the questions and their order, seldom enough to keep a backend busy."""

from __future__ import annotations

from itertools import pairwise

import pytest

from harness.evaluation.planning import TaskPlan
from harness.evaluation.sampling import looks
from harness.stats.drawing import Place, drawn, units
from harness.types import Choice, Generate, Item, Prompt, Request
from tests.harness.tasks.capitals import Capitals

LEAST = 128


def plan_of(requests: list[Request], clusters: int = 0) -> TaskPlan:
    items = [Item(f"i{n}", "g", {}, f"p{n % clusters}" if clusters else "") for n in range(len(requests))]
    keys = [(n, 0, 0) for n in range(len(items))]
    return TaskPlan(object.__new__(Capitals), (), items, 1, keys, requests, (), ())


def looks_of(plan: TaskPlan, least: int = LEAST) -> list[int]:
    places = [Place(item.id, item.group, item.cluster) for item in plan.items]
    return looks.looks(plan, drawn(units(places, macro=False), 0), least)


def choices(count: int, shared: str = "", own: str = "q") -> list[Request]:
    return [Choice(Prompt(shared, own), ("a", "b")) for _ in range(count)]


def test_looks_grow_and_end_with_all_items():
    places = looks_of(plan_of(choices(14_042)))
    assert places[0] == LEAST
    assert places[-1] == 14_042
    steps = [after - before for before, after in pairwise([0, *places])]
    assert all(
        step >= max(LEAST, looks.GROWTH * before) for before, step in zip([0, *places], steps[:-1], strict=False)
    )
    assert len(places) < 30


def test_a_shared_prompt_makes_batches_larger():
    """It is computed anew in each batch: a batch has as much of its own."""
    long = looks_of(plan_of(choices(2_000, shared="x" * 50_000, own="y" * 100)))
    assert long[0] == 500
    assert looks_of(plan_of(choices(2_000, shared="x" * 5_000, own="y" * 100)))[0] == LEAST


def test_a_task_of_few_items_is_read_whole():
    assert looks_of(plan_of(choices(LEAST - 1))) == [LEAST - 1]
    # the last batch is no smaller than half of the least
    assert looks_of(plan_of(choices(LEAST + 10))) == [LEAST + 10]
    assert looks_of(plan_of(choices(2 * LEAST - 10))) == [LEAST, 2 * LEAST - 10]


def test_units_are_counted_and_not_items():
    plan = plan_of(choices(400), clusters=40)  # of ten items each
    assert looks_of(plan)[0] == pytest.approx(LEAST / 10, abs=1)
    assert looks_of(plan)[-1] == 40


def test_at_so_many_items_is_at_the_end_of_a_unit():
    plan = plan_of([Generate(Prompt("", "q"), (), 4)] * 30, clusters=10)
    order = drawn(units([Place(item.id, item.group, item.cluster) for item in plan.items], macro=False), 0)
    assert looks.look_at(order, 7) == [3, 10]
    assert looks.look_at(order, 30) == looks.look_at(order, 99) == [10]
