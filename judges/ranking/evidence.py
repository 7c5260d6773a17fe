"""What a ranking is made of: all comparisons on one prompt set, what was compared, and by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from harness.errors import UsageError, suggest
from harness.evaluation.configurations import short_names
from harness.options import OptionError, not_given
from judges.ranking.games import Game, games
from judges.ranking.style import look
from judges.store.rows import AnswerSetRow, ComparisonRow, JudgeRow

if TYPE_CHECKING:
    from judges.store import Store

Source = Literal["people", "judges", "both", "people+judges"]
WHOSE: Mapping[Source, str] = {
    "people": "people",
    "judges": "judges",
    "both": "people and judges together",
    "people+judges": "judges, corrected by people",
}


@dataclass(frozen=True)
class Evidence:
    """All comparisons on one prompt set, and what they are about."""

    prompts: str  # the prompt set's name
    sets: Mapping[str, str]  # answer set: what it is called
    players: Mapping[str, str]  # answer set: what the ranking calls the player, with all trainings of a configuration
    judges: Mapping[str, JudgeRow]
    comparisons: Sequence[ComparisonRow]
    turns: Mapping[str, int]  # question: how many
    available: Mapping[tuple[str, str, str], int]  # judge ("" for people), two answer sets: prompts to choose from
    looks: Mapping[tuple[str, str, int], tuple[int, ...]]  # answer set, question, turn (0 is the whole): its style

    def verdicts(self) -> list[Game]:
        """Judges' games on whole conversations, as people's votes are."""
        return [game for game in self.of("judges") if self.is_whole(game)]

    def is_whole(self, game: Game) -> bool:
        """A verdict after the last turn is one on the whole conversation."""
        return game.turn in (0, self.turns.get(game.question, 1))

    def weight(self, game: Game) -> float:
        """One over the chance with which its pair of answers was chosen for whoever compared it."""
        key = self._choice(game)
        return self.available[key] / self._compared[key] if key in self.available else 1.0

    def _choice(self, game: Game) -> tuple[str, str, str]:
        judge = "" if side_of(self.judges[game.judge]) == "people" else game.judge
        return judge, min(game.first, game.second), max(game.first, game.second)

    @cached_property
    def _compared(self) -> Counter[tuple[str, str, str]]:
        """Of a judge the prompts, of people the votes: a prompt may be chosen for several of them."""
        played = {
            (self._choice(game), game.question, game.judge if self._choice(game)[0] == "" else "")
            for game in self.of("both")
        }
        return Counter(choice for choice, _, _ in played)

    def of(self, source: Source) -> list[Game]:
        """The games that a ranking counts: those of two players with a score, and no repeats, which only show how far a
        judge agrees with itself."""
        wanted = {judge.id for judge in self.judges.values() if _counts(source, judge)}
        played = games(self.comparisons, self.judges.values())
        return [
            g
            for g in played
            if g.judge in wanted
            and g.repeat == 0
            and g.score is not None
            and self.players[g.first] != self.players[g.second]
        ]


def source_of(word: str | None) -> Source | None:
    """The source that a person names; None for none. OptionError for a word that is no source."""
    if word is None:
        return None
    for source in WHOSE:
        if word == source:
            return source
    raise OptionError("by", word, f" is none of {', '.join(WHOSE)}.{suggest(word, WHOSE)}")


def gather(store: Store, prompts: str | None = None, models: Sequence[str] = ()) -> Evidence:
    """What the store has on a prompt set (by name or digest; None where there is but one), of these models (() is all).

    UsageError where there is nothing, or the prompt set is not told."""
    sets = {answers.id: answers for answers in store.answer_sets()}
    judges = {judge.id: judge for judge in store.judges()}
    every = [c for c in store.comparisons() if c.first in sets and c.second in sets and c.judge in judges]
    if not every:
        raise UsageError(f"{store.path} has no comparisons yet: `harness judge` and `harness rate` make them.")
    chosen = _prompt_set(store, {sets[c.first].prompt_set for c in every}, prompts)
    sets = {key: answers for key, answers in sets.items() if answers.prompt_set == chosen}
    if models:
        named = {answers.id for answers in store.resolve_players(models, chosen)}
        sets = {key: answers for key, answers in sets.items() if key in named}
    kept = [c for c in every if c.first in sets and c.second in sets]
    if not kept:
        raise UsageError("There are no comparisons between these models.")
    compared = {side for c in kept for side in (c.first, c.second)}
    questions = store.questions(chosen)
    name = next(prompt_set.name for prompt_set in store.prompt_sets() if prompt_set.digest == chosen)
    those = [answers for key, answers in sets.items() if key in compared]
    return Evidence(
        prompts=name,
        sets=_names(those),
        players=_players(those),
        judges={key: judges[key] for key in {c.judge for c in kept}},
        comparisons=kept,
        turns={question.question: len(question.turns) for question in questions},
        available={(row.judge, row.first, row.second): row.available for row in store.chosen_pairs()},
        looks=_looks(store, sorted(compared)),
    )


def _counts(source: Source, judge: JudgeRow) -> bool:
    """Whether a ranking by the source counts that judge's games. Where people correct judges, it counts people's."""
    return source == "both" or side_of(judge) == source.partition("+")[0]


def side_of(judge: JudgeRow) -> Source:
    return "people" if judge.kind == "person" else "judges"


def _names(sets: Sequence[AnswerSetRow]) -> dict[str, str]:
    """Answer sets of one name are told apart by the beginning of their ids."""
    return told_apart({answers.id: answers.name for answers in sets})


def _players(sets: Sequence[AnswerSetRow]) -> dict[str, str]:
    """One training answers under its own name, several of a configuration under that one's."""
    often = Counter(answers.configuration for answers in sets)
    own = {answers.id: often[answers.configuration] == 1 or not answers.configuration for answers in sets}
    names = _names([answers for answers in sets if own[answers.id]])
    shared = short_names({answers.configuration for answers in sets if not own[answers.id]})
    taken = set(names.values())
    for answers in sets:
        if not own[answers.id]:
            short = shared[answers.configuration]
            names[answers.id] = answers.configuration if short in taken else short
    return names


