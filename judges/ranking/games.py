"""From verdicts to games: both orders of a judge make one game, a person's vote makes one.

A judge's game is won only where both orders agree; they differ, or either says tie: a tie (the rule of FastChat's
pair-v2). A verdict that is an error leaves its game without a score.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from judges.store.rows import ComparisonRow, JudgeRow

_SCORE = {"first": 1.0, "second": 0.0, "tie": 0.5, "bad": 0.5}


@dataclass(frozen=True, slots=True)
class Game:
    """`score` is that of `first`: 1, 0.5 or 0; None where a verdict is an error. `first` is the answer set whose id
    sorts first, and of a person's vote the one on the left."""

    judge: str
    question: str
    turn: int
    repeat: int
    first: str
    second: str
    score: float | None


def games(comparisons: Iterable[ComparisonRow], judges: Iterable[JudgeRow]) -> list[Game]:
    """Complete games in a stable order. Undone and skipped votes, and pairs with one order so far, make none."""
    people = {judge.id for judge in judges if judge.kind == "person"}
    played: list[Game] = []
    pairs: dict[tuple[str, str, int, int, str, str], dict[bool, ComparisonRow]] = {}
    for row in comparisons:
        if row.superseded is not None or row.verdict == "skip":
            continue
        if row.judge in people:
            played.append(_game(row, row.first, row.second, _score(row)))
            continue
        one, other = sorted((row.first, row.second))
        key = (row.judge, row.question, row.turn, row.repeat, one, other)
        pairs.setdefault(key, {})[row.first == one] = row
    for (*_, one, other), orders in pairs.items():
        if len(orders) == 2:
            straight, swapped = orders[True], orders[False]
            played.append(_game(straight, one, other, _both(straight, swapped)))
    played.sort(key=lambda game: (game.judge, game.question, game.turn, game.repeat, game.first, game.second))
    return played


def _game(row: ComparisonRow, first: str, second: str, score: float | None) -> Game:
    return Game(row.judge, row.question, row.turn, row.repeat, first, second, score)


def _score(row: ComparisonRow) -> float | None:
    return _SCORE.get(row.verdict)


def _both(straight: ComparisonRow, swapped: ComparisonRow) -> float | None:
    one, other = _score(straight), _score(swapped)
    if one is None or other is None:
        return None
    return one if one == 1 - other else 0.5
