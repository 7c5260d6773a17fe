"""Spaces of any kind, for hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tuning.study.parameters import Choice, Integer, Parameter, Real, Stepped
from tuning.study.space import Space

RANK = st.lists(st.integers(1, 512), min_size=1, max_size=8, unique=True).map(
    lambda v: Choice("rank", tuple(sorted(v)))
)
ALPHA = st.tuples(
    st.sampled_from(["alpha", "alpha_over_rank", "alpha_over_sqrt_rank"]), st.integers(1, 64), st.integers(0, 64)
).map(lambda v: Integer(v[0], v[1], v[1] + v[2]))
LR = st.tuples(st.floats(1e-7, 1e-3), st.floats(1.01, 1e4), st.booleans()).map(
    lambda v: Real("lr", v[0], v[0] * v[1], log=v[2])
)
WARMUP = st.tuples(st.floats(0, 0.2), st.floats(0.001, 0.1), st.integers(0, 7)).map(
    lambda v: Stepped("warmup", v[0], v[0] + v[1] * v[2], v[1])
)
MODULES = st.just(Choice("target_modules", ("q_proj,v_proj", "q_proj", "all-linear")))
DORA = st.just(Choice("dora", (False, True)))


def spaces() -> st.SearchStrategy[Space]:
    kinds: list[st.SearchStrategy[Any]] = [RANK, ALPHA, LR, WARMUP, MODULES, DORA]
    return st.lists(st.sampled_from(kinds), min_size=1, max_size=6, unique=True).flatmap(
        lambda chosen: st.tuples(*chosen).map(_space)
    )


def _space(parameters: tuple[Parameter, ...]) -> Space:
    return Space(parameters)
