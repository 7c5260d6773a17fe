"""`harness.answer`, `harness.judge` and `harness.rank`, without a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import harness
from harness.arguments import StoppedError
from harness.errors import IncompleteError, UnreliableError, UsageError
from judges.api import RANKED
from tests.harness.runs import Scripted, json_of
from tests.judges.make import answered, words
from tests.judges.scripted_server import longer_wins, scripted_server


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Every answer is by this, and by no model."""
    backend = Scripted()
    monkeypatch.setattr("harness.backends.make", lambda *needed: (backend, []))
    return backend


@pytest.fixture
def db(tmp_path: Path) -> str:
    """Two models that have answered six questions, the second at greater length."""
    answered(tmp_path / "s.duckdb", {"short": words("short", 1), "long": words("long", 9)})
    return str(tmp_path / "s.duckdb")


def test_answers_are_the_commands_answers_and_are_there_the_second_time(scripted, tmp_path):
    db = tmp_path / "a.duckdb"
    made = harness.answer("tiny", "sample", sample=3, max_new_tokens=8, name="base", db=db, progress=False)
    asked = scripted.answered
    words = ("--prompts", "sample", "--sample", 3, "--max-new-tokens", 8, "--db", db)
    (by_command,) = json_of("answer", "--model", "tiny", *words)["answers"]
    again = harness.answer("tiny", "sample", sample=3, max_new_tokens=8, db=db, progress=False)
    assert again.document == by_command == {**made.document, "before": made.document["answers"]}
    assert (again.id, again.name, scripted.answered) == (made.id, "base", asked)
    assert "harness.answer(model='tiny'" in harness.open(db)._store.resolve_answers(made.id).command
    assert repr(made).startswith("base (tiny): ")


def test_answers_without_a_word_are_refused_by_the_same_sentence(scripted, tmp_path):
    scripted.say = lambda request: ""
    with pytest.raises(IncompleteError, match="base: every answer is empty"):
        harness.answer("tiny", "sample", sample=2, name="base", db=tmp_path / "a.duckdb", progress=False)


def test_ctrl_c_keeps_the_answers(scripted, tmp_path):
    def strike(batch: int) -> None:
        if batch == 1:
            raise KeyboardInterrupt

    scripted.batch, scripted.fault = 1, strike
    with pytest.raises(StoppedError, match=r"Stopped\. 1 of "):
        harness.answer("tiny", "sample", sample=3, db=tmp_path / "a.duckdb", progress=False)


def test_judged_and_ranked_as_by_the_commands(db):
    with scripted_server(longer_wins) as (server, judge):
        judged = harness.judge(["short", "long"], "j", base_url=server.url, db=db, progress=False)
        assert judged.judges[0]["verdicts"] == {"first": 6, "second": 6}
        assert "12 of 12" in repr(judged)
        asked = sum(judge.answered.values())
        command = ("judge", "--models", "short,long", "--judge", "j", "--base-url", server.url, "--db", db)
        by_command = json_of(*command)
        assert sum(judge.answered.values()) == asked
        again = harness.judge("short, long", ["j"], base_url=server.url, db=db, progress=False)
        assert again.judges == by_command["judges"]
    ranking = harness.rank(db=db)
    printed = json_of("ranking", "--db", db)
    written = json.dumps(ranking.document).replace("-Infinity", "null").replace("Infinity", "null")
    assert json.loads(written.replace("NaN", "null")) == printed  # JSON has no word for these
    assert [model["name"] for model in ranking.models] == ["long", "short"]
    assert ranking.frame().column_names == list(RANKED)
    assert "no limit" in repr(ranking)
    votes = harness.open(db).votes()
    assert set(votes.column("judge").to_pylist()) == {"j"}
    assert set(
        zip(votes["first"].to_pylist(), votes["second"].to_pylist(), votes["verdict"].to_pylist(), strict=True)
    ) == {
        ("long", "short", "first"),
        ("short", "long", "second"),
    }


def test_an_estimate_asks_nothing(db, capsys):
    with scripted_server(longer_wins) as (server, judge):
        judged = harness.judge(
            ["short", "long"], "j", base_url=server.url, estimate=True, price_in=1, price_out=2, db=db, progress=False
        )
        assert not judge.answered
    assert judged.judges == []
    assert "12 requests" in capsys.readouterr().err


def test_a_judge_that_fails_too_often_is_the_same_error(db):
    with (
        scripted_server(longer_wins, garbage=1.0) as (server, _),
        pytest.raises(UnreliableError, match="j gave no verdict on 100%"),
    ):
        harness.judge(["short", "long"], "j", base_url=server.url, db=db, progress=False)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"models": "short"}, "two models or more"),
        ({"models": []}, "Name the answer sets"),
        ({"repeat": 2}, "takes no argument 'repeat'. Did you mean repeats?"),
        ({"repeats": 0}, "repeats"),
        ({"max_cost": 1.0}, "a cost needs both of the judge's prices"),
        ({"against": "none"}, "none"),
    ],
)
def test_wrong_arguments_are_sentences(given, sentence, db):
    with pytest.raises(UsageError, match=sentence):
        harness.judge(**{"models": ["short", "long"], "judge": "j", "db": db, "progress": False, **given})
    assert harness.open(db).votes().num_rows == 0


def test_a_ranking_has_one_source(db):
    with pytest.raises(UsageError, match='by="people,judges" is none of people, judges, both'):
        harness.rank(by="people,judges", db=db)
    with pytest.raises(UsageError, match="no comparisons yet"):
        harness.rank(db=db)
