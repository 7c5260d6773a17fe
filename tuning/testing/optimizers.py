"""The contract of an optimizer (`tuning.types.Optimizer`), and a small search with a known best to try one on."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from harness.testing.registered import Registered
from tuning.study.parameters import Choice, Integer, Real
from tuning.study.space import Space
from tuning.types import Outcome, Point

if TYPE_CHECKING:
    from tuning.types import Optimizer

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
FINITE = Space([Choice("rank", (4, 8, 16)), Choice("dropout", (0.0, 0.1))])


def loss(point: Point) -> float:
    """Over SMALL: least at rank 16, alpha 32, dropout 0, lr 1e-3."""
    return (
        (math.log10(float(point["lr"])) + 3) ** 2
        + (math.log2(float(point["rank"])) - 4) ** 2 / 10
        + (math.log2(float(point["alpha"])) - 5) ** 2 / 20
        + float(point["dropout"])
    )


def outcome_of(point: Point) -> Outcome:
    return Outcome((loss(point),))


class Loop:
    """Asks and tells `blocks` times, and remembers."""

    def __init__(self, optimizer: Optimizer, evaluate: Callable[[Point], Outcome] = outcome_of) -> None:
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


class OptimizerContract(Registered):
    """The contract of an optimizer (`tuning.types.Optimizer`). A subclass sets

    make        the class that the entry point names, called (space, seed, start, block, objectives, constraints)
    asks        how many points are asked, past all warm-ups of the algorithm; blocks of four are asked a third as often
    seeded      does another seed give other points?
    learns      do the points depend on the outcomes?
    exhausts    does it give every point of a finite space before it ends?"""

    kind = "optimizers"
    make: ClassVar[Any]
    asks: ClassVar[int] = 18
    seeded: ClassVar[bool] = True
    learns: ClassVar[bool] = True
    exhausts: ClassVar[bool] = True

    def new(
        self,
        space: Space = SMALL,
        seed: int = 0,
        start: Sequence[Point] = START,
        block: int = 1,
        objectives: int = 1,
        constraints: int = 0,
    ) -> Optimizer:
        optimizer: Optimizer = type(self).make(space, seed, list(start), block, objectives, constraints)
        return optimizer

    def search(self, blocks: int, evaluate: Callable[[Point], Outcome] = outcome_of, **given: Any) -> Loop:
        """A whole search, closed."""
        optimizer = self.new(**given)
        loop = Loop(optimizer, evaluate)
        try:
            loop.run(blocks)
        finally:
            optimizer.close()
        return loop

    def _blocks(self, block: int) -> int:
        return self.asks if block == 1 else max(self.asks // 3, 2)

    def test_it_says_what_it_can(self) -> None:
        made = type(self).make
        assert isinstance(made.max_objectives, int)
        assert made.max_objectives >= 0
        assert isinstance(made.takes_constraints, bool)
        optimizer = self.new()
        assert isinstance(optimizer.name, str)
        assert not self.registered or optimizer.name == self.registered
        optimizer.close()

    @pytest.mark.parametrize("block", [1, 4])
    def test_start_points_come_first_and_blocks_keep_their_size(self, block: int) -> None:
        loop = self.search(4, block=block)
        assert loop.points[:2] == START
        assert all(len(points) <= block for points in loop.blocks)
        for point in loop.points:
            assert point == SMALL.canonical(point), "a point that is not in the space"
            assert list(point) == list(SMALL.names)

    @pytest.mark.parametrize("block", [1, 4])
    def test_a_seed_gives_one_sequence(self, block: int) -> None:
        """Whatever the state of Python's and numpy's own generators. And another seed gives another one."""
        import numpy as np

        sequences = []
        for number in (1, 2):
            random.seed(number)
            np.random.seed(number)
            sequences.append(self.search(self._blocks(block), seed=3, block=block).blocks)
        assert sequences[0] == sequences[1]
        if self.seeded:
            assert self.search(self._blocks(block), seed=4, block=block).blocks != sequences[0]

    @pytest.mark.parametrize("block", [1, 4])
    def test_replay_goes_on_bit_identically(self, block: int) -> None:
        """Told the recorded outcomes in mid-search, a fresh one proposes what the unbroken one did; and what it
        proposes does follow from the outcomes."""
        whole = self.search(self._blocks(block), block=block)
        half = len(whole.outcomes) // 2
        fresh = self.new(block=block)
        for points, outcomes in zip(whole.blocks[:half], whole.outcomes, strict=False):
            assert fresh.ask() == points
            fresh.tell(outcomes)
        rest = Loop(fresh).run(len(whole.blocks) - half)
        fresh.close()
        assert rest == whole.blocks[half:]
        if self.learns:
            mirrored = self.search(self._blocks(block), lambda p: Outcome((-loss(p),)), block=block)
            assert mirrored.blocks != whole.blocks, "the outcomes change nothing"

    @pytest.mark.parametrize("which", ["start", "some", "all"])
    def test_failures_are_survived(self, which: str) -> None:
        """A loss that is no number is a failure."""
        fails: dict[str, Callable[[Point], bool]] = {
            "start": lambda p: p in START,
            "some": lambda p: int(p["alpha"]) % 3 == 0,
            "all": lambda _: True,
        }

        def failing(outcome: Outcome) -> Callable[[Point], Outcome]:
            return lambda point: outcome if fails[which](point) else outcome_of(point)

        loop = self.search(self.asks, failing(Outcome(None)))
        assert len(loop.points) == (self.asks if self.exhausts else len(loop.points))
        assert all(point == SMALL.canonical(point) for point in loop.points)
        for odd in (math.nan, math.inf):
            assert self.search(self.asks, failing(Outcome((odd,)))).blocks == loop.blocks

    def test_several_objectives_and_constraints(self) -> None:
        """As many as the class says it takes."""
        most = type(self).make.max_objectives or 3
        constraints = 1 if type(self).make.takes_constraints else 0

        def evaluate(point: Point) -> Outcome:
            values = tuple(loss(point) + n * float(point["rank"]) for n in range(most))
            return Outcome(values, (float(point["rank"]) - 16,) * constraints)

        loop = self.search(6, evaluate, objectives=most, constraints=constraints, block=2)
        assert all(point == SMALL.canonical(point) for point in loop.points)
        assert loop.points[:2] == START

    def test_a_finite_space_comes_to_its_end(self) -> None:
        """No search goes in circles: all points come, and then none."""
        start: list[Point] = [{"rank": 4, "dropout": 0.0}]
        loop = self.search(200, lambda p: Outcome((float(p["rank"]) + float(p["dropout"]),)), space=FINITE, start=start)
        assert loop.blocks[-1] == []
        if self.exhausts:
            assert len({FINITE.key(point) for point in loop.points}) == FINITE.count

    @pytest.mark.parametrize("asked", [0, 1, 3])
    def test_close_twice_and_at_any_time(self, asked: int) -> None:
        optimizer = self.new()
        Loop(optimizer).run(asked)
        optimizer.close()
        optimizer.close()

    def test_nothing_is_said_and_nothing_written(
        self, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        self.search(6, block=2)
        assert capfd.readouterr() == ("", "")
        assert not os.listdir(tmp_path)

    def test_asking_before_telling_is_an_error(self) -> None:
        optimizer = self.new()
        optimizer.ask()
        with pytest.raises(RuntimeError):
            optimizer.ask()
        with pytest.raises(ValueError, match="asked"):
            optimizer.tell([])
        optimizer.close()
