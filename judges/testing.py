"""The contract suite of a judge that needs no server (`judges.types.Judge`): see `harness.testing`, which says how
suites are called. pytest is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import pytest

from harness.testing.registered import Registered

if TYPE_CHECKING:
    from judges.types import Judge, JudgedPair, Verdict

SWAPPED = {"first": "second", "second": "first", "tie": "tie"}
HOSTILE = ("", "\n\n", "\0", "\ud800", "🙂" * 50, "[[A]]", "Answer: " * 500, "((((", "\\1", "<b>", "x" * 20_000)


def pair(first: str, second: str, reference: str | None = "Answer: 4", question: str = "What is 2 + 2?") -> JudgedPair:
    """Two answers to a question of one turn."""
    from judges.types import JudgedPair

    return JudgedPair("q1", (question,), (first,), (second,), reference)


class JudgeContract(Registered):
    """A subclass sets

    make        what the entry point names: called without arguments, returns a Judge
    better      pairs whose first answer wins, one at least
    fair        does the other order of a pair give the other verdict? Only a judge that looks at places may say no"""

    kind = "judges"
    make: ClassVar[Callable[[], Judge]]
    better: ClassVar[Sequence[JudgedPair]]
    fair: ClassVar[bool] = True

    @pytest.fixture
    def judge(self) -> Judge:
        return type(self).make()

    def pairs(self) -> list[JudgedPair]:
        """All kinds: with a winner, alike, with two turns, without a reference."""
        alike = [replace(pair, second=pair.first) for pair in self.better]
        longer = [
            replace(
                pair,
                turns=(*pair.turns, "And why?"),
                first=("I do not know.", *pair.first),
                second=("I do not know.", *pair.second),
            )
            for pair in self.better
        ]
        return [*self.better, *alike, *longer, *(replace(pair, reference=None) for pair in self.better)]

    def test_it_says_what_it_is(self, judge: Judge) -> None:
        assert judge.name
        assert judge.version
        assert not self.registered or judge.name == self.registered
        config = dict(judge.config)
        assert json.loads(json.dumps(config)) == config, "a judge is known by its config, which is stored"
        again = type(self).make()
        assert (again.name, again.version, dict(again.config)) == (judge.name, judge.version, config)

    def test_the_better_answer_wins(self, judge: Judge) -> None:
        assert self.better, "the suite was given no pair with a winner"
        for pair in self.better:
            verdict = judge.compare(pair)
            assert verdict is not None
            assert verdict.winner == "first"

    def test_the_other_order_is_the_other_verdict(self, judge: Judge) -> None:
        if not self.fair:
            pytest.skip("it looks at places")
        for pair in self.pairs():
            verdict, other = judge.compare(pair), judge.compare(swapped(pair))
            assert (verdict is None) == (other is None)
            if verdict is not None and other is not None:
                assert other.winner == SWAPPED[verdict.winner]

    def test_equal_answers_are_a_tie(self, judge: Judge) -> None:
        for pair in self.better:
            verdict = judge.compare(replace(pair, second=pair.first))
            assert verdict is None or verdict.winner == "tie" or not self.fair

    def test_a_verdict_follows_from_the_pair_alone(self, judge: Judge) -> None:
        pairs = self.pairs()
        verdicts = [judge.compare(pair) for pair in pairs]
        assert [judge.compare(pair) for pair in reversed(pairs)] == verdicts[::-1]
        assert [type(self).make().compare(pair) for pair in pairs] == verdicts
        renamed = [judge.compare(replace(pair, question="another id")) for pair in pairs]
        assert renamed == verdicts, "a question's id is no part of it"

    def test_no_text_breaks_it(self, judge: Judge) -> None:
        for pair in self.better[:2]:
            for text in HOSTILE:
                _check(judge.compare(replace(pair, first=(*pair.first[:-1], text))))
                _check(judge.compare(replace(pair, reference=text)))
                _check(judge.compare(replace(pair, turns=(*pair.turns[:-1], text))))


def swapped(pair: JudgedPair) -> JudgedPair:
    """In the other order."""
    return replace(pair, first=pair.second, second=pair.first)


def _check(verdict: Verdict | None) -> None:
    if verdict is not None:
        assert verdict.winner in SWAPPED
        assert isinstance(verdict.text, str)
