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
    assert shown["notes"] == ["my.jsonl: instruction, input, output, 4 rows"]
    assert (shown["rows"], shown["kept"], shown["with_input"], shown["one_word_responses"]) == (4, 2, 1, 1)
    assert shown["left_out"] == [
        "1 of 4 rows has no output and is left out.",
        "1 of 3 rows is a near copy of another and is left out.",
    ]
    row = Instruction("my.jsonl", "Add the numbers.", "1 and 2", "The sum is 3.")
    assert shown["examples"][1] == {"prompt": prompt_of(row), "response": " The sum is 3."}
    assert shown["longest_characters"] == len(prompt_of(row) + " The sum is 3.")

    code, out, errors = cli("data", "show", path)
    assert (code, errors) == (0, "")
    assert "left to train on: 2 instructions (1 with an input)" in out
    assert "1 response of one word" in out
    assert "letters: Latin 100.0%" in out
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
    code, _, errors = cli("data", "show", put(tmp_path, [{"content": "a text"}]))
    assert code == 3
    sentences = " ".join(errors.split())
    assert "As a test: " in sentences
    assert "the columns content make no test" in sentences
    assert "As instruction rows: " in sentences
    assert "instruction should be text and is not there" in sentences
    code, _, errors = cli("data", "show", tmp_path / "no.jsonl")
    assert (code, errors.count("There is no file")) == (3, 1)


SYSTEM, ASKED = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Кто?"}
ANSWERED = {"role": "assistant", "content": "[bold]Ада[/bold]."}


def test_conversations_and_plain_text_by_source(tmp_path: Path) -> None:
    talk = put(tmp_path, [{"messages": [SYSTEM, ASKED, ANSWERED, ASKED, ANSWERED]}, {"messages": [ASKED]}])
    text = tmp_path / "book.jsonl"
    text.write_text('{"text": "A dark night."}\n{"text": "A dark night."}\n')
    source = f"{talk},{text}"
    shown = json_of("data", "show", source)["instruction_rows"]
    assert shown["by_source"] == {"my.jsonl": {"rows": 1, "kept": 1}, "book.jsonl": {"rows": 2, "kept": 1}}
    counts = {key: shown[key] for key in ("conversations", "several_turns", "with_system", "plain_texts", "with_input")}
    assert counts == {"conversations": 1, "several_turns": 1, "with_system": 1, "plain_texts": 1, "with_input": 0}
    assert shown["examples"] == [
        {"messages": [SYSTEM, ASKED, ANSWERED, ASKED, ANSWERED]},
        {"text": "A dark night."},
    ]
    assert shown["longest_characters"] == sum(len(turn["content"]) for turn in [SYSTEM, ASKED, ANSWERED] * 2) - 9
    _, out, _ = cli("data", "show", source)
    assert "system: Be brief.\nuser: Кто?\nassistant: [bold]Ада[/bold].\n" in out
    assert "left to train on: 1 conversation (1 of several turns, 1 with a system text), 1 plain text" in " ".join(
        out.split()
    )
    assert "my.jsonl: messages, 2 conversations, 1 left out: no assistant turn" in " ".join(out.split())
    assert "1 of 3 rows is an exact copy of another and is left out." in out
    assert "Latin" in out
    assert "Cyrillic" in out


def test_columns_are_named_as_for_tune(tmp_path: Path) -> None:
    path = put(tmp_path, [{"frage": "Wer?", "antwort": "Ada"}])
    shown = json_of("data", "show", path, "--columns", "instruction=frage,output=antwort")
    assert shown["instruction_rows"]["notes"] == ["my.jsonl: instruction=frage, output=antwort, 1 row"]
    code, _, errors = cli("data", "show", path, "--columns", "instruction=frage,output=antwrt")
    assert (code, errors.count("Did you mean antwort?")) == (3, 1)
    code, _, errors = cli("data", "show", path, "--columns", "outpt=antwort")
    assert (code, "--columns outpt=antwort: A row has instruction, input, output" in errors) == (2, True)


def test_what_is_no_file_is_explained_as_rows_alone(tmp_path: Path) -> None:
    assert json_of("data", "show", "sample")["instruction_rows"]["by_source"]["dolly"]["rows"] == 100
    code, _, errors = cli("data", "show", "hub:acme/no#test")
    assert (code, "could not be had" in errors, "As a test" in errors) == (3, True, False)
    code, _, errors = cli("data", "show", tmp_path)
    assert (code, "As a test" in errors) == (3, False)
