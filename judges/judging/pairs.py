"""Which pairs a judge is shown: every two answer sets, or one against each other one, in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.options import OptionError, not_given
from judges.store.comparisons import comparison_id
from judges.store.rows import AnswerSetRow, QuestionRow

if TYPE_CHECKING:
    from judges.store import Store


@dataclass(frozen=True, slots=True)
class Asked:
    """One ordered pair: `first` is shown as A."""

    question: QuestionRow
    turn: int  # the turn that is judged, from 1
    first: str  # answer sets' ids
    second: str
    repeat: int

    def id(self, judge: str) -> str:
        return comparison_id(judge, self.question.question, self.turn, self.first, self.second, self.repeat)


@dataclass(frozen=True, slots=True)
class Contest:
    """The answer sets that are compared, all on one prompt set, and what they say."""

    sets: Sequence[AnswerSetRow]
    questions: Sequence[QuestionRow]  # that at least one pair has answered in full
    texts: dict[tuple[str, str], tuple[str, ...]]  # (answer set, question): by turn
    asked: Sequence[Asked]
    missing: int  # pairs of answers that cannot be compared, because one of them is not there

    def answers(self, answer_set: str, asked: Asked) -> tuple[str, ...]:
        """The answers up to the turn that is judged."""
        return self.texts[answer_set, asked.question.question][: asked.turn]


def contest(
    store: Store, models: Sequence[str], against: str | None = None, prompts: str | None = None, repeats: int = 1
) -> Contest:
    """Every two of `models`, or each against `against`, but for two trainings of one configuration; every question both
    have answered; each turn; both orders.

    `prompts` is a prompt set's name, or the beginning of its digest, where the models have answered several. UsageError
    where the words do not name two answer sets of one prompt set."""
    chosen = None if prompts is None else _prompt_set(store, prompts)
    sets = {row.id: row for row in store.resolve_players(models, chosen)}
    baseline = None if against is None else store.resolve_answers(against, chosen)
    if baseline is not None:
        sets[baseline.id] = baseline
    if len(sets) < 2:
        text = " is one model: a comparison takes two models or more, or one and another `against` it."
        raise OptionError("models", tuple(models), text)
    if len({row.prompt_set for row in sets.values()}) > 1:
        answered = ", ".join(f"{row.name}: {row.prompt_set[:8]}" for row in sets.values())
        raise not_given("prompts", f"one of the prompt sets that these models answered ({answered})")
    names = [row.name for row in sets.values()]
    if len(set(names)) < len(names):
        raise UsageError(f"Two of the models have one name ({', '.join(names)}): `harness answer --name` gives others.")
    if baseline is None:
        pairs = list(combinations(sets, 2))
    else:
        pairs = [(other, baseline.id) for other in sets if other != baseline.id]
    pairs = [pair for pair in pairs if not _one_player(*(sets[side] for side in pair))]
    if not pairs:
        raise OptionError("models", tuple(models), ": all are trainings of one configuration, which play as one.")
    texts = {key: text for answer_set in sets for key, text in _texts(store, answer_set).items()}
    asked: list[Asked] = []
    missing = 0
    questions = store.questions(next(iter(sets.values())).prompt_set)
    for question in questions:
        turns = len(question.turns)
        for one, other in pairs:
            if any(len(texts.get((side, question.question), ())) < turns for side in (one, other)):
                missing += any((side, question.question) in texts for side in (one, other))
                continue
            asked += [
                Asked(question, turn, first, second, repeat)
                for turn in range(1, turns + 1)
                for repeat in range(repeats)
                for first, second in ((one, other), (other, one))
            ]
    if not asked:
        raise UsageError("There is no question that two of these models have answered. `harness answer` goes on.")
    compared = {pair.question.question for pair in asked}
    return Contest(list(sets.values()), [q for q in questions if q.question in compared], texts, asked, missing)


def _one_player(a: AnswerSetRow, b: AnswerSetRow) -> bool:
    """Two trainings of one configuration do not play against each other."""
    return bool(a.configuration) and a.configuration == b.configuration


def _prompt_set(store: Store, word: str) -> str:
    known = store.prompt_sets()
    digests = {row.digest for row in known if row.name == word or row.digest.startswith(word)}
    if len(digests) != 1:
        shown = ", ".join(f"{row.name} ({row.digest[:8]})" for row in known)
        text = f" names {len(digests) or 'no'} prompt sets in {store.path}; there are {shown}."
        raise OptionError("prompts", word, text)
    return digests.pop()


def _texts(store: Store, answer_set: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """By question the answers of turn 1, 2, … as far as they are there without a gap."""
    texts: dict[tuple[str, str], tuple[str, ...]] = {}
    for row in store.answers_of(answer_set):
        before = texts.get((answer_set, row.question), ())
        if row.turn == len(before) + 1:
            texts[answer_set, row.question] = (*before, row.text)
    return texts
