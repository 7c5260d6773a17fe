"""What the optimizers have in common: start points first, blocks, and a way out of going in circles."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tuning.types import Outcome, Point, Value

if TYPE_CHECKING:
    import numpy as np

    from tuning.study.space import Space

PATIENCE = 5  # proposals in a row that were all there before
LISTED = 100_000  # points of a space that is listed to find those that are left
DRAWS = 10_000


class SequentialOptimizer(ABC):
    """An optimizer that proposes one point at a time. A subclass says what comes after the start points."""

    name: ClassVar[str]
    max_objectives: ClassVar[int] = 1
    takes_constraints: ClassVar[bool] = False

    def __init__(
        self, space: Space, seed: int, start: Sequence[Point], block: int, objectives: int = 1, constraints: int = 0
    ) -> None:
        import numpy as np

        self.space = space
        self.start = [space.canonical(point) for point in start]
        self.block = block
        self._stray = np.random.default_rng((seed, 1))  # for points that no algorithm proposed
        self._seen: set[str] = set()
        self._asked: list[tuple[Point, Any]] | None = None  # with the subclass's token, None for its own
        self._repeats = 0
        self._started = 0

    @abstractmethod
    def _propose(self) -> tuple[Point, Any] | None:
        """The next point and a token to know it by, not None. None when the algorithm has no more."""

    @abstractmethod
    def _learn(self, point: Point, token: Any, outcome: Outcome) -> None:
        """What came of a proposed point, or, where the token is None, of a point from elsewhere.
        Its values are finite or None."""

    def ask(self) -> list[Point]:
        if self._asked is not None:
            raise RuntimeError("asked again before the last block was told")
        if self._started < len(self.start):
            asked: list[tuple[Point, Any]] = [(p, None) for p in self.start[self._started :][: self.block]]
            self._started += len(asked)
            self._seen |= {self.space.key(point) for point, _ in asked}
        else:
            asked = []
            while len(asked) < self.block and (proposal := self._next()) is not None:
                asked.append(proposal)
        self._asked = asked or None
        return [dict(point) for point, _ in asked]

    def _next(self) -> tuple[Point, Any] | None:
        """A proposal. Where the algorithm has ended or goes in circles, a point that was never asked; None when there
        is none."""
        if len(self._seen) == self.space.count:
            return None
        proposal = self._propose() if self._repeats < PATIENCE else None
        if proposal is None:
            point = unseen(self.space, self._stray, self._seen)
            if point is None:
                return None
            proposal = (point, None)
        key = self.space.key(proposal[0])
        self._repeats = self._repeats + 1 if key in self._seen else 0
        self._seen.add(key)
        return proposal

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        asked = self._asked or []
        if len(outcomes) != len(asked):
            raise ValueError(f"{len(asked)} points were asked, and {len(outcomes)} outcomes told")
        self._asked = None
        for (point, token), outcome in zip(asked, outcomes, strict=True):
            self._learn(point, token, usable(outcome))

    def close(self) -> None:  # noqa: B027 - an optimizer without a child has nothing to stop
        """Stop what runs beside this process."""


def usable(outcome: Outcome) -> Outcome:
    """The outcome, or a failed one where a number is not finite: one NaN can poison a search for good."""
    numbers = (*(outcome.values or ()), *outcome.constraints)
    return outcome if outcome.values is not None and all(map(math.isfinite, numbers)) else Outcome(None)


def unseen(space: Space, rng: np.random.Generator, seen: Collection[str]) -> dict[str, Value] | None:
    """A random point that is not among the keys `seen`; None where all are. In a space too large to list, all are
    taken to be seen when so many draws in a row were: far more than any study trains."""
    for _ in range(100 if space.count <= LISTED else DRAWS):
        point = space.draw(rng)
        if space.key(point) not in seen:
            return point
    if space.count > LISTED:
        return None
    left = [p for p in space.points() if space.key(p) not in seen]
    return left[int(rng.integers(len(left)))] if left else None
