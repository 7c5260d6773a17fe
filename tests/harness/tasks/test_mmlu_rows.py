"""MMLU's rows: where they are found, what a broken file is told, and that each cell comes back."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import benchmarks
from data.sources import DataError
from harness.tasks import mmlu as mmlu_task
from harness.tasks.mmlu import Mmlu
from tests.harness.tasks.row_files import put, read, rows_or_a_data_error

HEADER = "question,choice0,choice1,choice2,choice3,answer\n"


def mmlu(root: Path, test: str | bytes, dev: str = "q,a,b,c,d,A\n") -> Path:
    put(root / "mmlu/dev/anatomy_dev.csv", dev)
    return put(root / "mmlu/test/anatomy_test.csv", test)


@pytest.mark.parametrize("layout", ["mmlu", "mmlu/data", "data", "."])
def test_mmlu_is_found_in_its_upstream_layouts(tmp_path: Path, layout: str) -> None:
    put(tmp_path / layout / "dev/law_dev.csv", "q,a,b,c,d,A\n")
    put(tmp_path / layout / "test/law_test.csv", "q,a,b,c,d,D\n")
    put(tmp_path / layout / "test/._law_test.csv", b"\x00\x05")  # what some archives leave beside a file
    assert read(Mmlu.rows, tmp_path).splits["test"] == [
        {"subject": "law", "question": "q", "choices": ["a", "b", "c", "d"], "answer": 3}
    ]


def test_subjects_stand_in_order_of_their_name(tmp_path: Path) -> None:
    for subject in ("a_b", "a", "A"):
        put(tmp_path / f"dev/{subject}_dev.csv", "q,a,b,c,d,A\n")
        put(tmp_path / f"test/{subject}_test.csv", f"{subject}2,a,b,c,d,A\n{subject}1,a,b,c,d,A\n")
    test = read(Mmlu.rows, tmp_path).splits["test"]
    assert [row["question"] for row in test] == ["A2", "A1", "a2", "a1", "a_b2", "a_b1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"anatomy_test\.csv: no rows"),
        (HEADER, r"anatomy_test\.csv: no rows"),
        ("q,a,b,c,A\n", r"line 1: 5 cells"),
        (HEADER + 'q,"a\nb",b,c,d,0\nq,a,b,c,d,e,0\n', r"line 4: 7 cells"),
        (HEADER + HEADER, r"line 2: the answer is 'answer'"),
        ("q,a,b,c,d,A\n" + HEADER, r"line 2: the answer is 'answer'"),
        ("q,a,b,c,d,E\n", r"line 1: the answer is 'E'"),
        (HEADER + "q,a,b,c,d,4\n", r"line 2: the answer is '4'"),
        (HEADER + "q,a,b,c,d,-1\n", r"line 2: the answer is '-1'"),
        (HEADER + "q,a,b,c,d,\n", r"line 2: the answer is ''"),
        (HEADER + 'q,a,b,c,d,0\nq,"a,b,c,d,0\n', r"line 3: not a valid CSV row"),
        (HEADER.encode() + b"q,\xff,b,c,d,0\n", r"line 2: not UTF-8"),
    ],
)
def test_broken_mmlu_files(tmp_path: Path, text: str | bytes, message: str) -> None:
    mmlu(tmp_path, text)
    with pytest.raises(DataError, match=message):
        read(Mmlu.rows, tmp_path)


def test_mmlu_files_that_do_not_belong_together(tmp_path: Path) -> None:
    mmlu(tmp_path, "q,a,b,c,d,A\n")
    put(tmp_path / "mmlu/dev/virology_dev.csv", "q,a,b,c,d,A\n")
    assert read(Mmlu.rows, tmp_path).notes == (f"mmlu: dev rows without a test file in {tmp_path / 'mmlu'}: virology",)
    put(tmp_path / "mmlu/test/law_test.csv", "q,a,b,c,d,A\n")
    with pytest.raises(DataError, match="no dev rows for law"):
        read(Mmlu.rows, tmp_path)
    put(tmp_path / "mmlu/dev/law.csv", "q,a,b,c,d,A\n")
    put(tmp_path / "mmlu/dev/law_dev.csv", "q,a,b,c,d,A\n")
    with pytest.raises(DataError, match="both subject law"):
        read(Mmlu.rows, tmp_path)


def test_cells_that_look_like_missing_values_are_text(shared_data: Path, tmp_path: Path) -> None:
    test = benchmarks.load(Mmlu.rows, shared_data, tmp_path).splits["test"]
    missing = {"", "None", "N/A", "NA", "nan", "NaN", "null", "NULL", "n/a"}  # what pandas takes for missing values
    cells = [choice for row in test for choice in row["choices"] if choice in missing]
    assert cells == ["None"] * 10  # these files have no "N/A"; `small` has


def test_without_a_header_and_with_letters_the_digest_is_the_same(shared_data: Path, tmp_path: Path) -> None:
    for split in ("dev", "test"):
        (tmp_path / "data" / split).mkdir(parents=True)
        for path in (shared_data / "mmlu" / split).glob("*.csv"):
            with path.open(newline="", encoding="utf-8") as file:
                _, *table = csv.reader(file)
            with (tmp_path / "data" / split / path.name).open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([*cells[:5], "ABCD"[int(cells[5])]] for cells in table)
    without = benchmarks.load(Mmlu.rows, tmp_path, tmp_path / "cache")
    assert without.digest == benchmarks.load(Mmlu.rows, shared_data, tmp_path / "cache").digest
    first = tmp_path / "data/test/virology_test.csv"
    first.write_text(first.read_text(encoding="utf-8").replace(",A\n", ",B\n", 1), encoding="utf-8")
    assert benchmarks.load(Mmlu.rows, tmp_path, tmp_path / "cache").digest != without.digest


def test_subjects_of_the_real_rows(shared_data: Path, tmp_path: Path) -> None:
    mmlu = benchmarks.load(Mmlu.rows, shared_data, tmp_path)
    shots = Counter(row["subject"] for row in mmlu.splits["dev"])
    assert len(shots) == 57
    assert set(shots.values()) == {5}
    test = [row["subject"] for row in mmlu.splits["test"]]
    assert test == sorted(test)
    assert set(test) == set(shots)


NASTY = st.sampled_from(
    ["None", "N/A", "nan", "NaN", "null", "", " ", '"', '""', "a,b", "a\nb", "\r\n", "\ufeff", "question"]
)
# csv.writer has no way to say a lone carriage return in an unquoted cell; with all cells quoted it has.
CELL = NASTY | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL, CELL, CELL, CELL, st.integers(0, 3)), min_size=1, max_size=8),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_cell_comes_back_as_it_was_written(table: list[tuple], header: bool, line_end: str) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator=line_end)
    if header:
        writer.writerow(mmlu_task.HEADER)
    writer.writerows([*cells, answer if header else "ABCD"[answer]] for *cells, answer in table)
    found = list(mmlu_task.read_csv(buffer.getvalue(), "s", "f"))
    assert [(row["question"], *row["choices"], row["answer"]) for row in found] == table


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_rows_or_a_data_error(text: str) -> None:
    content = text.encode(errors="surrogatepass")
    rows_or_a_data_error(
        Mmlu.rows, {"mmlu/dev/anatomy_dev.csv": b"q,a,b,c,d,A\n", "mmlu/test/anatomy_test.csv": content}
    )
