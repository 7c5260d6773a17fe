"""Answers and judgments that FastChat wrote come in, once."""

from __future__ import annotations

import json
from pathlib import Path

from judges.ranking.games import games
from judges.store import Store
from tests.harness.runs import cli, json_of


def write(path: Path, *rows: dict) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def brought_in(tmp_path: Path) -> Path:
    prompts = write(tmp_path / "question.jsonl", *({"question_id": n, "category": "x", "turns": ["q"]} for n in (1, 2)))
    db = tmp_path / "s.duckdb"
    for model in ("one", "two"):
        rows = ({"question_id": n, "model_id": model, "choices": [{"turns": [f"{model} {n}"]}]} for n in (1, 2))
        file = write(tmp_path / f"{model}.jsonl", *rows)
        found = json_of("answer", "--import", file, "--prompts", prompts, "--db", db)["answers"]
        assert [(each["name"], each["answers"]) for each in found] == [(model, 2)]
        json_of("answer", "--import", file, "--prompts", prompts, "--db", db)
    return db


def test_answers(tmp_path):
    store = Store(brought_in(tmp_path))
    assert sorted((each.name, each.status) for each in store.answer_sets()) == [
        ("one", "imported"),
        ("two", "imported"),
    ]
    assert [row.text for row in store.answers_of(store.resolve_answers("two").id)] == ["two 1", "two 2"]


def test_answers_to_other_prompts_are_refused(tmp_path):
    file = write(tmp_path / "m.jsonl", {"question_id": 999, "choices": [{"turns": ["x"]}]})
    code, _, errors = cli("answer", "--import", file, "--prompts", "sample", "--db", tmp_path / "s.duckdb")
    assert (code, "question 999" in errors) == (3, True)


def test_judgments_and_votes(tmp_path):
    db = brought_in(tmp_path)
    pair = {"model_1": "one", "model_2": "two", "judge": ["gpt-4", "pair-v2"], "turn": 1}
    judgments = write(
        tmp_path / "gpt-4_pair.jsonl",
        {**pair, "question_id": 1, "g1_winner": "model_2", "g2_winner": "model_2"},
        {**pair, "question_id": 2, "g1_winner": "model_1", "g2_winner": "model_2"},
    )
    vote = {"model_a": "one", "model_b": "two", "judge": "expert_1", "turn": 1}
    votes = write(
        tmp_path / "votes.jsonl",
        {**vote, "question_id": 1, "winner": "model_a"},
        {**vote, "question_id": 2, "winner": "model_a", "model_b": "nobody here"},
    )
    for _ in range(2):  # twice is once
        code, _, errors = cli("judge", "--import", judgments, "--import", votes, "--db", db)
        assert code == 0, errors
    assert "1 on models without answers here" in errors
    store = Store(db)
    assert len(store.comparisons()) == 5
    names = {each.id: each.name for each in store.answer_sets()}
    kinds = {judge.id: judge.kind for judge in store.judges()}
    found = {}
    for game in games(store.comparisons(), store.judges()):
        score = game.score if names[game.first] == "one" else 1 - (game.score or 0)
        found[kinds[game.judge], game.question] = score
    assert found == {("model", "1"): 0.0, ("model", "2"): 0.5, ("person", "1"): 1.0}