def told_apart(names: Mapping[str, str]) -> dict[str, str]:
    often = Counter(names.values())
    return {key: name if often[name] == 1 else f"{name} ({key[:8]})" for key, name in names.items()}


def _looks(store: Store, sets: Sequence[str]) -> dict[tuple[str, str, int], tuple[int, ...]]:
    looks: dict[tuple[str, str, int], tuple[int, ...]] = _Absent(lambda: look(""))
    for key in sets:
        for answer in store.answers_of(key):
            own = look(answer.text)
            looks[key, answer.question, answer.turn] = own
            whole = looks[key, answer.question, 0]
            looks[key, answer.question, 0] = tuple(a + b for a, b in zip(whole, own, strict=True))
    return looks


class _Absent(dict[tuple[str, str, int], tuple[int, ...]]):
    """An answer that is not there looks like an empty one."""

    def __init__(self, make: Callable[[], tuple[int, ...]]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, key: tuple[str, str, int]) -> tuple[int, ...]:
        return self.make()


def _prompt_set(store: Store, there: set[str], word: str | None) -> str:
    names = {row.digest: row.name for row in store.prompt_sets() if row.digest in there}
    if word is None and len(names) == 1:
        return next(iter(names))
    digests = [key for key, name in names.items() if word is not None and (name == word or key.startswith(word))]
    if len(digests) == 1:
        return digests[0]
    shown = ", ".join(sorted(f"{name} ({key[:8]})" for key, name in names.items()))
    if word is None:
        raise not_given("prompts", f"one of the prompt sets that have comparisons, {shown}")
    raise OptionError("prompts", word, f": comparisons are on {shown}.{suggest(word, names.values())}")
