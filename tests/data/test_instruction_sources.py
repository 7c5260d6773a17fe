"""What --data and --mix name: files, several, folders of them, and Alpaca and Dolly beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from data import hub_rows
from data.instruction_rows.sources import load
from data.sources import DataError
from tests.data.test_instruction_shapes import put

ROW = {"instruction": "a", "output": "b"}


def test_several_files_and_a_set(tmp_path: Path) -> None:
    one, two = put(tmp_path, "one.jsonl", [ROW]), put(tmp_path, "two.csv", [ROW, ROW])
    loaded = load(f"{one},{two}, sample")
    assert loaded.sources == ("one.jsonl", "two.csv", "alpaca", "dolly")
    assert [row.source for row in loaded.rows[:4]] == ["one.jsonl", "two.csv", "two.csv", "alpaca"]
    assert loaded.notes == ("one.jsonl: instruction, output, 1 row", "two.csv: instruction, output, 2 rows")


def test_a_folder_of_files(tmp_path: Path) -> None:
    put(tmp_path, "b.csv", [ROW])
    put(tmp_path, "a.jsonl.gz", [ROW])
    (tmp_path / "README.md").write_text("x")
    assert load(tmp_path).sources == load(str(tmp_path)).sources == ("a.jsonl.gz", "b.csv")


def test_a_folder_of_alpaca_and_more(tmp_path: Path) -> None:
    put(tmp_path, "alpaca_data.json", [ROW, ROW])
    put(tmp_path, "more.jsonl", [ROW])
    assert load(tmp_path).sources == ("alpaca_data.json", "more.jsonl")
    loaded = load(tmp_path, ["alpaca", "more.jsonl"])
    assert [row.source for row in loaded.rows] == ["alpaca", "alpaca", "more.jsonl"]
    assert loaded.notes == ("more.jsonl: instruction, output, 1 row",)


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = [put(tmp_path, f"{folder}/x/train.jsonl", [ROW]) for folder in "ab"]
    assert load(",".join(paths)).sources == ("a/x/train.jsonl", "b/x/train.jsonl")
    assert load(",".join(paths), ["b/x/train.jsonl"]).sources == ("train.jsonl",)
    with pytest.raises(DataError, match=r"train.jsonl is any of .*a/x/train.jsonl.*Name it by more of its path"):
        load(",".join(paths), ["train.jsonl"])


def test_a_mix_names_files_of_data_and_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "in/mine.jsonl", [ROW])
    put(tmp_path, "rest.jsonl", [ROW])
    other = put(tmp_path, "other.jsonl", [ROW])
    monkeypatch.chdir(tmp_path)
    loaded = load("in/mine.jsonl,rest.jsonl", ["mine.jsonl", "other.jsonl"])
    assert loaded.sources == ("mine.jsonl", "other.jsonl")
    assert loaded.notes[0] == "rest.jsonl has no share in the mix and is left out."
    assert load("sample", [other, "dolly"]).sources == ("other.jsonl", "dolly")
    with pytest.raises(DataError, match=r"mien.jsonl is no source of rows.*Did you mean mine.jsonl\?"):
        load("in/mine.jsonl", ["mien.jsonl"])
    with pytest.raises(DataError, match=r"are one source\. Name it once"):
        load("sample", ["other.jsonl", "./in/../other.jsonl"])


def test_alpaca_is_the_hub_s_where_data_names_files_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_rows, "resolve", lambda id_, revision: hub_rows.Repository(id_, "0" * 40))
    monkeypatch.setattr(hub_rows.Repository, "rows", lambda self, config, split: [ROW] if "alpaca" in self.id else [])
    path = put(tmp_path, "my.jsonl", [ROW])
    assert [row.source for row in load(path, ["my.jsonl", "alpaca"]).rows] == ["my.jsonl", "alpaca"]


def test_what_is_not_there(tmp_path: Path) -> None:
    path = put(tmp_path, "my.jsonl", [ROW])
    with pytest.raises(DataError, match=r"There is no file .*my.json\. Did you mean my.jsonl\?"):
        load(path.removesuffix("l"))
    (tmp_path / "my.txt").write_text("a")
    with pytest.raises(DataError, match=r"my\.txt: what kind of file this is cannot be told from its name"):
        load(tmp_path / "my.txt")
    with pytest.raises(DataError, match="no such folder"):
        load(f"{path},{tmp_path / 'rows'}")
    with pytest.raises(DataError, match="names 2 places of Alpaca and Dolly"):
        load("sample,hub")
