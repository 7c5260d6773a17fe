"""Our judge keeps the public contract; a judge that breaks a sentence of it fails that sentence's test."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from judges.judging.reference_judge import ReferenceJudge
from judges.testing import JudgeContract, pair
from judges.types import JudgedPair, Verdict
from tests.harness.testing.broken import failures


class TestReference(JudgeContract):
    make = ReferenceJudge
    registered = "reference"
    better = (
        pair("2 + 2 = 4", "It is 5."),
        pair("So the answer is four.", "Five, I think.", "four"),
        pair("The answer is 4.", ""),
    )


class Shorter:
    """The shorter answer wins."""

    name, version = "shorter", "1"
    config: Mapping[str, Any] = {}

    def compare(self, pair: JudgedPair) -> Verdict | None:
        first, second = len(pair.first[-1]), len(pair.second[-1])
        return Verdict("tie" if first == second else "first" if first < second else "second")


class _First(Shorter):
    def compare(self, pair: JudgedPair) -> Verdict | None:
        return Verdict("first")


class _Longer(Shorter):
    def compare(self, pair: JudgedPair) -> Verdict | None:
        return super().compare(replace(pair, first=pair.second, second=pair.first))


class _Draws(Shorter):
    def compare(self, pair: JudgedPair) -> Verdict | None:
        return super().compare(pair) if random.random() < 0.5 else None


class _Remembers(Shorter):
    def __init__(self) -> None:
        self.seen: set[str] = set()

    def compare(self, pair: JudgedPair) -> Verdict | None:
        known = pair.first[-1] in self.seen
        self.seen.add(pair.first[-1])
        return Verdict("tie") if known else super().compare(pair)


class _BreaksOnEmpty(Shorter):
    def compare(self, pair: JudgedPair) -> Verdict | None:
        assert pair.first[-1][0]
        return super().compare(pair)


class _ConfigIsNoJson(Shorter):
    config = MappingProxyType({"limits": (1, 2)})


class _PrefersAMapping(Shorter):
    def compare(self, pair: JudgedPair) -> Verdict | None:
        verdict = super().compare(pair)
        return verdict and replace(verdict, winner="A" if verdict.winner == "first" else "B")  # type: ignore[arg-type]


BROKEN: dict[type[Shorter], str] = {
    Shorter: "",
    _First: "test_the_other_order_is_the_other_verdict",
    _Longer: "test_the_better_answer_wins",
    _Draws: "test_a_verdict_follows_from_the_pair_alone",
    _Remembers: "test_a_verdict_follows_from_the_pair_alone",
    _BreaksOnEmpty: "test_no_text_breaks_it",
    _ConfigIsNoJson: "test_it_says_what_it_is",
    _PrefersAMapping: "test_the_better_answer_wins",
}


@pytest.mark.parametrize("judge", BROKEN, ids=lambda judge: judge.__name__)
def test_a_broken_judge_fails(judge: type[Shorter]) -> None:
    random.seed(0)
    better = [pair("x" * n, "x" * 10) for n in range(1, 9)]
    failed = failures(type("Contract", (JudgeContract,), {"make": judge, "better": better}))
    assert BROKEN[judge] in failed if BROKEN[judge] else not failed
