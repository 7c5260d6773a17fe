"""The judge that needs no model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.judging import installed
from judges.judging.pairs import contest
from judges.judging.reference_judge import expected, right
from judges.ranking.games import games
from tests.judges.make import answered


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Because so.\nAnswer: 42", "42"),
        ("answer: on the table \n", "on the table"),
        ("Answer: 1\nNo:\nAnswer: 2", "2"),
        ("sixteen", "sixteen"),
        ("A long reference that explains things and never comes to a short answer.", None),
        ("", None),
        ("...", None),
    ],
)
def test_what_a_reference_comes_to(text, short):
    assert expected(text) == short


@pytest.mark.parametrize(
    ("answer", "wanted", "is_right"),
    [
        ("17 - 9 = 8. So the answer is 8.", "8", True),
        ("The answer is 8, not 9.", "8", False),  # the last number counts
        ("8", "8", True),
        ("8.0", "8", True),
        ("18", "8", False),
        ("1,200", "1200", True),
        ("-8", "8", False),
        ("7 times 6 = 42", "42", True),
        ("It is 42 or so\nI do not know", "42", False),
        ("On the table, of course.", "on the table", True),
        ("on the big table", "on the table", False),
        ("The answer is False. True would be wrong", "True", True),  # a word may stand anywhere in that line
        ("untrue", "True", False),
        ("", "8", False),
    ],
)
def test_what_is_right(answer, wanted, is_right):
    assert right(answer, wanted) is is_right


@given(st.text(), st.text())
def test_no_text_breaks_it(answer, text):
    wanted = expected(text)
    if wanted is not None:
        right(answer, wanted)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_a_number_is_right_where_it_is_that_number(one, other):
    assert right(f"So the answer is {one:,}.", str(other)) is (one == other)


def test_the_right_answer_wins_in_both_orders(tmp_path):
    models = {
        "good": lambda n, turn: f"the answer is {n}",
        "bad": lambda n, turn: "the answer is 99" if n < 4 else f"so it is {n}",
    }
    store = answered(tmp_path / "s.duckdb", models, reference=lambda n: [f"Answer: {n}"] if n else [])
    found = contest(store, ["good", "bad"])
    outcome = installed.judge(store, found, "reference")
    assert (outcome.asked, outcome.before) == (10, 0)  # the first question has no reference
    rows = store.comparisons()
    played = games(rows, store.judges())
    by_name = {("good" * 8, "bad" * 8): 1.0, ("bad" * 8, "good" * 8): 0.0}
    scores = {game.question: game.score for game in played}
    assert scores == {f"q{n}": by_name[played[0].first, played[0].second] for n in (1, 2, 3)} | {"q4": 0.5, "q5": 0.5}
    assert installed.judge(store, found, "reference").before == 10
    assert store.comparisons() == rows
    other = installed.judge(store, found, "reference", {"q0": ["Answer: 99"]})
    assert (other.asked, other.verdicts) == (2, {"first": 1, "second": 1})
    assert other.judge.id != outcome.judge.id
