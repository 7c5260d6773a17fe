"""What the optimizers' tests share: a small space, a known objective, and a loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tuning.optimizers import make
from tuning.study.parameters import Choice, Integer, Real
from tuning.study.space import Space
from tuning.types import Optimizer, Outcome, Point

SMALL = Space(
    [
        Choice("rank", (4, 8, 16, 32)),
        Integer("alpha", 1, 64),
        Choice("dropout", (0.0, 0.1)),
        Real("lr", 1e-5, 1e-2, log=True),
    ]
)
START: list[Point] = [
    {"rank": 8, "alpha": 16, "dropout": 0.1, "lr": 2e-4},
    {"rank": 4, "alpha": 64, "dropout": 0.0, "lr": 1e-3},
]


def loss(point: Point) -> float:
    """Least at rank 16, alpha 32, dropout 0, lr 1e-3."""
    return (
        (math.log10(float(point["lr"])) + 3) ** 2
        + (math.log2(float(point["rank"])) - 4) ** 2 / 10
        + (math.log2(float(point["alpha"])) - 5) ** 2 / 20
        + float(point["dropout"])
    )


def told(point: Point) -> Outcome:
    return Outcome((loss(point),))


class Loop:
    """Asks and tells `blocks` times, and remembers."""

    def __init__(self, optimizer: Optimizer, evaluate: Callable[[Point], Outcome] = told) -> None:
        self.optimizer, self.evaluate = optimizer, evaluate
        self.blocks: list[list[Point]] = []
        self.outcomes: list[list[Outcome]] = []

    def run(self, blocks: int) -> list[list[Point]]:
        for _ in range(blocks):
            points = self.optimizer.ask()
            self.blocks.append(points)
            if not points:
                break
            self.outcomes.append([self.evaluate(point) for point in points])
            self.optimizer.tell(self.outcomes[-1])
        return self.blocks

    @property
    def points(self) -> list[Point]:
        return [point for block in self.blocks for point in block]


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
