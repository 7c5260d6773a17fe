"""A model judge that is asked about chosen pairs, round by round."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from judges.choosing.rounds import Pool, Two, next_round
from judges.ranking.games import games
from judges.ranking.rating import Match
from judges.store.rows import ChosenPairsRow, JudgeRow

if TYPE_CHECKING:
    from judges.judging.model_judge import Plan
    from judges.judging.pairs import Contest
    from judges.judging.session import Outcome
    from judges.store import Store


@dataclass(frozen=True, slots=True)
class Choice:
    """What one judge is asked of a contest, where that is a share of all."""

    store: Store
    contest: Contest
    judge: JudgeRow
    share: float

    @property
    def pool(self) -> Pool:
        prompts: dict[Two, dict[str, None]] = {}
        for asked in self.contest.asked:
            prompts.setdefault(_two(asked.first, asked.second), {})[asked.question.question] = None
        pairs = sorted(prompts)
        choice = hashlib.sha256(json.dumps([self.judge.id, pairs]).encode()).hexdigest()
        players = {answers.id: answers.configuration or answers.id for answers in self.contest.sets}
        return Pool(choice, self.judge.id, {two: tuple(prompts[two]) for two in pairs}, players)

    def rows(self) -> list[ChosenPairsRow]:
        """What is chosen so far."""
        return self.store.chosen_pairs(self.pool.choice)

    def next_rows(self, before: Sequence[ChosenPairsRow]) -> list[ChosenPairsRow]:
        """The round behind `before`, which is stored; [] where the share is chosen."""
        pool = self.pool
        verdicts = self.store.comparisons([self.judge.id], [answers.id for answers in self.contest.sets])
        played = [
            Match(game.question, pool.players[game.first], pool.players[game.second], game.score)
            for game in games(verdicts, [self.judge])
            if game.score is not None and game.repeat == 0 and pool.players[game.first] != pool.players[game.second]
        ]
        new = next_round(pool, before, played, self.share)
        return self.store.choose_pairs(new) if new else []

    def of(self, rows: Sequence[ChosenPairsRow]) -> Contest:
        """The contest with the chosen pairs only."""
        wanted = {(row.first, row.second, prompt) for row in rows for prompt in row.prompts}
        asked = [a for a in self.contest.asked if (*_two(a.first, a.second), a.question.question) in wanted]
        return replace(self.contest, asked=asked)

    def expected(self) -> Contest:
        """As many pairs as will be asked, to estimate by before they are chosen."""
        rows, pool = self.rows(), self.pool
        while new := next_round(pool, rows, (), self.share):
            rows += new
        return self.of(rows)


def judged(contest: Contest, judges: Sequence[JudgeRow], share: float | None, store: Store) -> tuple[int, int]:
    """Verdicts and errors that are stored of the judge that is farthest, and those that it is asked for in all."""
    known = {verdict.id for verdict in store.comparisons(answer_sets=[answers.id for answers in contest.sets])}
    farthest = 0, math.ceil(len(contest.asked) * (share or 1.0))
    for judge in judges:
        asked = contest.asked if share is None else Choice(store, contest, judge, share).expected().asked
        done = sum(pair.id(judge.id) in known for pair in asked)
        farthest = max(farthest, (done, len(asked))) if done else farthest
    return farthest


def ask_chosen(choice: Choice, plan: Callable[[Contest], Plan], judge: Callable[[Plan], Outcome]) -> Outcome:
    """`judge` what is chosen, and choose again, until the share is judged or a session has been stopped.

    `plan` makes a plan of a contest. An error of a round is asked again by the next command, not by the next round."""
    rows = choice.rows() or choice.next_rows(())
    new = 0  # verdicts of earlier rounds of this command
    is_first = True
    while True:
        due = plan(choice.of(rows))
        if not is_first:
            again = [job.error for job in due.jobs if job.error is not None]
            due = replace(due, jobs=[job for job in due.jobs if job.error is None], there=[*due.there, *again])
        outcome = judge(due)
        is_first = False
        made = outcome.stored - outcome.before
        outcome.before -= new
        new += made
        outcome.of = len(choice.contest.asked)
        if outcome.stopped or outcome.unanswered:
            return outcome
        more = choice.next_rows(rows)
        if not more:
            return outcome
        rows = more


def _two(one: str, other: str) -> Two:
    return (one, other) if one < other else (other, one)
