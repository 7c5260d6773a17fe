"""`harness data audit`: what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.instructions import Instruction, Message
from harness.audit.audit import audit, text_of
from harness.tasks import load
from tests.harness.runs import cli, json_of


@pytest.fixture
def train(tmp_path: Path) -> Path:
    """Rows of which the second asks an item of the sample's MMLU, and the third has its text in a conversation."""
    item = load("mmlu", "sample", shots=0)[0].task.items()[0]
    rows = [
        {"instruction": "Name a colour.", "input": "", "output": "Red."},
        {"instruction": item.row["question"].upper(), "input": "", "output": item.row["choices"][0]},
        {"instruction": "Write a [bold]poem[/bold].", "input": "", "output": f"Before.\n{item.row['question']}"},
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def test_the_flagged_items_are_listed_with_their_rows(train: Path) -> None:
    document = json_of("data", "audit", "--train", train, "--tasks", "mmlu,bbh", "--data", "sample")
    mmlu, bbh = document["tasks"]
    (flagged,) = mmlu["flagged"]
    first = load("mmlu", "sample", shots=0)[0].task.items()[0]
    assert (flagged["item"], flagged["group"], flagged["kind"], flagged["share"]) == (
        first.id,
        first.group,
        "question",
        1,
    )
    assert (flagged["source"], flagged["row"], flagged["rows"]) == ("mine.jsonl", 2, 2)
    assert flagged["excerpt"].startswith(first.row["question"].upper()[:40])
    assert (bbh["flagged"], bbh["rows"], document["sources"]) == ([], 3, ["mine.jsonl"])


def test_it_is_said_in_lines(train: Path) -> None:
    code, text, _ = cli("data", "audit", "--train", train, "--tasks", "mmlu,bbh", "--data", "sample")
    assert code == 0
    assert "1 flagged" in text
    assert "question, 100% of it in row 2 of mine.jsonl and 1 more" in text
    assert "items compared with 3 training rows: none is in them." in text


def test_what_it_refuses_names_the_option(train: Path) -> None:
    for words, said in (
        (("--tasks", "mmul"), "--tasks"),
        (("--tasks", "mmlu", "--columns", "question=frage"), "--columns"),
        (("--tasks", "mmlu", "--train", "nothing.jsonl"), "nothing.jsonl"),
    ):
        code, out, error = cli("data", "audit", "--train", train, *words, "--data", "sample")
        assert code in (2, 3)
        assert said in error
        assert not out


def test_all_of_a_row_is_compared() -> None:
    turns = (Message("system", "Be kind."), Message("user", "One?"), Message("assistant", "Two."))
    assert text_of(Instruction("a", "Be kind.\n\nOne?", "", "Two.", turns)) == "Be kind.\nOne?\nTwo."
    assert text_of(Instruction("a", "Ask", "this", "Answer")) == "Ask\n\nthis\nAnswer"
    assert text_of(Instruction("a", "", "", "plain text", is_text=True)) == "plain text"


def test_rows_have_the_numbers_of_their_sources() -> None:
    (mmlu,) = load("mmlu", "sample", shots=0)
    question = mmlu.task.items()[0].row["question"]
    rows = [Instruction("a", "x", "", "y"), Instruction("b", question, "", "y")]
    (one,) = audit([mmlu], rows)
    assert [(item.source, item.row) for item in one.flagged] == [("b", 1)]
    (one,) = audit([mmlu], rows, lambda places: {place: 70 + place for place in places})
    assert [item.row for item in one.flagged] == [71]
