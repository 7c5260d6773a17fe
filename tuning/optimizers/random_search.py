"""Random search: every point with the same chance, none twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tuning.optimizers.sequential import SequentialOptimizer, unseen
from tuning.types import Outcome, Point

if TYPE_CHECKING:
    from tuning.study.space import Space


class RandomSearch(SequentialOptimizer):
    name = "random"
    max_objectives = 0
    takes_constraints = True

    def __init__(
        self, space: Space, seed: int, start: Sequence[Point], block: int, objectives: int = 1, constraints: int = 0
    ) -> None:
        import numpy as np

        super().__init__(space, seed, start, block, objectives, constraints)
        self._rng = np.random.default_rng((seed, 2))

    def _propose(self) -> tuple[Point, Any] | None:
        point = unseen(self.space, self._rng, self._seen)
        return None if point is None else (point, True)

    def _learn(self, point: Point, token: Any, outcome: Outcome) -> None:
        """It learns nothing."""
