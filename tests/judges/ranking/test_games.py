"""Two orders make one game, a vote makes one."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from judges.ranking.games import games
from judges.store.rows import ComparisonRow, JudgeRow
from tests.judges.make import NOW

MODEL = JudgeRow("m", "model", "judge", NOW)
PERSON = JudgeRow("p", "person", "Ada", NOW)
verdicts = st.sampled_from(["first", "second", "tie", "error"])


def row(judge: str, first: str, second: str, verdict, **changes) -> ComparisonRow:
    key = f"{judge} {first} {second} {changes}"
    return ComparisonRow(key, judge, "q", 1, first, second, verdict, NOW, **changes)


@given(verdicts, verdicts, st.booleans())
def test_a_win_takes_both_orders(straight, swapped, turned):
    rows = [row("m", "x", "y", straight), row("m", "y", "x", swapped)]
    (game,) = games(reversed(rows) if turned else rows, [MODEL])
    assert (game.first, game.second) == ("x", "y")
    if "error" in (straight, swapped):
        assert game.score is None
    elif (straight, swapped) == ("first", "second"):
        assert game.score == 1.0
    elif (straight, swapped) == ("second", "first"):
        assert game.score == 0.0
    else:
        assert game.score == 0.5


def test_one_order_alone_makes_no_game():
    assert games([row("m", "x", "y", "first")], [MODEL]) == []


def test_repeats_and_judges_are_games_of_their_own():
    other = JudgeRow("n", "model", "other", NOW)
    rows = [
        row(judge, first, second, "tie", repeat=repeat)
        for judge in "mn"
        for repeat in (0, 1)
        for first, second in (("x", "y"), ("y", "x"))
    ]
    found = games(rows, [MODEL, other])
    assert [(game.judge, game.repeat) for game in found] == [("m", 0), ("m", 1), ("n", 0), ("n", 1)]


def test_a_persons_vote_is_a_game_with_the_left_side_first():
    rows = [row("p", "y", "x", "first"), row("p", "a", "b", "bad"), row("p", "c", "d", "skip")]
    rows.append(row("p", "e", "f", "first", superseded=NOW + timedelta(hours=1)))
    found = games(rows, [PERSON])
    assert {(game.first, game.second, game.score) for game in found} == {("y", "x", 1.0), ("a", "b", 0.5)}
