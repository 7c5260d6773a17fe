"""HumanEval's rows: packed or not, and what a broken file is told."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.sources import DataError
from harness.tasks.humaneval import Humaneval
from tests.harness.tasks.row_files import put, read, rows_or_a_data_error

PROBLEM = {"task_id": "T/0", "prompt": "p", "entry_point": "f", "canonical_solution": "c", "test": "t"}


@pytest.mark.parametrize("packed", [True, False])
def test_humaneval_packed_or_not(tmp_path: Path, packed: bool) -> None:
    # U+2028 is a line end for str.splitlines and not for JSON lines.
    problem = {**PROBLEM, "prompt": "a\u2028b", "extra": 1}
    text = json.dumps(problem, ensure_ascii=False).encode() + b"\n\n"
    put(tmp_path / f"HumanEval.jsonl{'.gz' if packed else ''}", gzip.compress(text, mtime=0) if packed else text)
    assert read(Humaneval.rows, tmp_path).splits == {"test": [{**PROBLEM, "prompt": "a\u2028b"}]}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("HumanEval.jsonl", "", r"HumanEval\.jsonl: no problems"),
        ("HumanEval.jsonl", json.dumps(PROBLEM) + "\n{", r"line 2: not valid JSON"),
        ("HumanEval.jsonl", '{"task_id": "T/0"}', r"line 1: prompt, entry_point, canonical_solution, test missing"),
        ("HumanEval.jsonl", json.dumps(PROBLEM) + "\n" + json.dumps(PROBLEM), r"task_id 'T/0' stands there twice"),
        ("HumanEval.jsonl.gz", json.dumps(PROBLEM), r"cannot be read: Not a gzipped file"),
        ("HumanEval.jsonl.gz", gzip.compress(json.dumps(PROBLEM).encode(), mtime=0)[:-9], r"cannot be read"),
        ("HumanEval.jsonl.gz", gzip.compress(b"a" * 999, mtime=0)[:12] + b"\xff" * 20, r"cannot be read"),
    ],
)
def test_broken_humaneval_files(tmp_path: Path, file: str, content: str | bytes, message: str) -> None:
    put(tmp_path / "humaneval" / file, content)
    with pytest.raises(DataError, match=message):
        read(Humaneval.rows, tmp_path)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_rows_or_a_data_error(text: str) -> None:
    content = text.encode(errors="surrogatepass")
    rows_or_a_data_error(Humaneval.rows, {"humaneval/HumanEval.jsonl": content})
