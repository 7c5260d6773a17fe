"""The ranking and what it rests on, as plain data: one implementation for the terminal, JSON and pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import UsageError, suggest
from harness.evaluation.configurations import short_names
from harness.options import OptionError, not_given
from judges.ranking import agreement, rating
from judges.ranking.agreement import Opinion, Seen
from judges.ranking.games import Game, games
from judges.ranking.style import STYLE, difference, look
from judges.store.rows import AnswerSetRow, ComparisonRow, JudgeRow

if TYPE_CHECKING:
    from judges.store import Store

Source = Literal["people", "judges", "both"]


@dataclass(frozen=True)
class Evidence:
    """All comparisons on one prompt set, and what they are about."""

    prompts: str  # the prompt set's name
    sets: Mapping[str, str]  # answer set: what it is called
    players: Mapping[str, str]  # answer set: what the ranking calls the player, with all trainings of a configuration
    judges: Mapping[str, JudgeRow]
    comparisons: Sequence[ComparisonRow]
    turns: Mapping[str, int]  # question: how many
    looks: Mapping[tuple[str, str, int], tuple[int, ...]]  # answer set, question, turn (0 is the whole): its style

    def of(self, source: Source) -> list[Game]:
        """The games that a ranking counts: those of two players with a score, and no repeats, which only show how far a
        judge agrees with itself."""
        wanted = {judge.id for judge in self.judges.values() if source in ("both", _side(judge))}
        played = games(self.comparisons, self.judges.values())
        return [
            g
            for g in played
            if g.judge in wanted
            and g.repeat == 0
            and g.score is not None
            and self.players[g.first] != self.players[g.second]
        ]


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
        looks=_looks(store, sorted(compared)),
    )


def ranking_report(
    evidence: Evidence,
    source: Source | None = None,
    style: bool = False,
    method: rating.Method = "sandwich",
    quality: bool = True,
) -> dict[str, Any]:
    """`models`, `pairs`, `style`, `notes` and, unless it is not wanted, `quality` (which takes longer than all else);
    without `source` people count where there are any.

    UsageError where the source has no games."""
    votes, verdicts = len(evidence.of("people")), len(evidence.of("judges"))
    used: Source = source or ("people" if votes else "judges")
    played = evidence.of(used)
    if not played:
        raise UsageError(f"There are no games by {'people' if used == 'people' else 'judges'} to rank by.")
    matches = [
        rating.Match(
            game.question,
            evidence.players[game.first],
            evidence.players[game.second],
            _score(game),
            difference(*(evidence.looks[side, game.question, game.turn] for side in (game.first, game.second)))
            if style
            else (),
        )
        for game in played
    ]
    ranking = rating.rank(matches, STYLE if style else (), method)
    bands = rating.bands(ranking)
    notes = list(ranking.notes)
    if used == "both":
        notes.insert(0, f"{votes} votes of people and {verdicts} games of judges together, each counted as one game.")
    elif source is None and votes and verdicts:
        notes.insert(
            0, f"Ranked by people alone; {verdicts} games of judges are there too (judges or both counts them)."
        )
    return {
        "source": used,
        "prompts": {"name": evidence.prompts, "n": ranking.prompts},
        "games": ranking.games,
        "method": ranking.method,
        "style_control": style,
        "models": [
            {**asdict(model), "rank_best": bands[model.name][0], "rank_worst": bands[model.name][1]}
            for model in ranking.models
        ],
        "pairs": [asdict(pair) for pair in ranking.pairs],
        "style": [asdict(weight) for weight in ranking.style],
        **({"quality": quality_report(evidence)} if quality else {}),
        "notes": notes,
    }


def quality_report(evidence: Evidence) -> dict[str, Any]:
    """Each judge's figures, people's, and how far all of these agree (judges/ranking/agreement.py)."""
    labels = _labels(evidence.judges)
    models = sorted((key for key, judge in evidence.judges.items() if _side(judge) == "judges"), key=labels.__getitem__)
    by_judge = {key: [c for c in evidence.comparisons if c.judge == key] for key in evidence.judges}
    opinions = _opinions(evidence)
    people = [opinion for key, own in opinions.items() if key not in models for opinion in own]
    votes = [c for key, own in by_judge.items() if key not in models for c in own]
    return {
        "judges": [
            {
                "judge": labels[key],
                "kind": evidence.judges[key].kind,
                **asdict(agreement.quality([_seen(evidence, c) for c in by_judge[key]])),
            }
            for key in models
        ],
        "people": asdict(agreement.quality([_seen(evidence, c, "people") for c in votes if c.verdict != "skip"]))
        | {"raters": len({c.judge for c in votes})}
        if votes
        else None,
        "judges_with_people": [
            {"judge": labels[key], **asdict(agreement.cohen(opinions[key], people))} for key in models if people
        ],
        "between_judges": [
            {"a": labels[a], "b": labels[b], **asdict(agreement.cohen(opinions[a], opinions[b]))}
            for a, b in combinations(models, 2)
        ],
        "alpha": {
            "judges": asdict(agreement.krippendorff(o for key in models for o in opinions[key])),
            "people": asdict(agreement.krippendorff(people)),
            "both": asdict(agreement.krippendorff(o for own in opinions.values() for o in own)),
        },
    }


def _opinions(evidence: Evidence) -> dict[str, list[Opinion]]:
    """What each judge holds of each pair. A verdict after the last turn is one on the whole conversation, as a
    person's is."""
    opinions: dict[str, list[Opinion]] = {key: [] for key in evidence.judges}
    for game in evidence.of("both"):
        names = (evidence.sets[game.first], evidence.sets[game.second])
        better = _score(game) if names[0] < names[1] else 1 - _score(game)
        whole = game.turn in (0, evidence.turns.get(game.question, 1))
        pair = (game.question, 0 if whole else game.turn, min(names), max(names))
        choice = "first" if better > 0.5 else "second" if better < 0.5 else "tie"
        opinions[game.judge].append(Opinion(game.judge, game.question, pair, choice))
    return opinions


def _seen(evidence: Evidence, comparison: ComparisonRow, judge: str = "") -> Seen:
    lengths = [
        evidence.looks[side, comparison.question, comparison.turn][0] for side in (comparison.first, comparison.second)
    ]
    return Seen(
        judge=judge or comparison.judge,
        prompt=comparison.question,
        turn=comparison.turn,
        first=evidence.sets[comparison.first],
        second=evidence.sets[comparison.second],
        verdict="tie" if comparison.verdict == "bad" else comparison.verdict,
        repeat=comparison.repeat,
        longer=lengths[0] - lengths[1],
    )


def _score(game: Game) -> float:
    assert game.score is not None  # `Evidence.of` leaves the others out
    return game.score


def _side(judge: JudgeRow) -> Source:
    return "people" if judge.kind == "person" else "judges"


def _names(sets: Sequence[AnswerSetRow]) -> dict[str, str]:
    """Answer sets of one name are told apart by the beginning of their ids."""
    return _apart({answers.id: answers.name for answers in sets})


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


def _labels(judges: Mapping[str, JudgeRow]) -> dict[str, str]:
    return _apart({key: judge.name for key, judge in judges.items()})


def _apart(names: Mapping[str, str]) -> dict[str, str]:
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
