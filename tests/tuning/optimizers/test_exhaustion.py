"""Small spaces: every optimizer comes to their end, and never spins."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tuning.optimizers.spaces import search
from tuning import optimizers
from tuning.optimizers.sequential import PATIENCE
from tuning.study.parameters import Choice, Integer, Parameter, Real, Stepped
from tuning.study.space import Space
from tuning.types import Outcome, Point

SEARCHES = [name for name in optimizers.names() if name != "list"]
EXAMPLES = {"gp": 8, "nomad": 8}

LOG = st.booleans()
REAL = st.one_of(
    st.tuples(st.just("lr"), st.floats(1e-6, 1e-2), st.just(1.0), LOG),  # equal ends
    st.tuples(st.just("lr"), st.floats(1e-6, 1e-2), st.floats(1.0, 1.002), LOG),
).map(lambda v: Real(v[0], v[1], v[1] * v[2], v[3]))
DROPOUT = st.lists(st.sampled_from([0.0, 0.01, 0.05, 0.1]), min_size=1, max_size=3, unique=True).map(
    lambda v: Choice("dropout", tuple(sorted(v)))
)
RANK = st.tuples(st.integers(1, 8), st.integers(0, 2)).map(lambda v: Stepped("rank", v[0], v[0] * (1 + v[1]), v[0]))
ALPHA = st.tuples(st.integers(1, 64), st.integers(0, 2)).map(lambda v: Integer("alpha", v[0], v[0] + v[1]))
DORA = st.sampled_from([(False,), (False, True)]).map(lambda v: Choice("dora", v))


def small_spaces() -> st.SearchStrategy[Space]:
    kinds: list[st.SearchStrategy[Any]] = [REAL, DROPOUT, RANK, ALPHA, DORA]
    chosen = st.lists(st.sampled_from(kinds), min_size=1, max_size=3, unique=True)
    made = chosen.flatmap(lambda parameters: st.tuples(*parameters).map(_space))
    return made.filter(lambda space: space.count <= 24)


def _space(parameters: tuple[Parameter, ...]) -> Space:
    return Space(parameters)


@pytest.mark.parametrize("name", SEARCHES)
def test_any_small_space_is_searched_to_its_end(name: str) -> None:
    @settings(
        max_examples=EXAMPLES.get(name, 20),
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @given(
        space=small_spaces(),
        block=st.integers(1, 4),
        seed=st.integers(0, 2**31 - 1),
        values=st.lists(st.one_of(st.none(), st.floats(-1e3, 1e3)), min_size=1, max_size=5),
        from_start=st.booleans(),
    )
    def ends(space: Space, block: int, seed: int, values: list[float | None], from_start: bool) -> None:
        def evaluate(point: Point) -> Outcome:
            value = values[sum(map(ord, space.key(point))) % len(values)]
            return Outcome(None if value is None else (value,))

        start = [next(space.points())] if from_start else []
        asks = (PATIENCE + 1) * space.count + 1
        loops = [search(name, asks, evaluate, space=space, seed=seed, start=start, block=block) for _ in range(2)]
        assert loops[0].blocks == loops[1].blocks  # resume
        assert loops[0].blocks[-1] == []
        assert len({space.key(point) for point in loops[0].points}) == space.count
        assert len(loops[0].points) <= (PATIENCE + 1) * space.count

    ends()


@given(low=st.floats(1e-7, 1e3), by=st.floats(0, 0.05), log=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_values_of_a_real_are_counted(low: float, by: float, log: bool) -> None:
    """All that its codes can mean, and no other."""
    real = Real("lr", low, low * (1 + by), log)
    values = real.all_values()
    assert len(set(values)) == len(values) == real.count
    assert all(real.check(value) == value == real.decode(real.encode(value)) for value in values)
    a, b = real.bounds
    assert {real.decode(a + (b - a) * k / 5000) for k in range(5001)} == set(values)


def test_wide_ranges_are_counted_and_not_listed() -> None:
    assert Real("lr", 1e-6, 1e-3, log=True).count == 27_001
    assert Real("dropout", 0, 0).count == 1
    space = Space([Real("dropout", 0.0, 0.1), Real("lr", 1e-6, 1e-3)])
    assert space.count > 1e10
    assert space.size is None
    assert math.isfinite(space.count)
