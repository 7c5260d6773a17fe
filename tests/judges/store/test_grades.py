"""Grades in the store: kept once, asked again only where there is none, merged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from judges.store import Store
from judges.store.rows import GradeRow, JudgeRow

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
JUDGE = JudgeRow("m" * 64, "model", "m", NOW, "m", {"base_url": "http://x/v1"})
ROW = GradeRow(JUDGE.id, "r1", NOW, "4", "t\0\ud800", "", 1, 2**40, 3, 0.25, 1.5)
ERROR = GradeRow(JUDGE.id, "r2", NOW, error="no grade", asked=2)


def test_rows_come_back_as_they_were_and_a_grade_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    store.save_judge(JUDGE)
    store.record_grades([ROW, ERROR])
    assert store.grades(JUDGE.id) == [ROW, ERROR]
    assert store.grades(JUDGE.id, ["r2", "r3"]) == [ERROR]
    assert store.grades("another") == []
    store.record_grades([replace(ROW, grade="1"), replace(ERROR, asked=3)])
    assert store.grades(JUDGE.id) == [ROW, replace(ERROR, asked=3)], "a grade stays, an error gives way"
    assert store.info()["grades"] == 2
    store.gc()
    assert len(store.grades(JUDGE.id)) == 2, "they were paid for"


def test_the_account_goes_with_the_grades(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    store.save_judge(JUDGE)
    session = store.open_session(JUDGE.id)
    store.record_grades([ROW], session, 0.5, 0.25)
    assert store.unaccounted(JUDGE.id) == 0.75


def test_merge_brings_grades_once_and_a_grade_takes_the_place_of_an_error(tmp_path: Path) -> None:
    here, there = Store(tmp_path / "here.duckdb"), Store(tmp_path / "there.duckdb")
    for store in (here, there):
        store.save_judge(JUDGE)
    here.record_grades([ERROR])
    there.record_grades([ROW, replace(ERROR, grade="2", error="")])
    assert here.merge(there.path)["grades"] == 2
    assert here.grades(JUDGE.id) == there.grades(JUDGE.id)
    assert here.merge(there.path)["grades"] == 0
    there.record_grades([replace(ERROR, request="r3")])
    here.merge(there.path)
    assert len(here.grades(JUDGE.id)) == 3
