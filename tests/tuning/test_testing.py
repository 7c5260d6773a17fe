"""Our optimizers and objectives keep the public contracts; a part that breaks a sentence fails that sentence's test."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from harness import registry
from harness.errors import UsageError
from tests.harness.testing.broken import fails, failures
from tuning import optimizers
from tuning.optimizers.random_search import RandomSearch
from tuning.testing import ObjectiveContract, OptimizerContract, slower
from tuning.types import Measured, Outcome, Point, Surroundings


class Ours(OptimizerContract):
    """By name."""

    def __init_subclass__(cls) -> None:
        if cls.registered:
            cls.make = registry.load("optimizers", cls.registered)


class TestNomad(Ours):
    registered = "nomad"


class TestNniTpe(Ours):
    registered = "nni-tpe"
    learns = False  # within its warm-up of twenty (test_contract.py goes past it)


class TestTpe(Ours):
    registered = "tpe"


class TestGaussianProcess(Ours):
    registered = "gp"
    asks = 12  # it takes its time


class TestNsga2(Ours):
    registered = "nsga2"


class TestCmaEs(Ours):
    registered = "cma-es"


class TestRandom(Ours):
    registered = "random"
    learns = False


class TestList(Ours):
    registered = "list"
    seeded = learns = exhausts = False


def test_every_optimizer_of_ours_is_here() -> None:
    assert {suite.registered for suite in Ours.__subclasses__()} == {*optimizers.ORDER}


# what can be wrong with an optimizer


class _OtherGenerator(RandomSearch):
    def _propose(self) -> tuple[Point, Any] | None:
        self._rng.random(random.randrange(1, 9))
        return super()._propose()


class _ForgetsStart(RandomSearch):
    def __init__(self, space: Any, seed: int, start: Sequence[Point], block: int, *more: int) -> None:
        super().__init__(space, seed, start[:1], block, *more)


class _LargerBlocks(RandomSearch):
    def __init__(self, space: Any, seed: int, start: Sequence[Point], block: int, *more: int) -> None:
        super().__init__(space, seed, start, block + 1, *more)


class _OutsideTheSpace(RandomSearch):
    def _propose(self) -> tuple[Point, Any] | None:
        found = super()._propose()
        return found and ({**found[0], "rank": 5}, found[1])


class _InCircles(RandomSearch):
    """It asks again what it asked."""

    def ask(self) -> list[Point]:
        return [dict(self.start[0])]

    def tell(self, outcomes: Sequence[Outcome]) -> None: ...


class _Talks(RandomSearch):
    def ask(self) -> list[Point]:
        print("asking")
        return super().ask()


class _NanIsALoss(RandomSearch):
    """A failure and a loss that is no number are two things to it."""

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self._rng.random(sum(outcome.values is None for outcome in outcomes))
        super().tell(outcomes)


class _OneObjective(RandomSearch):
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.values is not None:
                (_,) = outcome.values
        super().tell(outcomes)


BROKEN = {
    _OtherGenerator: "test_a_seed_gives_one_sequence[1]",
    _ForgetsStart: "test_start_points_come_first_and_blocks_keep_their_size[1]",
    _LargerBlocks: "test_start_points_come_first_and_blocks_keep_their_size[4]",
    _OutsideTheSpace: "test_start_points_come_first_and_blocks_keep_their_size[1]",
    _InCircles: "test_a_finite_space_comes_to_its_end",
    _Talks: "test_nothing_is_said_and_nothing_written",
    _NanIsALoss: "test_failures_are_survived[some]",
    _OneObjective: "test_several_objectives_and_constraints",
}


@pytest.mark.parametrize("optimizer", BROKEN, ids=lambda optimizer: optimizer.__name__)
def test_a_broken_optimizer_fails(optimizer: type[RandomSearch]) -> None:
    suite = type("Contract", (OptimizerContract,), {"make": optimizer, "learns": False, "asks": 12})
    assert fails(suite, BROKEN[optimizer])


def test_one_that_does_not_learn_fails() -> None:
    suite = type("Contract", (OptimizerContract,), {"make": RandomSearch, "asks": 12})
    assert failures(suite) == {f"test_replay_goes_on_bit_identically[{block}]" for block in (1, 4)}


# objectives


class _Objective(ObjectiveContract):
    def __init_subclass__(cls) -> None:
        if cls.registered:
            cls.make = registry.load("objectives", cls.registered)
            cls.words = cls.__dict__.get("words", (cls.registered,))
            cls.bad_words = cls.__dict__.get("bad_words", (f"{cls.registered}:more",))


class TestValidation(_Objective):
    registered = "validation"
    worse = slower


class TestSeconds(_Objective):
    registered = "seconds"
    worse = slower


class TestMemory(_Objective):
    registered = "memory"
    worse = slower


class TestAdapterSize(_Objective):
    registered = "adapter-size"
    worse = slower


class TestBenchmark(_Objective):
    registered = "benchmark"
    words = ("benchmark:mmlu@20", "benchmark:mmlu:nature@3", "benchmark:lm_eval:hellaswag@5")
    bad_words = ("benchmark:", "benchmark:mmlu", "benchmark:mmlu@0", "benchmark:mmul@5", "benchmark:@5")
    measures = False


class TestWinRate(_Objective):
    registered = "win-rate"
    words = ("win-rate:reference@4", "win-rate:a@b@3")
    bad_words = ("win-rate:", "win-rate:judge", "win-rate:judge@0", "win-rate:judge@x")
    measures = False


class TestForgetting(_Objective):
    registered = "forgetting"
    words = ("forgetting", "forgetting:sample", "forgetting:own.txt", "forgetting:own.jsonl#0123abcd")
    bad_words = ("forgetting:", "forgetting:#0123abcd", "forgetting#0123abcd#", "forgetting@5")
    measures = False


def test_every_objective_of_ours_is_here() -> None:
    ours = set(registry.names("objectives")) - set(registry.plugins("objectives"))
    assert {suite.registered for suite in _Objective.__subclasses__()} == ours


class Spread:
    """How far the rows' losses lie apart."""

    word = "spread"

    def __init__(self, word: str) -> None:
        if word != self.word:
            raise UsageError(f"The objective spread is written so, and not {word!r}.")

    def measure(self, measured: Measured, where: Surroundings) -> float:
        losses = [nats / tokens for nats, tokens in measured.trained.validation.rows]
        return max(losses) - min(losses)


