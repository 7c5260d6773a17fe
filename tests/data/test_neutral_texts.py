"""Neutral texts: the bundled sample, and files of a user's own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from data.neutral_texts import SAMPLE, load
from data.sources import DataError

TEXTS = ["The first text.", "A second one,\nof two lines."]


def test_the_sample_is_varied_prose():
    rows = [json.loads(line) for line in SAMPLE.read_text("utf-8").splitlines()]
    kinds = Counter(row["kind"] for row in rows)
    assert set(kinds) == {"encyclopaedic", "narrative", "technical", "dialogue", "list", "letter"}
    assert min(kinds.values()) >= 7
    assert len({row["text"] for row in rows}) == len(rows) >= 40
    assert all(30 <= len(row["text"].split()) <= 120 for row in rows)
    assert load().texts == tuple(row["text"] for row in rows)


def test_a_file_says_the_same_whatever_its_kind(tmp_path: Path):
    (tmp_path / "plain.txt").write_text("\n\n".join(TEXTS) + "\n \n\n", "utf-8")
    (tmp_path / "windows.md").write_bytes("\r\n\r\n".join(text.replace("\n", "\r\n") for text in TEXTS).encode())
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": text, "n": 1}) + "\n" for text in TEXTS), "utf-8")
    found = [load(str(tmp_path / name)) for name in ("plain.txt", "windows.md", "rows.jsonl")]
    assert found[0].texts == tuple(TEXTS)
    assert found[0] == found[1] == found[2]
    (tmp_path / "other.txt").write_text(TEXTS[0], "utf-8")
    assert load(str(tmp_path / "other.txt")).digest != found[0].digest


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("rows.jsonl", '{"texts": "x"}\n', "line 1: neutral texts stand in a column 'text', and this row has texts"),
        ("rows.jsonl", '{"text": 3}\n', "line 1: neutral texts stand in a column"),
        ("empty.txt", "\n\n \n", "has no text"),
        ("bytes.txt", "\udcff", "not UTF-8"),
        ("rows.exe", "x", "what kind of file this is"),
    ],
)
def test_what_is_no_neutral_text(name: str, content: str, says: str, tmp_path: Path):
    (tmp_path / name).write_text(content, "utf-8", errors="surrogateescape")
    with pytest.raises(DataError, match=says):
        load(str(tmp_path / name))


def test_a_file_that_is_not_there(tmp_path: Path):
    (tmp_path / "plain.txt").write_text("x", "utf-8")
    with pytest.raises(DataError, match=r"There is no file .*plan\.txt\. Did you mean plain\.txt"):
        load(str(tmp_path / "plan.txt"))
