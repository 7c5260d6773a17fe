"""A search by an optimizer's name, over the public suite's small space and known loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tuning.optimizers import make
from tuning.study.space import Space
from tuning.testing.optimizers import SMALL, START, Loop, loss
from tuning.testing.optimizers import outcome_of as told
from tuning.types import Outcome, Point

__all__ = ["SMALL", "START", "Loop", "loss", "search", "told"]


def search(
    name: str,
    blocks: int,
    evaluate: Callable[[Point], Outcome] = told,
    *,
    space: Space = SMALL,
    seed: int = 0,
    start: Sequence[Point] = START,
    block: int = 1,
    objectives: int = 1,
    constraints: int = 0,
) -> Loop:
    """A whole search, closed."""
    optimizer = make(name, space, seed, start, block, objectives, constraints)
    loop = Loop(optimizer, evaluate)
    try:
        loop.run(blocks)
    finally:
        optimizer.close()
    return loop
