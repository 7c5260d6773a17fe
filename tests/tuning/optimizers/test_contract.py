"""What all our optimizers do beyond the public suite (tuning/testing, called in tests/tuning/test_testing.py)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from tests.tuning.optimizers.spaces import SMALL, START, loss, search, told
from tests.tuning.spaces import spaces
from tuning.optimizers import make, names
from tuning.study.parameters import Choice
from tuning.study.space import Space
from tuning.types import Outcome, Point

SEARCHES = [name for name in names() if name != "list"]


def test_nni_replays_past_its_warm_up():
    whole = search("nni-tpe", 30)
    assert search("nni-tpe", 30).blocks == whole.blocks
    mirrored = search("nni-tpe", 30, lambda p: Outcome((-loss(p),)))
    assert mirrored.blocks[:20] == whole.blocks[:20]
    assert mirrored.blocks != whole.blocks


@pytest.mark.parametrize("which", ["x0", "some", "all"])
@pytest.mark.parametrize("name", SEARCHES)
def test_failures_are_survived(name: str, which: str):
    """Where some fail, the search goes on among those that do not; a loss that is no number is a failure."""

    def failing(outcome: Outcome) -> Callable[[Point], Outcome]:
        fails = {"x0": lambda p: p in START, "some": lambda p: int(p["alpha"]) % 3 == 0, "all": lambda _: True}[which]
        return lambda point: outcome if fails(point) else told(point)

    asked = 12 if name == "gp" else 24
    loop = search(name, asked, failing(Outcome(None)))
    assert len(loop.points) == asked
    good = [o for each in loop.outcomes for o in each if o.values is not None]
    assert len(good) >= (0 if which == "all" else asked // 3)
    for odd in (math.nan, math.inf):
        assert search(name, asked, failing(Outcome((odd,)))).blocks == loop.blocks


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_comes_near_the_best(name: str):
    best = min(map(loss, search(name, 20 if name == "gp" else 45, start=START[:1]).points))
    assert best < (1.0 if name == "random" else 0.3)


@pytest.mark.parametrize("name", names())
def test_a_small_space_is_searched_to_its_end(name: str):
    """No search goes in circles: every point of a finite space comes, and then no more."""
    space = Space([Choice("rank", (4, 8, 16)), Choice("dropout", (0.0, 0.1))])
    start: list[Point] = [{"rank": 4, "dropout": 0.0}]

    def evaluate(point: Point) -> Outcome:
        return Outcome((float(point["rank"]) + float(point["dropout"]),))

    loop = search(name, 200, evaluate, space=space, start=start)
    assert loop.blocks[-1] == []
    assert len({space.key(p) for p in loop.points}) == (1 if name == "list" else 6)


@pytest.mark.parametrize("name", [name for name in SEARCHES if name not in ("gp", "nni-tpe")])
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_space(name: str, data: st.DataObject):
    space = data.draw(spaces())
    seed = data.draw(st.integers(0, 2**32 - 1))
    block = data.draw(st.integers(1, 4))
    values = data.draw(st.lists(st.one_of(st.none(), st.floats(-1e3, 1e3)), min_size=1, max_size=9))
    start = [space.decode([low for low, _ in space.bounds])]

    def evaluate(point: Point) -> Outcome:
        value = values[hash(space.key(point)) % len(values)]
        return Outcome(None if value is None else (value,))

    first = search(name, 6, evaluate, space=space, seed=seed, start=start, block=block)
    again = search(name, 6, evaluate, space=space, seed=seed, start=start, block=block)
    assert first.blocks == again.blocks
    assert all(point == space.canonical(point) for point in first.points)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("nomda", {}, "Did you mean nomad"),
        ("nni-tpe", {"objectives": 2}, "has one objective"),
        ("cma-es", {"constraints": 1}, "knows no constraints"),
        ("nomad", {"objectives": 3}, "2 objectives at most"),
        ("random", {"block": 0}, "at least 1"),
        ("random", {"start": [{"rank": 5}]}, "lacks"),
        ("random", {"start": [{**START[0], "rank": 5}]}, "rank = 5 is not one of 4, 8, 16, 32"),
    ],
)
def test_what_cannot_be_is_a_sentence(name: str, options: dict, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        make(**{"name": name, "space": SMALL, "seed": 0, "start": START, **options})
