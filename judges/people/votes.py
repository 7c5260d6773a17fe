"""Blind ratings by people: the plan, the pairs in a rater's order, votes. It knows no screen.

A `Desk` is one rater at work. What it shows of a pair has no name in it: the question, the left answer, the right one.
A vote is in the store when `vote` returns.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import combinations

from harness.errors import UsageError
from judges.choosing.rounds import Pool, Two, next_round
from judges.ranking.rating import Match
from judges.store import Store
from judges.store.rows import (
    AnswerSetRow,
    AssignmentRow,
    ChosenPairsRow,
    ComparisonRow,
    JudgeRow,
    RatingPlanRow,
    Verdict,
)

VOTES: tuple[Verdict, ...] = ("first", "second", "tie", "bad", "skip")
AHEAD, FEW = 4, 2  # pairs that a rater is handed, and below which more are: the next one is there at once
KEPT = timedelta(minutes=30)  # a pair that was handed out and not rated is another's after this


@dataclass(frozen=True, slots=True)
class Pair:
    """What a rater sees. `id` is random and tells nothing."""

    id: str
    question: tuple[str, ...]  # by turn
    left: tuple[str, ...]
    right: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    rated: int
    skipped: int
    asked: int  # pairs that this rater is asked for; fewer may be left when others rate too


def make_plan(
    store: Store,
    answer_sets: Sequence[AnswerSetRow],
    name: str = "",
    ratings: int = 1,
    per_rater: int | None = None,
    sample: int | None = None,
    share: float | None = None,
    seed: int = 0,
) -> RatingPlanRow:
    """Make and store a plan: every pair of the answer sets, on each question that all have answered.

    `ratings`: votes wanted for each pair; `per_rater`: pairs one rater is asked for; `sample`: so many questions, drawn
    by `seed`; `share`: of all those votes, on pairs that are chosen (judges/choosing). The same plan again gives the
    one that is stored. UsageError where there is nothing to rate."""
    ids = sorted(answers.id for answers in answer_sets)
    if len(set(ids)) < 2 or len({answers.prompt_set for answers in answer_sets}) > 1:
        raise UsageError("A rating plan needs two or more models that answered the same prompt set.")
    if ratings < 1 or (per_rater is not None and per_rater < 1) or (sample is not None and sample < 1):
        raise UsageError("Ratings for each pair, pairs for each rater and sampled prompts are whole numbers from 1.")
    answered = [{answer.question for answer in store.answers_of(one)} for one in ids]
    place = {question.question: question.place for question in store.questions(answer_sets[0].prompt_set)}
    questions = sorted(set.intersection(*answered), key=lambda q: (place.get(q, len(place)), q))
    if not questions:
        raise UsageError("These models have answered no prompt in common: `harness answer` first.")
    if sample is not None and sample < len(questions):
        drawn = sorted(questions, key=lambda q: _draw(seed, q))[:sample]
        questions = [q for q in questions if q in set(drawn)]
    chosen = {"order": "even"} if share is None else {"order": "chosen", "share": share}
    config = {"questions": questions, "each": per_rater, **chosen}
    prompt_set = answer_sets[0].prompt_set
    for known in store.plans():
        same = (list(known.answer_sets), known.ratings, known.seed, dict(known.config)) == (ids, ratings, seed, config)
        if same and known.closed is None and name in ("", known.name):
            return known
    plan = uuid.uuid4().hex
    row = RatingPlanRow(
        plan, name or f"plan-{plan[:8]}", prompt_set, tuple(ids), ratings, datetime.now(UTC), seed=seed, config=config
    )
    store.save_plan(row)
    return row


def votes_wanted(plan: RatingPlanRow) -> int:
    """Of all raters together."""
    share = plan.config.get("share")
    return _pool(plan, {}).votes(1.0 if share is None else share)


def _pool(plan: RatingPlanRow, players: Mapping[str, str]) -> Pool:
    questions = tuple(plan.config["questions"])
    prompts = dict.fromkeys(combinations(sorted(plan.answer_sets), 2), questions)
    return Pool(plan.id, "", prompts, players, plan.ratings)


class Desk:
    """One rater at one plan. Several desks of one rater (two tabs) are safe: a pair has one vote."""

    def __init__(self, store: Store, plan: RatingPlanRow, rater: JudgeRow) -> None:
        self.store, self.plan, self.rater = store, plan, rater
        texts = {question.question: tuple(question.turns) for question in store.questions(plan.prompt_set)}
        asked = set(plan.config["questions"])
        self._questions = {q: turns for q, turns in texts.items() if q in asked}
        self._answers: dict[Two, list[str]] = {}
        for answer_set in plan.answer_sets:
            for answer in store.answers_of(answer_set):
                self._answers.setdefault((answer_set, answer.question), []).append(answer.text)
        votes = [vote for vote in store.votes(plan.id) if vote.judge == rater.id]
        self._votes = {vote.assignment: vote for vote in votes}
        self._mine = {assignment.id: assignment for assignment in store.assignments(plan.id, rater.id)}
        self._waiting = [assignment for assignment in self._mine.values() if assignment.id not in self._votes]
        self.last = max(votes, key=lambda vote: vote.created, default=None)
        self._left = 0  # votes that nobody has been asked for yet
        self._chosen: Counter[tuple[str, Two]] | None = None  # of each pair the votes that are asked for; None: of all
        if plan.config.get("share") is not None:
            self._take(store.chosen_pairs(plan.id))
        self._hand_out()

    def pair(self) -> Pair | None:
        """The pair to rate now; None when there is none left for this rater."""
        if not self._waiting:
            self._hand_out()
        if not self._waiting or self.progress().rated >= self.progress().asked:
            return None
        now = self._waiting[0]
        sides = [tuple(self._answers.get((side, now.question), ())) for side in (now.first, now.second)]
        return Pair(now.id, self._questions.get(now.question, ()), sides[0], sides[1])

    def vote(self, pair: str, verdict: Verdict, key: str, note: str = "") -> ComparisonRow:
        """Store a vote on the pair `pair`; it is on the disk when this returns. Gives the vote that counts.

        `key` names this vote: the same key again stores nothing. StoreError where it could not be stored."""
        if verdict not in VOTES:
            raise ValueError(f"{verdict!r} is no vote")
        own = self._mine[pair]
        row = ComparisonRow(
            id=key,
            judge=self.rater.id,
            question=own.question,
            turn=0,
            first=own.first,
            second=own.second,
            verdict=verdict,
            created=datetime.now(UTC),
            note=note,
            assignment=own.id,
        )
        counted = self.store.vote(row)
        if counted.superseded is None:
            self._votes[own.id] = self.last = counted
            self._waiting = [assignment for assignment in self._waiting if assignment.id != own.id]
        return counted

    def undo(self) -> bool:
        """Take the last vote back, and put its pair first again; False where there is none."""
        if self.last is None:
            return False
        self.store.undo(self.last.id, self.rater.id)
        again = self._mine[self.last.assignment]
        del self._votes[again.id]
        self._waiting.insert(0, again)
        self.last = max(self._votes.values(), key=lambda vote: vote.created, default=None)
        return True

    def refill(self) -> None:
        """Have the next pairs at hand. Call it when nobody waits."""
        progress = self.progress()
        if len(self._waiting) < min(FEW, progress.asked - progress.rated):
            self._hand_out()

    def progress(self) -> Progress:
        skipped = sum(vote.verdict == "skip" for vote in self._votes.values())
        rated = len(self._votes) - skipped
        there = rated + len(self._waiting) + self._left
        return Progress(rated, skipped, min(there, self.plan.config.get("each") or there))

    def _hand_out(self) -> None:
        new = self.store.assign(self.plan.id, self._choose)
        while not new and not self._waiting and self._choose_pairs():
            new = self.store.assign(self.plan.id, self._choose)
        self._mine |= {assignment.id: assignment for assignment in new}
        self._waiting += new

    def _choose_pairs(self) -> bool:
        """Choose the pairs of another round; whether there are more than before. A round does not wait for the votes
        of others on the one before."""
        if self._chosen is None or self.progress().rated >= self.progress().asked:
            return False
        names = {answers.id: answers.configuration or answers.id for answers in self.store.answer_sets()}
        counted = [vote for vote in self.store.votes(self.plan.id) if vote.verdict != "skip"]
        games = [
            Match(vote.question, names[two[0]], names[two[1]], _score(vote))
            for vote in counted
            for two in [(min(vote.first, vote.second), max(vote.first, vote.second))]
            if names[two[0]] != names[two[1]]
        ]
        before = self.store.chosen_pairs(self.plan.id)
        known = self._chosen.total()
        new = next_round(_pool(self.plan, names), before, games, self.plan.config["share"])
        self._take(self.store.choose_pairs(new) if new else before)
        return self._chosen.total() > known

    def _take(self, rows: Sequence[ChosenPairsRow]) -> None:
        self._chosen = Counter((prompt, (row.first, row.second)) for row in rows for prompt in row.prompts)

    def _choose(self, known: list[AssignmentRow], votes: list[ComparisonRow]) -> list[AssignmentRow]:
        """The next pairs for this rater: those with the fewest ratings, then those that keep the rater's share even."""
        tally = _VoteCounts(known, votes, self.rater.id)
        rated = sum(vote.verdict != "skip" for vote in self._votes.values())
        each_one = self.plan.config.get("each") or math.inf
        chosen: list[AssignmentRow] = []
        while True:
            free = [
                (question, two)
                for two in combinations(sorted(self.plan.answer_sets), 2)
                for question in self._questions
                if (question, two) not in tally.seen and tally.ratings[question, two] < self._ratings(question, two)
            ]
            is_whole = self._chosen is None or self._chosen.total() >= votes_wanted(self.plan)
            self._left = len(free) if is_whole else votes_wanted(self.plan) - tally.ratings.total()
            held = len(self._waiting) + len(chosen)
            if not free or held >= min(AHEAD, each_one - rated):
                return chosen
            question, two = min(free, key=lambda pair: self._rank(tally, *pair))
            first, second = self._sides(tally, question, two)
            new = AssignmentRow(
                uuid.uuid4().hex,
                self.plan.id,
                self.rater.id,
                question,
                first,
                second,
                len(self._mine) + len(chosen),
                datetime.now(UTC),
            )
            tally.add(new, mine=True)
            chosen.append(new)

    def _ratings(self, question: str, two: Two) -> int:
        """How many votes this pair shall have."""
        return self.plan.ratings if self._chosen is None else self._chosen[question, two]

    def _rank(self, tally: _VoteCounts, question: str, two: Two) -> tuple[float, ...]:
        return (
            tally.ratings[question, two],
            tally.of_two[two],
            tally.of_question[question],
            _draw(self.plan.seed, self.rater.id, question, *two),
        )

    def _sides(self, tally: _VoteCounts, question: str, two: Two) -> Two:
        """At random, and each model as often on the left as on the right as can be, for this rater and pair."""
        a, b = two
        ahead = tally.left[a, two] - tally.left[b, two]
        if ahead == 0:
            ahead = 1 if _draw(self.plan.seed, "side", self.rater.id, question, *two) < 0.5 else -1
        return (b, a) if ahead > 0 else (a, b)


