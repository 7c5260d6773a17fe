"""Instruction rows: every raw form in one shape, the template there and back, and errors that say where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import hub_rows
from data.instruction_rows import columns, sources
from data.instructions import WITH_INPUT, Instruction, from_prompt, prompt_of, response_of
from data.sources import DataError


def load(source: str | Path, names: list[str] | None = None) -> list[Instruction]:
    return list(sources.load(source, names).rows)


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


NAMINGS = [
    ("instruction", "input", "output"),
    ("instruction", "input", "response"),
    ("instruction", "context", "output"),
    ("Instruction", "Context", "Response"),
    ("question", "context", "answer"),
    ("query", "INPUT", "completion"),
    ("prompt", "input", "target"),
    (" instruction", "context ", "Output"),
]


@pytest.mark.parametrize("name", ["alpaca/x.json", "dolly/x.jsonl"])
@pytest.mark.parametrize("naming", NAMINGS)
def test_rows_by_any_usual_name_are_the_same_rows(tmp_path: Path, name: str, naming: tuple[str, str, str]) -> None:
    """No input is lost because its column, or that of the response, has another name."""
    texts = [("Add.", "1 2", "3"), ("Name a tool.", "", "A saw.")]
    put(tmp_path, name, [{**dict(zip(naming, row, strict=True)), "category": "qa", "id": 7} for row in texts])
    source = name.partition("/")[0]
    assert load(tmp_path, [source]) == [Instruction(source, *row) for row in texts]


@given(
    st.permutations(["instruction", "input", "output"]),
    st.sampled_from(columns.MEANINGS["input"]),
    st.sampled_from(columns.MEANINGS["output"]),
    st.sampled_from([str.upper, str.title, str]),
)
def test_order_and_case_of_columns_do_not_matter(order: list[str], input_: str, output: str, case: type[str]) -> None:
    names = {"instruction": "instruction", "input": input_, "output": output}
    texts = {"instruction": "Add.", "input": "1 2", "output": "3"}
    read, _ = columns.read({case(names[key]): texts[key] for key in order}, "here")
    assert read == {**texts, "system": ""}


WHOLE = f"{WITH_INPUT} b".format(instruction="a", input="c")  # as the column `text` of tatsu-lab/alpaca


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"instruction": "a", "input": None, "output": "b"}, ("a", "", "b")),
        ({"instruction": "a", "input": " \n", "output": "b"}, ("a", "", "b")),
        ({"instruction": "a", "input": "", "context": "c", "response": "b"}, ("a", "c", "b")),
        ({"instruction": "a", "input": "c", "context": "c", "response": "b"}, ("a", "c", "b")),
        ({"instruction": "a", "output": None, "response": "b"}, ("a", "", "b")),
        ({"instruction": "a", "input": "c", "output": "b", "text": WHOLE}, ("a", "c", "b")),
        ({"instruction": "a", "output": "b", "source": "a page of some long name", "history": [], "system": ""},
         ("a", "", "b")),
        ({"instruction": "a", "output": "b", "context_length": 12, "question_id": "who is it then"}, ("a", "", "b")),
        ({"prompt": "Name ### things.", "completion": "b"}, ("Name ### things.", "", "b")),
        ({"prompt": prompt_of(Instruction("", "a", "c", "")), "response": "b"}, ("a", "c", "b")),
    ],
)  # fmt: skip
def test_what_is_read_of_a_row(tmp_path: Path, row: dict[str, object], wanted: tuple[str, str, str]) -> None:
    put(tmp_path, "alpaca/x.json", [row])
    assert load(tmp_path, ["alpaca"]) == [Instruction("alpaca", *wanted)]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"passage": "Ada was there."}, r"x.json, row 1: the column passage is not read.*Rename it to input"),
        ({"Text": "Ada"}, "column Text is not read"),
        ({"docText": "Ada"}, "column docText is not read"),
        ({"choices": ["a", "b"]}, "column choices is not read"),
        ({"transcript": [["a", "b"]], "dialogue": [["a", "b"]]}, "column dialogue is not read"),
        ({"system_message": "Be brief."}, "column system_message is not read"),
        ({"zusatz": "Ada was there at noon."}, "column zusatz is not read"),
        ({"inputs": "Ada"}, "column inputs is not read"),
        ({"input": "one", "context": "other"}, "input and context both hold text, and a row has one input"),
        ({"question": "Who?"}, "both hold text, and a row has one instruction. Rename one of them to input"),
        ({"response": "other"}, "output and response both hold text"),
        ({"input": 3}, "input should be text and is int"),
        ({"context": ["a"]}, "context should be text and is list"),
    ],
)
def test_what_would_be_lost_is_an_error(tmp_path: Path, more: dict[str, object], said: str) -> None:
    put(tmp_path, "alpaca/x.json", [{"instruction": "a", "output": "b", **more}])
    with pytest.raises(DataError, match=said):
        load(tmp_path, ["alpaca"])


def test_a_prompt_in_the_template_has_no_second_input(tmp_path: Path) -> None:
    prompt = prompt_of(Instruction("", "a", "c", ""))
    put(tmp_path, "dolly/x.jsonl", [{"prompt": prompt, "context": "d", "answer": "b"}])
    with pytest.raises(DataError, match="has an input in it, and context is another"):
        load(tmp_path, ["dolly"])


@pytest.mark.parametrize("key", ["data", "rows", "train"])
def test_a_list_of_rows_under_a_key(tmp_path: Path, key: str) -> None:
    put(tmp_path, "alpaca/x.json", {"version": "1", key: ALPACA})
    assert load(tmp_path, ["alpaca"]) == WANTED[:2]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("alpaca/x.json", '{"a": 1}', "should be a list"),
        ("alpaca/x.json", "[1]", r"x.json, row 1: should be an object"),
        ("alpaca/x.json", '[{"instruction": "a", "output": null}]', r"row 1: output should be text and is NoneType"),
        ("alpaca/x.json", '[{"output": "a"}]', r"row 1: instruction should be text and is not there; there are output"),
        ("alpaca/x.json", '[{"input": "a", "targets": "b"}]', r"row 1: instruction should be text and is not there"),
        ("alpaca/x.json", '[{"instruction": "a", "outputs": "b"}]', r"Rename outputs to output"),
        ("alpaca/x.json", '{"train": [{}], "data": [{}]}', "should be a list"),
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
