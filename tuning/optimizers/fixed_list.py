"""A fixed list: the start points and no more."""

from __future__ import annotations

from typing import Any

from tuning.optimizers.sequential import SequentialOptimizer
from tuning.types import Outcome, Point


class FixedList(SequentialOptimizer):
    name = "list"
    max_objectives = 0
    takes_constraints = True

    def _next(self) -> None:
        return None

    def _propose(self) -> None:
        return None

    def _learn(self, point: Point, token: Any, outcome: Outcome) -> None:
        """It learns nothing."""
