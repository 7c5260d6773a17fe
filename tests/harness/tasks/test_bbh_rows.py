"""BIG-Bench Hard's rows and prompts: where they are found, and what a broken file is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import benchmarks
from data.rows import digest
from data.sources import DataError
from harness.tasks.bbh import Bbh, lm_eval_prompts
from tests.harness.tasks.row_files import put, read, rows_or_a_data_error

CANARY = "canary\n-----\n"
GOOD = '{"examples": [{"input": "i", "target": "t"}]}'


def bbh(root: Path, task: str, prompt: str = CANARY + "Do it.\n\nQ: x\nA: y") -> Path:
    put(root / "bbh/cot-prompts/snarks.txt", prompt)
    return put(root / "bbh/snarks.json", task)


@pytest.mark.parametrize(
    ("tasks", "prompts"), [("bbh", "bbh/cot-prompts"), ("bbh", "cot-prompts"), (".", "cot-prompts")]
)
def test_bbh_is_found_in_its_upstream_layouts(tmp_path: Path, tasks: str, prompts: str) -> None:
    put(tmp_path / tasks / "snarks.json", json.dumps({"canary": "c", "examples": [{"input": "i", "target": "t"}]}))
    put(tmp_path / prompts / "snarks.txt", CANARY + "Do it.\n\nQ: x\nA: y")
    content = read(Bbh.rows, tmp_path)
    assert content.splits == {"test": [{"task": "snarks", "input": "i", "target": "t"}]}
    assert content.prompts == {"snarks": "Do it.\n\nQ: x\nA: y"}


@pytest.mark.parametrize(
    ("task", "prompt", "message"),
    [
        ('{"examples": [', CANARY + "p", r"snarks\.json: not valid JSON .*line 1 column 15"),
        ('{"examples": []}', CANARY + "p", r"snarks\.json: no rows"),
        ('["i"]', CANARY + "p", r"snarks\.json: no rows"),
        ('{"examples": [{"input": "i"}]}', CANARY + "p", r"example 1: target missing; there are input"),
        ('{"examples": [{"input": "i", "target": 3}]}', CANARY + "p", r"example 1: target should be text and is int"),
        ('{"examples": ["i"]}', CANARY + "p", r"example 1: should be an object"),
        ('{"examples": 1, "examples": 2}', CANARY + "p", r"'examples' stands twice"),
        ("[" * 100_000, CANARY + "p", r"nested too deeply"),
        (GOOD, "no line of hyphens", r"snarks\.txt: no prompt"),
        (GOOD, CANARY, r"snarks\.txt: no prompt"),
    ],
)
def test_broken_bbh_files(tmp_path: Path, task: str, prompt: str, message: str) -> None:
    bbh(tmp_path, task, prompt)
    with pytest.raises(DataError, match=message):
        read(Bbh.rows, tmp_path)


def test_bbh_prompts_that_are_missing_or_too_many(tmp_path: Path) -> None:
    bbh(tmp_path, GOOD)
    put(tmp_path / "bbh/cot-prompts/navigate.txt", CANARY + "p")
    content = read(Bbh.rows, tmp_path)
    assert content.notes == ("bbh: prompts without a task's file are left out: navigate",)
    assert list(content.prompts) == ["snarks"]
    put(tmp_path / "bbh/hyperbaton.json", GOOD)
    with pytest.raises(DataError, match="no chain-of-thought prompt for hyperbaton"):
        read(Bbh.rows, tmp_path)


def test_half_a_character_is_named_by_its_row(tmp_path: Path) -> None:
    bbh(tmp_path, '{"examples": [{"input": "\\ud800", "target": "t"}]}')
    with pytest.raises(DataError, match="bbh, test row 0: half of a character"):
        digest("bbh", read(Bbh.rows, tmp_path))


def test_the_prompts_of_the_hub_are_those_of_the_upstream_files(shared_data: Path, tmp_path: Path) -> None:
    upstream = benchmarks.load(Bbh.rows, shared_data, tmp_path).prompts
    assert lm_eval_prompts() == upstream
    for task, prompt in upstream.items():
        file = (shared_data / f"bbh/cot-prompts/{task}.txt").read_text(encoding="utf-8")
        assert file.endswith(f"\n-----\n{prompt}")


def test_tasks_of_the_real_rows(shared_data: Path, tmp_path: Path) -> None:
    bbh = benchmarks.load(Bbh.rows, shared_data, tmp_path)
    tasks = [row["task"] for row in bbh.splits["test"]]
    assert tasks == sorted(tasks)
    assert set(tasks) == set(bbh.prompts)
    assert len(bbh.prompts) == 27


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_rows_or_a_data_error(text: str) -> None:
    content = text.encode(errors="surrogatepass")
    rows_or_a_data_error(Bbh.rows, {"bbh/cot-prompts/snarks.txt": CANARY.encode() + b"p", "bbh/snarks.json": content})
