"""An instance stays for the next visit; a file does not, and nothing of a visit does."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from harness.store import instances
from harness.store.instances import visit


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a table of one row."""
    monkeypatch.setattr(instances, "_idle", [])
    path = tmp_path / "it's.duckdb"
    with visit(path, read_only=False) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS n")
    return path


def rows(path: Path) -> list[int]:
    with visit(path, read_only=True) as connection:
        return [row[0] for row in connection.execute("SELECT n FROM t ORDER BY n").fetchall()]


def open_files() -> list[str]:
    return [os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd") if _is_there(number)]


def _is_there(number: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{number}")


def test_visits_one_after_the_other_share_an_instance_and_leave_no_file_open(file: Path, tmp_path: Path) -> None:
    (first,) = instances._idle
    assert rows(file) == [1]
    assert instances._idle == [first]
    assert not [path for path in open_files() if path.startswith(str(tmp_path))]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]  # its log is written into it
    with visit(file, read_only=True) as connection:
        connection.execute("CREATE TEMP TABLE own AS SELECT 1")
    with visit(file, read_only=True) as connection, pytest.raises(duckdb.CatalogException):
        connection.execute("SELECT * FROM own")


def test_visits_at_once_have_an_instance_each(file: Path) -> None:
    with visit(file, read_only=True) as connection:
        assert rows(file) == [1]
        assert connection.execute("SELECT n FROM t").fetchall() == [(1,)]
    assert len(instances._idle) == 2


def test_what_is_not_committed_is_rolled_back(file: Path) -> None:
    with visit(file, read_only=False) as connection:
        connection.begin()
        connection.execute("INSERT INTO t VALUES (2)")
    assert rows(file) == [1]


def test_an_instance_that_met_an_error_is_given_up(file: Path) -> None:
    (first,) = instances._idle
    with pytest.raises(duckdb.ConversionException), visit(file, read_only=False) as connection:
        connection.execute("BEGIN; INSERT INTO t VALUES (2); INSERT INTO t VALUES ('two')")
    assert instances._idle == []
    assert rows(file) == [1]
    assert instances._idle != [first]


def test_a_fork_makes_its_own(file: Path) -> None:
    """An instance's threads stay in the parent: a child that used it would wait for ever."""
    (first,) = instances._idle
    child = os.fork()
    if not child:
        os._exit(0 if rows(file) == [1] and first not in instances._idle else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert instances._idle == [first]
