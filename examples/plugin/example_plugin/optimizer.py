"""The optimizer `halton`: points that fill the space evenly (Halton 1960, scrambled by the seed)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuning.optimizers.sequential import SequentialOptimizer
from tuning.study.space import Space
from tuning.types import Outcome, Point


class Halton(SequentialOptimizer):
    """SequentialOptimizer brings start points, blocks, and a way on when points repeat."""

    name = "halton"
    max_objectives = 0  # any number: it looks at none
    takes_constraints = True

    def __init__(
        self, space: Space, seed: int, start: Sequence[Point], block: int, objectives: int, constraints: int
    ) -> None:
        from scipy.stats import qmc

        super().__init__(space, seed, start, block)
        self._sequence = qmc.Halton(len(space.names), rng=seed)

    def _propose(self) -> tuple[Point, Any]:
        (unit,) = self._sequence.random(1)
        codes: list[float] = []
        for parameter, part in zip(self.space.parameters, unit, strict=True):
            low, high = parameter.bounds
            whole = parameter.size is not None  # the codes of all but real parameters are whole numbers
            codes.append(int(low + part * (high - low + 1)) if whole else low + part * (high - low))
        return self.space.decode(codes), True

    def _learn(self, point: Point, token: Any, outcome: Outcome) -> None:
        """It learns nothing."""
