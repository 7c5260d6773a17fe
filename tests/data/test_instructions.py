"""Instruction rows: every raw form in one shape, the template there and back, and errors that say where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import hub_rows
from data.instructions import Instruction, from_prompt, load, prompt_of, response_of
from data.sources import DataError


def put(folder: Path, name: str, content: object) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in content) if name.endswith("l") else json.dumps(content)  # type: ignore[attr-defined]
    file.write_text(text, encoding="utf-8")
    return folder


ALPACA = [
    {"instruction": "Add.", "input": "1 2", "output": "3"},
    {"instruction": "Name a tool.", "input": "", "output": "A saw."},
]
DOLLY = [
    {"instruction": "Who?", "context": "Ada was there.", "response": "Ada.", "category": "closed_qa"},
    {"prompt": prompt_of(Instruction("dolly", "Why?", "", "")), "answer": "So.###eos_token###"},
]
WANTED = [
    Instruction("alpaca", "Add.", "1 2", "3"),
    Instruction("alpaca", "Name a tool.", "", "A saw."),
    Instruction("dolly", "Who?", "Ada was there.", "Ada."),
    Instruction("dolly", "Why?", "", "So."),
]


@pytest.mark.parametrize(
    ("alpaca", "dolly"), [("alpaca/x.json", "dolly/y.jsonl"), ("alpaca_data.json", "dolly-15k.jsonl")]
)
def test_every_form_of_a_folder(tmp_path: Path, alpaca: str, dolly: str) -> None:
    put(put(tmp_path, alpaca, ALPACA), dolly, DOLLY)
    assert load(tmp_path) == WANTED
    assert load(tmp_path, ["dolly"]) == WANTED[2:]


def test_the_real_files(shared_data: Path) -> None:
    rows = load(shared_data)
    assert [sum(row.source == name for row in rows) for name in ("alpaca", "dolly")] == [999, 151]
    assert sum(bool(row.input) for row in rows if row.source == "dolly") == 47
    assert not any("###" in row.output or "### Response" in row.instruction for row in rows if row.source == "dolly")


def test_the_sample_is_read_like_any_folder() -> None:
    rows = load("sample")
    assert {row.source for row in rows} == {"alpaca", "dolly"}
    assert 300 <= len(rows) <= 800
    assert all(row.instruction and row.output for row in rows)


def test_the_hub_is_asked_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = {"tatsu-lab/alpaca": ALPACA, "databricks/databricks-dolly-15k": DOLLY[:1]}
    monkeypatch.setattr(hub_rows, "resolve", lambda id_, revision: hub_rows.Repository(id_, "0" * 40))
    monkeypatch.setattr(hub_rows.Repository, "rows", lambda self, config, split: sets[self.id])
    assert load("hub") == WANTED[:3]


def test_no_hub_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"tatsu-lab/alpaca.*--data DIR"):
        load("hub")


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(text.filter(lambda t: "### Input:" not in t), text)
def test_the_template_there_and_back(instruction: str, given_: str) -> None:
    row = Instruction("dolly", instruction, given_, "x")
    prompt = prompt_of(row)
    assert from_prompt(prompt, "here") == (instruction, given_)
    assert prompt.endswith("\n\n### Response:")
    assert ("### Input:\n" in prompt) == bool(given_)


def test_a_response_follows_after_one_space() -> None:
    assert response_of(WANTED[1]) == " A saw."


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("alpaca/x.json", '{"a": 1}', "should be a list"),
        ("alpaca/x.json", "[1]", r"x.json, row 1: a row should be an object"),
        ("alpaca/x.json", '[{"instruction": "a", "output": null}]', r"row 1: output should be text and is NoneType"),
        ("alpaca/x.json", '[{"output": "a"}]', r"row 1: instruction should be text and is not there; there are output"),
        ("alpaca/x.json", "[", "not valid JSON"),
        ("alpaca/x.json", "[" * 100_000, "not valid JSON"),
        ("dolly/x.jsonl", '\n{"prompt": "Hello", "answer": "b"}', r"x.jsonl, line 2: the prompt is not in the Alpaca"),
        ("dolly/x.jsonl", "\n", "no rows"),
    ],
)
def test_what_is_odd_is_named(tmp_path: Path, name: str, content: str, said: str) -> None:
    file = tmp_path / name
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(DataError, match=said):
        load(tmp_path, [name.partition("/")[0]])


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no dolly in .*looked for dolly/\*.jsonl and dolly\*.jsonl"):
        load(tmp_path, ["dolly"])
    with pytest.raises(DataError, match=r"Did you mean alpaca\?"):
        load(tmp_path, ["alpacca"])
    (tmp_path / "dolly").mkdir()
    (tmp_path / "dolly" / "x.jsonl").write_bytes(b"\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        load(tmp_path, ["dolly"])
