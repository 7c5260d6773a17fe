"""The ranking and what it rests on, as plain data: one implementation for the terminal, JSON and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from data.counts import counted
from harness.errors import UsageError
from judges.ranking import agreement, rating
from judges.ranking.agreement import Opinion, Seen
from judges.ranking.evidence import Evidence, Source, side_of, told_apart
from judges.ranking.games import Game
from judges.ranking.strength_intervals import Method
from judges.ranking.style import STYLE, difference
from judges.store.rows import ComparisonRow, JudgeRow

TURNING, PLACE = 0.5, 0.75  # beyond them a judge is doubted


def ranking_report(
    evidence: Evidence,
    source: Source | None = None,
    style: bool = False,
    method: Method = "sandwich",
    quality: bool = True,
) -> dict[str, Any]:
    """`models`, `pairs`, `style`, `notes` and, unless it is not wanted, `quality` (which takes longer than all else);
    without `source` people count where there are any. `judges_weight` is None but for "people+judges".

    UsageError where the source has no games, or there are too few votes to correct judges by."""
    votes, verdicts = len(evidence.of("people")), len(evidence.of("judges"))
    used: Source = source or ("people" if votes else "judges")
    played = evidence.of(used)
    if not played:
        raise UsageError(f"There are no games by {_side(used)} to rank by{_undecided(evidence, used)}.")
    if used == "people+judges":
        ranking = _corrected(evidence, style, method)
    else:
        # together, people's games and judges' count alike, whoever's pairs were chosen
        matches = [_match(evidence, game, style, weighed=used != "both") for game in played]
        ranking = rating.rank(matches, STYLE if style else (), method)
    bands = rating.bands(ranking)
    notes = list(ranking.notes)
    if used == "both":
        notes.insert(0, f"{votes} votes of people and {verdicts} games of judges together, each counted as one game.")
    elif ranking.trust is not None:
        notes.insert(
            0,
            f"{len(evidence.verdicts()):,} games of judges, corrected by {votes:,} votes of people; the judges have "
            f"the weight {ranking.trust:.2f} (0: strengths are by people alone). Games and win rates are people's.",
        )
    elif source is None and votes and verdicts:
        notes.insert(
            0, f"Ranked by people alone; {verdicts} games of judges are there too (judges or both counts them)."
        )
    measured = quality_report(evidence) if quality else None
    if measured and used != "people":
        notes += _doubts(measured["judges"])
    return {
        "source": used,
        "prompts": {"name": evidence.prompts, "n": ranking.prompts},
        "games": ranking.games,
        "method": ranking.method,
        "style_control": style,
        "judges_weight": ranking.trust,
        "models": [
            {**asdict(model), "rank_best": bands[model.name][0], "rank_worst": bands[model.name][1]}
            for model in ranking.models
        ],
        "pairs": [asdict(pair) for pair in ranking.pairs],
        "style": [asdict(weight) for weight in ranking.style],
        **({"quality": measured} if measured else {}),
        "notes": notes,
    }


def _doubts(judges: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why a judge's verdicts say little of the answers: more than half of them turn with the order, or three in four
    decided ones are for one place; with 95% confidence."""
    doubts = []
    for one in judges:
        flips, first = one["flip_rate"], one["first_rate"]
        if flips["n"] and flips["low"] > TURNING:
            doubts.append(
                f"{one['judge']} gives another verdict on {flips['value']:.0%} of the pairs when the answers change "
                "places: a ranking by it says little."
            )
        elif first["n"] and (first["low"] > PLACE or first["high"] < 1 - PLACE):
            place = "first" if first["value"] > 0.5 else "second"
            share = max(first["value"], 1 - first["value"])
            doubts.append(
                f"{one['judge']} decides for the answer shown {place} in {share:.0%} of its verdicts: a ranking by it "
                "says little."
            )
    return doubts


def _side(source: Source) -> str:
    return "judges" if source == "judges" else "people"


def _undecided(evidence: Evidence, source: Source) -> str:
    """What they gave in place of games."""
    own = [c for c in evidence.comparisons if side_of(evidence.judges[c.judge]) == _side(source)]
    return f": none of their {counted(len(own), 'comparison')} has a verdict (the first: {_why(own)})" if own else ""


def _why(comparisons: Sequence[ComparisonRow]) -> str:
    return comparisons[0].error or comparisons[0].verdict


def _corrected(evidence: Evidence, style: bool, method: Method) -> rating.Ranking:
    """People's votes with the chance that judges' verdicts on the same answers take out of them."""
    if style:
        raise UsageError("Style cannot be held equal where people correct judges: rank by one of them with it.")
    votes, verdicts = ([_match(evidence, game) for game in own] for own in (evidence.of("people"), evidence.verdicts()))
    if not verdicts:
        raise UsageError("There are no games by judges that people could correct.")
    try:
        return rating.rank(votes, method=method, verdicts=verdicts)
    except rating.UncorrectedError as error:
        raise UsageError(
            f"{len(votes):,} votes of people are too few to correct judges by: strengths would have no limit. Rank by "
            "people or by judges alone, or gather more votes."
        ) from error


def _match(evidence: Evidence, game: Game, style: bool = False, weighed: bool = True) -> rating.Match:
    sides = (game.first, game.second)
    looks = difference(*(evidence.looks[side, game.question, game.turn] for side in sides)) if style else ()
    a, b = (evidence.players[side] for side in sides)
    weight = evidence.weight(game) if weighed else 1.0
    return rating.Match(game.question, a, b, _score(game), looks, weight)


def quality_report(evidence: Evidence) -> dict[str, Any]:
    """Each judge's figures, people's, and how far all of these agree (judges/ranking/agreement.py)."""
    labels = _labels(evidence.judges)
    models = sorted(
        (key for key, judge in evidence.judges.items() if side_of(judge) == "judges"), key=labels.__getitem__
    )
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
        pair = (game.question, 0 if evidence.is_whole(game) else game.turn, min(names), max(names))
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


def _labels(judges: Mapping[str, JudgeRow]) -> dict[str, str]:
    return told_apart({key: judge.name for key, judge in judges.items()})
