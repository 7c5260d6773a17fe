"""Files in the shapes that people write: each as rows, with the line that says how it was read, or refused."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.instruction_rows.sources import load
from data.instructions import Instruction
from data.sources import DataError

Texts = tuple[str, str, str]  # instruction, input, output

ASKED = {"role": "user", "content": "Who?"}
ANSWERED = {"role": "assistant", "content": "Ada."}
SYSTEM = {"role": "system", "content": "Be brief."}


def packed(name: str, rows: list[dict[str, Any]]) -> bytes:
    """The rows as a file of that name holds them."""
    if name.endswith(".gz"):
        return gzip.compress(packed(name.removesuffix(".gz"), rows))
    if name.endswith(".zst"):
        return pa.compress(packed(name.removesuffix(".zst"), rows), codec="zstd", asbytes=True)
    if name.endswith(".parquet"):
        sink = io.BytesIO()
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), sink)
        return sink.getvalue()
    if name.endswith(".csv"):
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()
    if name.endswith(".json"):
        return json.dumps({"version": 1, "data": rows}).encode()
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def put(folder: Path, name: str, rows: list[dict[str, Any]]) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed(name, rows))
    return str(path)


def texts_of(source: str, declared: dict[str, str] | None = None) -> list[Texts]:
    return [(row.instruction, row.input, row.output) for row in load(source, None, declared).rows]


ROWS = [
    {"question": "Who?", "context": "Ada was\r\nthere.", "answer": "Ada."},
    {"question": "Why?", "context": "", "answer": 'So, "so".'},
]
FORMATS = ["my.jsonl", "my.json", "my.csv", "my.parquet", "my.jsonl.gz", "my.csv.gz", "my.json.zst"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    loaded = load(put(tmp_path, name, ROWS))
    assert list(loaded.rows) == [
        Instruction(name, "Who?", "Ada was\r\nthere.", "Ada."),
        Instruction(name, "Why?", "", 'So, "so".'),
    ]
    assert (loaded.sources, loaded.notes) == ((name,), (f"{name}: question, context, answer, 2 rows",))


@pytest.mark.parametrize(
    ("rows", "texts", "line"),
    [
        ([{"prompt": "a", "completion": "b"}], [("a", "", "b")], "prompt, completion, 1 row"),
        ([{"prompt": "a", "response": "b", "id": 1}], [("a", "", "b")], "prompt, response, 1 row"),
        ([{"prompt": "a", "answer": "b"}], [("a", "", "b")], "prompt, answer, 1 row"),
        ([{"messages": [ASKED, ANSWERED]}], [("Who?", "", "Ada.")], "messages, 1 conversation"),
        ([{"messages": [SYSTEM, ASKED, ANSWERED]}], [("Be brief.\n\nWho?", "", "Ada.")], "messages, 1 conversation"),
        (
            [{"prompt": "Who?", "prompt_id": "x", "messages": [SYSTEM, ASKED, ANSWERED]}],
            [("Be brief.\n\nWho?", "", "Ada.")],
            "messages, 1 conversation",
        ),
        (
            [
                {
                    "conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Ada."}],
                    "system": "Hm.",
                }
            ],
            [("Hm.\n\nWho?", "", "Ada.")],
            "conversations, 1 conversation",
        ),
        (
            [{"messages": [ASKED, ANSWERED]}, {"messages": [ASKED]}, {"messages": []}, {"messages": [ANSWERED]}],
            [("Who?", "", "Ada.")],
            "messages, 4 conversations, 2 left out: no assistant turn, 1 left out: no user turn",
        ),
        (
            [{"instruction": "Add.", "instances": [{"input": "1 2", "output": "3"}, {"input": "", "output": "0"}]}],
            [("Add.", "1 2", "3"), ("Add.", "", "0")],
            "instruction + instances, 1 task, 2 rows",
        ),
    ],
)
def test_shapes(tmp_path: Path, rows: list[dict[str, Any]], texts: list[Texts], line: str) -> None:
    path = put(tmp_path, "my.jsonl", rows)
    assert texts_of(path) == texts
    assert load(path).notes == (f"my.jsonl: {line}",)


def test_a_conversation_in_a_cell_of_a_table(tmp_path: Path) -> None:
    path = put(tmp_path, "my.csv", [{"messages": json.dumps([ASKED, ANSWERED])}])
    assert texts_of(path) == [("Who?", "", "Ada.")]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"prompt": "a", "chosen": "b", "rejected": "c"}], "preference pairs .*Keep the.*--columns output=chosen"),
        ([{"prompt": "a", "chosen_list": [ASKED], "rejected_list": [ASKED]}], "--columns output=chosen_list"),
        ([{"prompt": "a", "response": "b", "rejected_response": "c"}], "preference pairs .chosen, rejected_response."),
        ([{"prompt": "a", "completion": "b", "label": False}], "the label is false in 1 of 1 row,"),
        ([{"messages": [ASKED, ANSWERED], "label": n > 0} for n in range(3)], "the label is false in 1 of 3 rows,"),
        ([{"text": " "}, {"text": ""}], "none of its rows has a text in the column text"),
        ([{"text": "a b", "summary": "it was all in all a"}], "column summary is not read.*Take it out; or.*text=text"),
        ([{"text": "a", "role": "prompter", "parent_id": None}], "one turn a row .*Put the turns of each conversation"),
        ([{"text": 3}], "line 1: text should be text and is int"),
        ([{"messages": [ASKED]}], "none of 1 conversation can be trained: 1 left out: no assistant turn"),
        ([{"messages": [ASKED, {"role": 3, "content": "x"}]}], "line 1, column messages, turn 2: the role is 3"),
        ([{"messages": [ASKED, {"role": "assistant", "content": 3}]}], "content should be text and is int"),
        ([{"messages": [ASKED, {"role": "assistant", "content": [3]}]}], "turn 2: a part of the content should be an"),
        ([{"messages": ["Who?"]}], "turn 1: should be an object with role and content, or with from and value"),
        ([{"messages": [ASKED, ANSWERED], "context": "Ada was there."}], "line 1: the column context is not read"),
        ([{"messages": [ASKED, ANSWERED], "images": ["a.png"]}], "1 left out: images, sound or video"),
        ([{"prompt": "a", "response": "b", "image": {"bytes": "x"}}], "line 1: the column image is not read"),
        ([{"instruction": "a", "output": "b", "history": ["c"]}], "history should be a list of pairs"),
        ([{"instruction": "a", "output": "b", "history": [["c", ""]]}], "history has an empty turn"),
        ([{"messages": [SYSTEM, ASKED, ANSWERED], "system": "Hm."}], "a system text stands in a column and in"),
        ([{"instruction": "a", "instances": [{"input": "b"}]}], "line 1, instance 1: output should be text and is not"),
        ([{"instruction": "a", "instances": "b"}], "line 1: instances should be a list of objects"),
        ([{"prompt": "a", "response": "b", "passage": "Ada."}], "column passage is not read.*--columns instruction="),
    ],
)  # fmt: skip
def test_refusals(tmp_path: Path, rows: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        load(put(tmp_path, "my.jsonl", rows))


@pytest.mark.parametrize(
    ("row", "declared", "texts", "words"),
    [
        (
            {"frage": "a", "stoff": "b", "antwort": "c", "zusatz": "eins zwei drei vier"},
            {"instruction": "frage", "input": "stoff", "output": "antwort"},
            ("a", "b", "c"),
            "instruction=frage, input=stoff, output=antwort, 1 row; not read: zusatz",
        ),
        ({"prompt": "a", "answer": "b", "story": "c"}, {"input": "story"}, ("a", "c", "b"), "input=story, 1 row"),
        (
            {"prompt": "a", "chosen": "b", "rejected": "c"},
            {"output": "chosen"},
            ("a", "", "b"),
            "output=chosen, 1 row; not read: rejected",
        ),
        (
            {"instruction": "a", "input": "b", "output": "c", "context": "d"},
            {"input": "context"},
            ("a", "d", "c"),
            "input=context, 1 row; not read: input",
        ),
    ],
)  # fmt: skip
def test_declared_columns(
    tmp_path: Path, row: dict[str, str], declared: dict[str, str], texts: Texts, words: str
) -> None:
    path = put(tmp_path, "my.jsonl", [row])
    assert texts_of(path, declared) == [texts]
    assert load(path, None, declared).notes == (f"my.jsonl: {words}",)


def test_declared_columns_that_no_file_has(tmp_path: Path) -> None:
    path = put(tmp_path, "my.jsonl", ROWS)
    with pytest.raises(DataError, match=r"There is no column questoin. Did you mean question\? There are question"):
        load(path, None, {"instruction": "questoin"})
    with pytest.raises(DataError, match="a file or a hub data set, and --data names none"):
        load("sample", None, {"instruction": "questoin"})
    with pytest.raises(DataError, match="names messages=question, output=answer, and messages is a row by itself"):
        load(path, None, {"messages": "question", "output": "answer"})


text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda word: word.strip() and "###" not in word
)
row = st.tuples(text, st.one_of(st.just(""), text), text)


@settings(deadline=None, max_examples=60)
@given(st.lists(row, min_size=1, max_size=6), st.sampled_from(FORMATS), st.sampled_from(["columns", "role", "from"]))
def test_any_texts_come_back_as_they_were(texts: list[Texts], name: str, shape: str) -> None:
    """No format and no shape changes a character, loses a row or changes the order."""
    if shape == "columns":
        rows: list[dict[str, Any]] = [dict(zip(("instruction", "input", "output"), one, strict=True)) for one in texts]
    else:
        keys = ("role", "content") if shape == "role" else ("from", "value")
        people = ("user", "assistant") if shape == "role" else ("human", "gpt")
        column = "messages" if shape == "role" else "conversations"
        turns = [[dict(zip(keys, turn, strict=True)) for turn in zip(people, (a, c), strict=True)] for a, _, c in texts]
        rows = [{column: json.dumps(one) if ".csv" in name else one} for one in turns]
        texts = [(a, "", c) for a, _, c in texts]
    with tempfile.TemporaryDirectory() as folder:
        loaded = load(put(Path(folder), name, rows))
    expected = [(a, b, c) for a, b, c in texts]
    assert [(one.instruction, one.input, one.output) for one in loaded.rows] == expected
    assert re.search(rf"\b{len(texts)} (rows?|conversations?)$", loaded.notes[0])


value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "type", "text", "input", "output"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
column = st.sampled_from(
    ["messages", "conversations", "instances", "instruction", "prompt", "output", "text", "system", "history", "tools"]
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.dictionaries(column, value, max_size=4), min_size=1, max_size=3))
def test_any_file_is_rows_or_a_sentence(rows: list[dict[str, Any]]) -> None:
    sentence, parts = "my.jsonl", []
    with tempfile.TemporaryDirectory() as folder:
        try:
            loaded = load(put(Path(folder), "my.jsonl", rows)).rows
            parts = [part for row in loaded for part in (row.source, row.instruction, row.input, row.output)]
            parts += [part for row in loaded for message in row.messages for part in dataclasses.astuple(message)]
        except DataError as error:
            sentence = str(error)
    assert "my.jsonl" in sentence
    assert all(isinstance(part, str) for part in parts)