class _VoteCounts:
    """What was handed out and rated, counted."""

    def __init__(self, known: Sequence[AssignmentRow], votes: Sequence[ComparisonRow], rater: str) -> None:
        self.ratings: Counter[tuple[str, Two]] = Counter()  # rated, or with somebody now
        self.seen: set[tuple[str, Two]] = set()  # by this rater
        self.of_two: Counter[Two] = Counter()
        self.of_question: Counter[str] = Counter()
        self.left: Counter[tuple[str, Two]] = Counter()
        counted = {vote.assignment: vote for vote in votes}
        now = datetime.now(UTC)
        for assignment in known:
            vote = counted.get(assignment.id)
            mine = assignment.judge == rater
            if (vote is not None and vote.verdict != "skip") or (
                vote is None and (mine or now - assignment.created < KEPT)
            ):
                self.add(assignment, mine)
            elif mine:  # skipped
                self.seen.add((assignment.question, _two(assignment)))

    def add(self, assignment: AssignmentRow, mine: bool) -> None:
        two = _two(assignment)
        self.ratings[assignment.question, two] += 1
        if mine:
            self.seen.add((assignment.question, two))
            self.of_two[two] += 1
            self.of_question[assignment.question] += 1
            self.left[assignment.first, two] += 1


def _two(assignment: AssignmentRow) -> Two:
    return min(assignment.first, assignment.second), max(assignment.first, assignment.second)


def _score(vote: ComparisonRow) -> float:
    """Of the first of the two in the order of ids."""
    if vote.verdict not in ("first", "second"):
        return 0.5
    return float((vote.verdict == "first") == (vote.first < vote.second))


def _draw(*words: object) -> float:
    """A number in [0, 1) that follows from the words."""
    digest = hashlib.sha256("\0".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
