"""`harness data show` of instruction rows: what is in them, and three as they will be trained."""

from __future__ import annotations

import json
from pathlib import Path

from data.instructions import Instruction, prompt_of
from tests.harness.runs import cli, json_of

ROWS = [
    {"instruction": "Name the largest planet.", "input": "", "output": "Jupiter"},
    {"instruction": "Name the largest planet!", "input": "", "output": "It is Jupiter."},
    {"instruction": "Add the numbers.", "input": "1 and 2", "output": "The sum is 3."},
    {"instruction": "Say nothing at all.", "input": "", "output": ""},
]


def put(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "my.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_is_in_it_and_what_will_be_trained(tmp_path: Path) -> None:
    path = put(tmp_path, [dict(row) for row in ROWS])
    shown = json_of("data", "show", path)["instruction_rows"]
    assert shown["note"] == "my.jsonl: instruction, input, output, 4 rows"
    assert (shown["rows"], shown["kept"], shown["with_input"], shown["one_word_responses"]) == (4, 2, 1, 1)
    assert shown["left_out"] == [
        "1 of 4 rows have no output and are left out.",
        "1 of 3 rows are near copies of others and are left out.",
    ]
    row = Instruction("my.jsonl", "Add the numbers.", "1 and 2", "The sum is 3.")
    assert shown["examples"][1] == {"prompt": prompt_of(row), "response": " The sum is 3."}
    assert shown["longest_characters"] == len(prompt_of(row) + " The sum is 3.")

    code, out, errors = cli("data", "show", path)
    assert (code, errors) == (0, "")
    assert "2 rows are left, 1 with an input; 1 responses are one word" in out
    assert "### Input:\n1 and 2\n\n### Response: The sum is 3." in out


def test_a_file_that_is_a_test_and_rows_is_explained_as_both(tmp_path: Path) -> None:
    path = put(tmp_path, [{"question": "Who was it?", "answer": "Ada"}])
    shown = json_of("data", "show", path)
    assert shown["shape"] == "question + answer"
    assert shown["instruction_rows"]["rows"] == 1
    _, out, _ = cli("data", "show", path)
    assert "expected: Ada" in out
    assert "training example 1" in out


def test_a_file_that_is_neither_is_refused_with_both_reasons(tmp_path: Path) -> None:
    code, _, errors = cli("data", "show", put(tmp_path, [{"text": "a text"}]))
    assert code == 3
    sentences = " ".join(errors.split())
    assert "As a test: " in sentences
    assert "the columns text make no test" in sentences
    assert "As instruction rows: " in sentences
    assert "plain text (column text)" in sentences
    code, _, errors = cli("data", "show", tmp_path / "no.jsonl")
    assert (code, errors.count("There is no file")) == (3, 1)
