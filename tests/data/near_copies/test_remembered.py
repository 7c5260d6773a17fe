"""What is remembered is what would be computed, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from data.near_copies import first_of_each, remembered

ROWS = [("Name the capital of France.", ""), ("Name the capital of France!", ""), ("Add two and two, please.", "")]
KEPT = [0, 2]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_HOME", str(tmp_path))
    monkeypatch.setattr(remembered, "FEWEST", 1)
    return tmp_path


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of each computation."""
    calls: list[int] = []
    compute = first_of_each.first_of_rows

    def counting(rows: Sequence[tuple[str, str]]) -> list[int]:
        calls.append(len(rows))
        return compute(rows)

    monkeypatch.setattr(first_of_each, "first_of_rows", counting)
    return calls


def files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


def test_the_second_time_nothing_is_computed(home: Path, computed: list[int]) -> None:
    assert remembered.first_of_rows(ROWS) == KEPT
    assert remembered.first_of_rows(ROWS) == KEPT
    assert computed == [3]
    assert len(files(home)) == 1


def test_other_rows_are_others(computed: list[int]) -> None:
    remembered.first_of_rows(ROWS)
    assert remembered.first_of_rows([("Name the capital.", "France"), ("Name the capital.", "Chad")]) == [0, 1]
    assert remembered.first_of_rows(ROWS[1:]) == [0, 1]
    assert computed == [3, 2, 2]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"rows": 3}', b'{"rows": 4, "copies": []}', b'{"rows": 3, "copies": [7]}']
)
def test_a_broken_file_is_computed_and_written_again(home: Path, content: bytes, computed: list[int]) -> None:
    remembered.first_of_rows(ROWS)
    (file,) = files(home)
    file.write_bytes(content)
    assert remembered.first_of_rows(ROWS) == KEPT
    assert remembered.first_of_rows(ROWS) == KEPT
    assert computed == [3, 3]


def test_where_nothing_can_be_written_it_is_computed_each_time(
    home: Path, monkeypatch: pytest.MonkeyPatch, computed: list[int]
) -> None:
    (home / "taken").write_text("")
    monkeypatch.setenv("HARNESS_HOME", str(home / "taken"))
    assert remembered.first_of_rows(ROWS) == KEPT
    assert remembered.first_of_rows(ROWS) == KEPT
    assert computed == [3, 3]


def test_a_few_rows_are_not_worth_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "FEWEST", 4)
    assert remembered.first_of_rows(ROWS) == KEPT
    assert files(home) == []


def test_lone_surrogates_are_rows_too(computed: list[int]) -> None:
    rows = [("\ud800 name a river", ""), ("\udfff count to ten", "")]
    assert remembered.first_of_rows(rows) == [0, 1]
    assert remembered.first_of_rows(rows) == [0, 1]
    assert computed == [2]
