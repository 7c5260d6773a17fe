"""The real rows, their digests, and the bundled sample's way."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data import benchmarks, rows, sources
from data.folder_rows import Files
from data.sources import DataError
from tests.data.specs import SPECS

COUNTS = {
    "mmlu": {"dev": 285, "test": 14_042},
    "bbh": {"test": 6_511},
    "drop": {"test": 50},
    "humaneval": {"test": 164},
}


def counts(one: benchmarks.Benchmark) -> dict[str, int]:
    return {split: len(found) for split, found in one.splits.items()}


@pytest.mark.parametrize("name", SPECS)
def test_counts_of_the_real_rows(shared_data: Path, tmp_path: Path, name: str) -> None:
    read = benchmarks.load(SPECS[name], shared_data, tmp_path)
    assert counts(read) == COUNTS[name]
    assert read.source == f"folder:{shared_data.resolve()}"
    kept = benchmarks.load(SPECS[name], shared_data, tmp_path)
    assert kept == read
    assert kept is not read
    assert rows.digest(name, rows.Content(kept.splits, kept.prompts)) == kept.digest
    expected = () if name != "drop" else ("drop: 50 test rows here; the published benchmark has 9,536",)
    assert read.notes == expected


def test_the_digest_is_of_the_content(small: Path, tmp_path: Path) -> None:
    found = {name: benchmarks.load(SPECS[name], small, tmp_path / "cache") for name in SPECS}
    assert len({one.digest for one in found.values()}) == 4
    moved = shutil.copytree(small, tmp_path / "moved")
    for name, one in found.items():
        assert benchmarks.load(SPECS[name], moved, tmp_path / "cache").digest == one.digest
    (moved / "bbh/cot-prompts/snarks.txt").write_text("canary\n-----\nDo it!")
    assert benchmarks.load(SPECS["bbh"], moved, tmp_path / "cache").digest != found["bbh"].digest


def test_every_value_enters_the_digest(small: Path, tmp_path: Path) -> None:
    for name in SPECS:
        one = benchmarks.load(SPECS[name], small, tmp_path / "cache")
        for split, found in one.splits.items():
            for key, value in found[0].items():
                other = {**found[0], key: [*value, value[0]] if isinstance(value, list) else f"{value}!"}
                splits = {**one.splits, split: [other, *found[1:]]}
                assert rows.digest(name, rows.Content(splits, one.prompts)) != one.digest, (name, split, key)


def test_a_missing_sample_is_an_error(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sources, "SAMPLE", tmp_path)
    with pytest.raises(DataError, match="no mmlu in"):
        benchmarks.load(SPECS["mmlu"], "sample", tmp_path / "cache")


def test_the_sample_is_read_where_it_lies(small: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sources, "SAMPLE", small)
    for name in SPECS:
        one = benchmarks.load(SPECS[name], "sample", tmp_path / "cache")
        assert (one.source, one.notes) == ("sample", ())
        assert one.digest == benchmarks.load(SPECS[name], small, tmp_path / "other").digest
    assert not (tmp_path / "cache").exists()
    with pytest.raises(DataError, match="needs no import"):
        benchmarks.refill(SPECS["mmlu"], "sample")


# Of the bundled sample and of `small`. A run's identity holds the digest of its rows: a change here would make every
# stored run another one, so these stay as they were first made.
DIGESTS = {
    "mmlu": (
        "a2756c3137ed7c53944a1cbb6e769b7a1d9bff999988c068d9e22e4b9369b145",
        "2e00899c9ac5cfdd9393ec65ecfdadad6e87f9b199ce307ac7e24d25789bc040",
    ),
    "bbh": (
        "3a1e8e1128d8b298d38d88925508860127535e3cd6f9a699cbc9196fd6f3f35e",
        "5120f9d8c7e29bc91286db81b61000552155c54e84727abefae5f7002aa468c0",
    ),
    "drop": (
        "f79775b09e725b9fa6f5ef1cba3804108e02d8aad916b97535bc2f025b4f81a0",
        "35f16e61b1f2a14f60f3b08fc4213dd65558afa0a8910ca2176df67b8155e779",
    ),
    "humaneval": (
        "01fb34362486b367b77d6dc0558a8055316af16641e52f8693d9b4ce47f44629",
        "a89dc4da4e6747105693e36044f5f6931ce5944909f2955dc01ff23e2f8e2d66",
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_digests_are_those_of_the_first_release(small: Path, tmp_path: Path, name: str) -> None:
    sample = benchmarks.load(SPECS[name], "sample").digest
    assert (sample, benchmarks.load(SPECS[name], small, tmp_path / "cache").digest) == DIGESTS[name]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"dev": []}, "its splits are dev, test, and its reader gave dev"),
        ({"test": [], "train": []}, "its reader gave test, train"),
        (
            {"test": [{"question": "q", "subject": "s"}]},
            "test row 0: its reader gave question, subject, and",
        ),
    ],
)
def test_a_reader_that_does_not_keep_to_its_columns(small: Path, tmp_path: Path, splits: Any, message: str) -> None:
    """What a benchmark does not declare would be lost in the cache without a word."""
    spec = replace(SPECS["mmlu"], read=lambda _: rows.Content(splits))
    with pytest.raises(DataError, match=message):
        benchmarks.load(spec, small, tmp_path / "cache")


def test_rows_of_an_earlier_reader_are_read_again(small: Path, tmp_path: Path) -> None:
    def read(files: Files) -> rows.Content:
        calls.append(files)
        return SPECS["mmlu"].read(files)

    calls: list[Files] = []
    for version in ("", "", "2", "2"):
        benchmarks.load(replace(SPECS["mmlu"], read=read, version=version), small, tmp_path / "cache")
    assert len(calls) == 2


def test_a_benchmark_without_a_hub_data_set(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mmlu is read from no hub data set\. Pass --data DIR"):
        benchmarks.load(replace(SPECS["mmlu"], hub=None), "hub", tmp_path)
