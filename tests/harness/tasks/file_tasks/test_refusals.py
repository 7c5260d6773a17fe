"""What cannot be asked is refused before any work, in one sentence with file, line and what is allowed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from data.sources import DataError
from harness.errors import UsageError
from harness.options.declaration import declared
from harness.tasks.file_tasks.declaration import TestFile, declared_for
from harness.tasks.file_tasks.tasks import FileTask

CHOICE = {"question": "Q?", "choices": ["x", "y"], "answer": "A"}
WRITTEN = {"prompt": "P", "answer": "a"}


def written(folder: Path, rows: list[Any], declaration: str = "") -> str:
    path = folder / "test.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    if declaration:
        path.with_name("test.jsonl.toml").write_text(declaration, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [CHOICE, {**CHOICE, "answer": "C"}],
            r"line 2, column answer: is 'C', which is no choice; .*A, B.*0 to 1.*text",
        ),
        ([CHOICE, {**CHOICE, "answer": 2}], r"line 2, column answer: is 2, which is no choice"),
        ([CHOICE, {**CHOICE, "answer": None}], "line 2, column answer: is missing or empty; it must name one"),
        ([CHOICE, {**CHOICE, "answer": True}], "line 2, column answer: is missing or empty"),
        ([CHOICE, {"question": "Q?", "choices": ["x", "y"]}], "line 2, column answer: is missing or empty"),
        (
            [CHOICE, CHOICE, {**CHOICE, "answer": "y"}],
            "line 3, column answer: is 'y', and in most rows it is the choice's label",
        ),
        ([CHOICE, {**CHOICE, "choices": ["x", " "]}], "line 2, column choices: has an empty choice.*in place 2"),
        ([CHOICE, {**CHOICE, "choices": ["x"]}], "line 2, column choices: has 1 choices; there must be two"),
        ([CHOICE, {**CHOICE, "choices": "x, y"}], "line 2, column choices: is a text; it must be a list"),
        ([CHOICE, {**CHOICE, "question": " "}], "line 2, column question: is missing or empty; it must be a text"),
        ([CHOICE, {**CHOICE, "question": 5}], "line 2, column question: is a number; it must be a text"),
        (
            [{**CHOICE, "id": "a"}, {**CHOICE, "id": "a"}],
            "line 2, column id: is 'a', as in line 1; each row has its own",
        ),
        ([{**CHOICE, "group": "all"}], "line 1, column group: is 'all', which is the name"),
        ([{**CHOICE, "split": "extra"}], "line 1, column split: is 'extra'; it must be test, validation, val"),
        ([{**CHOICE, "split": "dev"}], "every row is an example"),
        (
            [{"question": "Q?", "choices": ["1", "0"], "answer": "1"}],
            r"line 1: the answer '1' is the index .* text of another",
        ),
        ([WRITTEN, {"prompt": "P", "answer": []}], "line 2, column answer: is an empty list"),
        ([WRITTEN, {"prompt": "P", "answer": ["a", ""]}], "line 2, column answer: has an empty text"),
        ([WRITTEN, {"prompt": "P", "answer": {"a": 1}}], "line 2, column answer: has an object"),
        ([WRITTEN, {"prompt": "P"}], "line 2, column answer: has missing"),
        ([{**WRITTEN, "stop": [""]}], "line 1, column stop: must be a text or a list of texts, none of them empty"),
        ([{"prompt": "P", "continuation": ""}], "line 1, column continuation: is missing or empty"),
        (
            [{"question": "Q", "answer": "1 #### 2"}, {"question": "Q", "answer": "2"}],
            "line 2, column answer: has no number behind",
        ),
        (
            [{"sentence": "no blank", "option1": "a", "option2": "b", "answer": "1"}],
            "line 1, column sentence: has 0 blanks",
        ),
        (
            [{"sentence": "ends _", "option1": "a", "option2": "b", "answer": "1"}],
            "line 1, column sentence: ends with its blank",
        ),
        ([{"messages": [], "answer": "a"}], "line 1, column messages: must be a list of objects with role and content"),
        ([{"messages": [{"role": "user"}], "answer": "a"}], "line 1, column messages: has a turn without content"),
        ([{"messages": [{"role": "user", "content": "x"}]}], "line 1, column messages: has no answer"),
        (
            [{"messages": [{"role": "tool", "content": "x"}], "answer": "a"}],
            "messages: must be turns of user and assistant",
        ),
        (
            [{"instruction": "I", "output": "O"}],
            "line 1: the columns instruction, output make no test.*A test has question, ch",
        ),
        (["[1]"], "line 1: should be an object and is list"),
        (["{"], "line 1: not valid JSON"),
        ([CHOICE, '{"question": "\\ud800", "choices": ["x", "y"], "answer": 0}'], "line 2: half of a character"),
        ([], "has no rows"),
    ],
)
def test_rows(tmp_path: Path, rows: list[Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as refusal:
        FileTask.load(written(tmp_path, rows), chat=True)
    assert "test.jsonl" in str(refusal.value)


@pytest.mark.parametrize(
    ("rows", "declaration", "sentence"),
    [
        ([WRITTEN], 'extract = "(a"', r'test.jsonl.toml: extract = "\(a": no regular expression: missing \)'),
        ([WRITTEN], "extrat = 1", "there is no option 'extrat'. Did you mean extract?"),
        ([WRITTEN], "tolerance = -1", "tolerance = -1 must be a number from 0 up"),
        ([WRITTEN], "tolerance = 0.1", "line 1, column answer: is 'a', which has no number"),
        ([WRITTEN], 'metric = "acc"', "metric = 'acc', and prompt . answer has exact_match, f1, contains, numeric"),
        ([WRITTEN], 'scoring = "letters"', "scoring has no meaning for prompt . answer"),
        ([WRITTEN], 'stop = [""]', "an empty text ends every answer"),
        ([WRITTEN], 'name = "a b"', "must be a name without spaces"),
        ([WRITTEN], "shots = 1", "shots=1: the protocol of file:test shows 1"),
        ([WRITTEN], 'prompt = "{promt}"', r"line 1: the prompt has \{promt\}, .* Did you mean prompt\?"),
        ([WRITTEN], '[columns]\nprompt = "promt"', "and the file has no such column. Did you mean prompt?"),
        ([WRITTEN], '[columns]\npromt = "prompt"', "has 'promt'. Did you mean prompt?"),
        ([CHOICE], 'extract = "a"', "extract has no meaning for question . choices"),
        ([CHOICE], 'scoring = "letters"\nprompt = "{question}"', "wants {choices} in prompt"),
        ([CHOICE], 'labels = "no.lst"', "and there is no file"),
    ],
)
def test_declarations(tmp_path: Path, rows: list[Any], declaration: str, sentence: str) -> None:
    with pytest.raises((UsageError, DataError), match=sentence):
        FileTask.load(written(tmp_path, rows, declaration))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.txt", "x", "what kind of file this is cannot be told.*A file of rows is .jsonl"),
        ("a.csv", "prompt,prompt\n1,2\n", "line 1: 'prompt' stands twice in the head"),
        ("a.csv", "prompt,\n1,2\n", "line 1: a column has no name"),
        ("a.csv", 'prompt,answer\n"a\nb",c\n1\n', "line 4: 1 cells, and the head has 2"),
        ("a.csv", 'prompt,answer\n"a"b,c\n', "line 2: not valid CSV"),
        ("a.json", '{"a": 1}', "an object with 0 lists"),
        ("a.json", "3", "should be a list of objects and is int"),
        ("a.json", "[3]", "row 1: should be an object and is int"),
        ("a.jsonl.gz", "no gzip", "cannot be read"),
        ("a.jsonl.zst", "no zstd", "cannot be read"),
    ],
)
def test_files(tmp_path: Path, name: str, content: str, sentence: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError, match=f"{re.escape(name)}.*{sentence}"):
        FileTask.load(str(path))


def test_what_is_no_file(tmp_path: Path) -> None:
    path = written(tmp_path, [CHOICE])
    with pytest.raises(DataError, match=r"Did you mean test\.jsonl"):
        FileTask.load(path.replace("test.jsonl", "tests.jsonl"))
    with pytest.raises(DataError, match="is a folder"):
        FileTask.load(str(tmp_path))
    with pytest.raises(UsageError, match=r"^chat must be given: file:messages\.jsonl has messages"):
        FileTask.load(str(Path(__file__).parent / "files/messages.jsonl"))


def test_labels_of_another_number(tmp_path: Path) -> None:
    path = written(tmp_path, [{"goal": "g", "sol1": "x", "sol2": "y"}] * 2)
    (tmp_path / "test-labels.lst").write_text("0\n1\n0\n")
    with pytest.raises(DataError, match="has 3 answers, and 2 rows need one each"):
        FileTask.load(path)


WRONG_VALUES = ("3", '""', "[1]", "true", "{a = 1}", "-1", "nan", '"no such word"')


def refusal(file: Path, line: str) -> str:
    file.with_name(f"{file.name}.toml").write_text(line + "\n")
    try:
        declared_for(file)
    except UsageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("key", declared(TestFile))
def test_every_key_of_a_declaration_has_a_type_and_a_range(key: str, tmp_path: Path) -> None:
    """What it cannot be is a sentence that names the file, the key and what is allowed."""
    file = tmp_path / "test.jsonl"
    sentences = [text for value in WRONG_VALUES if (text := refusal(file, f"{key} = {value}"))]
    for sentence in sentences:
        assert sentence.startswith((f"{file}.toml: {key} = ", f"{file}.toml: [{key}] "))
        assert "\n" not in sentence
    assert len(sentences) >= 3
