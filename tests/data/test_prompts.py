"""Prompt sets: FastChat's format from files, the bundled sample, and what FastChat wrote."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import hub_rows, prompts
from data.sources import DataError

ROW = {"question_id": 7, "category": "math", "turns": ["What is 2 + 2?"], "reference": ["4"]}


def write(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_the_vicuna_prompts(shared_data):
    found = prompts.load(shared_data)
    assert found.name == "vicuna"
    assert found.source == f"folder:{(shared_data / 'vicuna').resolve()}"
    assert len(found.prompts) == 80
    counts = Counter(prompt.category for prompt in found.prompts)
    assert len(counts) == 9
    assert (counts.pop("coding"), counts.pop("math")) == (7, 3)
    assert set(counts.values()) == {10}
    assert all(len(prompt.turns) == 1 and not prompt.reference for prompt in found.prompts)
    assert prompts.load(shared_data / "vicuna/question.jsonl").digest == found.digest
    assert found.digest == "d06fadaecfb6489911745edc9652f08c6f865713b4d706b67ca73a9e9eeab5bd"


def test_the_sample_has_the_same_categories_and_references_where_they_can_be_checked(shared_data):
    found = prompts.load("sample")
    theirs = prompts.load(shared_data)
    assert found.source == "sample"
    assert {p.category for p in found.prompts} == {p.category for p in theirs.prompts}
    assert not {turn for p in found.prompts for turn in p.turns} & {turn for p in theirs.prompts for turn in p.turns}
    assert {p.category for p in found.prompts if p.reference} >= {"math", "coding", "common-sense"}
    assert any(len(p.turns) == 2 and len(p.reference) == 2 for p in found.prompts)


def test_two_turns_and_a_digest_of_the_content(tmp_path):
    row = {**ROW, "turns": ["a", "b"], "reference": ["c", "d"]}
    found = prompts.load(write(tmp_path / "one/question.jsonl", row).parent)
    (prompt,) = found.prompts
    assert (prompt.id, prompt.turns, prompt.reference) == ("7", ("a", "b"), ("c", "d"))
    assert prompts.load(write(tmp_path / "two/mt_bench/question.jsonl", row).parent.parent).digest == found.digest
    for changed in ({"turns": ["a", "x"]}, {"category": "x"}, {"reference": ["c", "x"]}, {"question_id": 8}):
        assert prompts.load(write(tmp_path / "three.jsonl", {**row, **changed})).digest != found.digest


@given(st.text(), st.text(min_size=1))
def test_any_text_is_a_prompt(turn, category):
    row = json.dumps({"question_id": "x", "category": category, "turns": [turn]})
    (found,) = prompts._made("n", "s", [(json.loads(row), "line 1")]).prompts
    assert (found.turns, found.category) == ((turn,), category)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["{"], "line 1: not valid JSON"),
        (["[]"], "line 1: should be an object"),
        ([], "has no prompt"),
        ([ROW, ROW], "line 2: question 7 stands there twice"),
        ([{**ROW, "turns": "x"}], "turns should be a list"),
        ([{**ROW, "turns": []}], "0 turns"),
        ([{**ROW, "turns": ["a", "b", "c"], "reference": []}], "3 turns"),
        ([{**ROW, "turns": [1]}], "turns should be text and is int"),
        ([{**ROW, "reference": ["a", "b"]}], "2 references for 1 turns"),
        ([{**ROW, "question_id": None}], "question_id is None"),
        ([{**ROW, "question_id": True}], "question_id is True"),
        ([{**ROW, "category": 3}], "category should be text"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, rows, said):
    with pytest.raises(DataError, match=said):
        prompts.load(write(tmp_path / "question.jsonl", *rows))


def test_nothing_stands_in_for_prompts_that_are_missing(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"no prompts in .*: looked for question.jsonl"):
        prompts.load(tmp_path)
    monkeypatch.setattr(hub_rows, "resolve", lambda *_: (_ for _ in ()).throw(DataError("no network")))
    with pytest.raises(DataError, match="no network"):
        prompts.load(None)


def test_a_hub_data_set(monkeypatch):
    class Repository:
        id, revision = "lighteval/mt-bench", "c" * 40

        def rows(self, config, split):
            assert (config, split) == (None, "train")
            return [{**ROW, "reference": []}, {**ROW, "question_id": 8, "reference": None}]

    monkeypatch.setattr(hub_rows, "resolve", lambda *wanted: Repository() if wanted == prompts.HUB else None)
    found = prompts.load("hub")
    assert (found.name, found.source, len(found.prompts)) == ("mt-bench", f"hub:lighteval/mt-bench@{'c' * 40}", 2)
    assert not found.prompts[0].reference


def test_answers_and_references_of_fastchat(tmp_path):
    line = {"question_id": 81, "model_id": "m", "choices": [{"index": 0, "turns": ["one", "two"]}], "tstamp": 1.5}
    path = write(tmp_path / "m.jsonl", line)
    assert prompts.answers(path) == ("m", {"81": ("one", "two")})
    assert prompts.references(path) == {"81": ("one", "two")}
    assert prompts.references(write(tmp_path / "r.jsonl", ROW)) == {"7": ("4",)}
    with pytest.raises(DataError, match="stands there twice"):
        prompts.answers(write(path, line, line))
    with pytest.raises(DataError, match="one model"):
        prompts.answers(write(path, line, {**line, "question_id": 82, "model_id": "n"}))
    with pytest.raises(DataError, match="no choices"):
        prompts.references(write(path, {"question_id": 1}))


def test_judgments_of_fastchat_name_the_winner_whatever_the_order(tmp_path):
    line = {
        "question_id": 81,
        "turn": 1,
        "judge": ["gpt-4", "pair-v2"],
        "model_1": "x",
        "model_2": "y",
        "g1_winner": "model_1",
        "g2_winner": "model_1",
        "g1_judgment": "so [[A]]",
        "g2_judgment": "so [[B]]",
    }
    one, two = prompts.judgments(write(tmp_path / "j.jsonl", line))
    assert (one.first, one.second, one.verdict, one.text) == ("x", "y", "first", "so [[A]]")
    assert (two.first, two.second, two.verdict, two.text) == ("y", "x", "second", "so [[B]]")
    assert one.judge == "gpt-4 pair-v2"
    assert not one.person
    with pytest.raises(DataError, match="the winner is 'x'"):
        prompts.judgments(write(tmp_path / "j.jsonl", {**line, "g2_winner": "x"}))


def test_votes(tmp_path):
    line = {"question_id": 81, "model_a": "x", "model_b": "y", "winner": "model_b", "judge": "expert_3", "turn": 2}
    (vote,) = prompts.judgments(write(tmp_path / "v.jsonl", line))
    assert (vote.first, vote.second, vote.verdict, vote.turn, vote.person) == ("x", "y", "second", 2, True)
    (bad,) = prompts.judgments(write(tmp_path / "v.jsonl", {**line, "winner": "tie (bothbad)"}))
    assert bad.verdict == "bad"
    both = prompts.judgments(write(tmp_path / "v.jsonl", {**line, "judge": ["gpt-4", "pair-v2"]}))
    assert [(each.first, each.verdict, each.person) for each in both] == [("x", "second", False), ("y", "first", False)]
    with pytest.raises(DataError, match="turn is 3"):
        prompts.judgments(write(tmp_path / "v.jsonl", {**line, "turn": 3}))


@pytest.mark.parametrize(
    "judge",
    ["gpt-4", "gpt-4-turbo", "claude-v1", "claude-3-5-sonnet-20240620", "o3-mini", "gemini-1.5-pro", "llama2:70b",
     "Qwen/Qwen2.5-72B-Instruct", "command-r-plus", "deepseek-chat", "one", ["any", "pair-v2"]],
    ids=str,
)  # fmt: skip
def test_a_judge_by_a_models_name_is_a_model(tmp_path, judge):
    line = {"question_id": 1, "model_a": "one", "model_b": "two", "winner": "model_a", "judge": judge, "turn": 1}
    read = prompts.judgments(write(tmp_path / "v.jsonl", line))
    assert [(vote.person, vote.verdict) for vote in read] == [(False, "first"), (False, "second")]
    (vote,) = prompts.judgments(write(tmp_path / "v.jsonl", line), "people")
    assert vote.person


@pytest.mark.parametrize(
    "judge", ["author_2", "expert_17", "arena_user_973", "gptfan", "gpt_lover", "Claude", "phillip", "olivia", "nova"]
)
def test_a_judge_by_a_persons_name_is_a_person(tmp_path, judge):
    line = {"question_id": 1, "model_a": "one", "model_b": "two", "winner": "model_a", "judge": judge, "turn": 1}
    (vote,) = prompts.judgments(write(tmp_path / "v.jsonl", line))
    assert vote.person
    assert len(prompts.judgments(write(tmp_path / "v.jsonl", line), "models")) == 2