class _HigherIsBetter(Spread):
    def measure(self, measured: Measured, where: Surroundings) -> float:
        return -super().measure(measured, where)


class _Nan(Spread):
    def measure(self, measured: Measured, where: Surroundings) -> float:
        return float("nan")


class _Counts(Spread):
    measured = 0

    def measure(self, measured: Measured, where: Surroundings) -> float:
        self.measured += 1
        return float(self.measured)


class _TakesAnyWord(Spread):
    def __init__(self, word: str) -> None: ...


class _OtherWord(Spread):
    word = "spread"

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = "spread, of rows"


BROKEN_OBJECTIVES: dict[type[Spread], set[str]] = {
    Spread: set(),
    _HigherIsBetter: {"test_lower_is_better"},
    _Nan: {"test_it_measures_a_number", "test_lower_is_better"},
    _Counts: {"test_it_measures_a_number", "test_lower_is_better"},
    _TakesAnyWord: {"test_words_that_make_no_sense_are_refused"},
    _OtherWord: {"test_a_word_is_kept"},
}


@pytest.mark.parametrize("objective", BROKEN_OBJECTIVES, ids=lambda objective: objective.__name__)
def test_a_broken_objective_fails(objective: type[Spread]) -> None:
    given = {"make": objective, "words": ("spread",), "bad_words": ("spread:more",), "worse": slower}
    failed = failures(type("Contract", (ObjectiveContract,), given))
    assert failed >= BROKEN_OBJECTIVES[objective]
    assert bool(failed) == bool(BROKEN_OBJECTIVES[objective])
