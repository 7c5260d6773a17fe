"""DROP's rows: where they are found, and what a broken file is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import benchmarks
from data.sources import DataError
from harness.tasks.drop import Drop
from tests.harness.tasks.row_files import put, read, rows_or_a_data_error


def answer(**parts: object) -> dict[str, object]:
    return {"number": "", "spans": [], "date": {"day": "", "month": "", "year": ""}, **parts}


def drop(root: Path, *pairs: object, passage: object = "p", file: str = "drop_dataset_dev.json") -> Path:
    return put(root / "drop" / file, json.dumps({"passage_1": {"passage": passage, "qa_pairs": list(pairs)}}))


def pair(query_id: str = "q1", **parts: object) -> dict[str, object]:
    return {"question": "how many?", "query_id": query_id, "answer": answer(number="3"), **parts}


@pytest.mark.parametrize("layout", ["drop", "drop/drop_dataset", "drop_dataset", "."])
def test_drop_is_found_in_its_upstream_layouts(tmp_path: Path, layout: str) -> None:
    file = drop(tmp_path / "made", pair(validated_answers=[answer(), answer(spans=["three"])]))
    put(tmp_path / layout / file.name, file.read_bytes())
    put(tmp_path / layout / "drop_dataset_train.json", file.read_bytes())
    content = read(Drop.rows, tmp_path)
    assert content.splits["test"] == content.splits["train"]
    assert content.splits["test"] == [
        {
            "passage_id": "passage_1",
            "query_id": "q1",
            "passage": "p",
            "question": "how many?",
            "answers": [answer(number="3"), answer(spans=["three"])],
        }
    ]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], r"drop_dataset_dev\.json: no questions"),
        ([pair("same"), pair("same")], r"query_id 'same' stands there twice"),
        ([{"question": "?", "query_id": "q"}], r"passage passage_1, question 1: answer missing"),
        ([pair(), pair("q2", answer=answer(number=[3]))], r"question 2: an answer's number"),
        ([pair(answer=answer(spans="ab"))], r"question 1: an answer's spans should be a list"),
        ([pair(answer=answer(spans=[3]))], r"a span should be text"),
        ([pair(answer=answer(date=["May"]))], r"should be an object"),
        ([pair(validated_answers="none")], r"validated_answers should be a list"),
        ([pair(validated_answers={"number": ["1"], "spans": []})], r"lists of different lengths"),
        (["how many?"], r"question 1: should be an object"),
    ],
)
def test_broken_drop_files(tmp_path: Path, pairs: list[object], message: str) -> None:
    drop(tmp_path, *pairs)
    with pytest.raises(DataError, match=message):
        read(Drop.rows, tmp_path)


@pytest.mark.parametrize(
    "text", ["[]", '{"p": []}', '{"p": {"passage": "p"}}', '{"p": {"passage": 3, "qa_pairs": [1]}}']
)
def test_drop_files_of_another_shape(tmp_path: Path, text: str) -> None:
    put(tmp_path / "drop/drop_dataset_dev.json", text)
    with pytest.raises(DataError, match=r"drop_dataset_dev\.json"):
        read(Drop.rows, tmp_path)


def test_a_drop_question_without_any_answer_is_kept_and_noted(tmp_path: Path) -> None:
    drop(tmp_path, pair("a", answer=answer()), pair("b"))
    content = read(Drop.rows, tmp_path)
    assert len(content.splits["test"]) == 2
    assert content.notes == ("drop: 1 test questions have no answer in the data; they count as wrong",)


def test_passages_of_the_real_rows(shared_data: Path, tmp_path: Path) -> None:
    drop = benchmarks.load(Drop.rows, shared_data, tmp_path)
    assert len({row["passage"] for row in drop.splits["test"]}) == 48


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_rows_or_a_data_error(text: str) -> None:
    content = text.encode(errors="surrogatepass")
    rows_or_a_data_error(Drop.rows, {"drop/drop_dataset_dev.json": content})
