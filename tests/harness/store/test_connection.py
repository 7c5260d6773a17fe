from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from harness.results import Store
from harness.store import connection as the_door
from tests.harness.results import make

PANDAS = """
import sys
from harness.results import Store
Store(sys.argv[1]).tasks("none")
assert "pandas" not in sys.modules
import pandas
assert pandas.NA is not None
assert Store(sys.argv[1]).tasks("none") == []
"""


def test_reading_does_not_import_pandas(tmp_path):
    """DuckDB would, at the first bound parameter; and whoever wants pandas later gets it."""
    path = tmp_path / "s.duckdb"
    with Store(path).write():
        pass
    done = subprocess.run([sys.executable, "-c", PANDAS, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def openings(monkeypatch):
    """(thread, exclusive) of each."""
    found = []
    real = the_door.locked

    def locked(path, *, exclusive):
        found.append((threading.get_ident(), exclusive))
        return real(path, exclusive=exclusive)

    monkeypatch.setattr(the_door, "locked", locked)
    return found


def test_what_is_read_within_a_read_is_one_opening(tmp_path, openings):
    store = Store(tmp_path / "s.duckdb")
    made = make.stored(store)
    openings.clear()
    with store.read() as connection:
        assert store.runs() == [made]
        with store.read() as inner:
            assert inner is connection
        assert len(store.samples(made.id, "mmlu")) == 10
        other = threading.Thread(target=store.runs)  # has one of its own
        other.start()
        other.join()
    assert openings == [(threading.get_ident(), False), (other.ident, False)]
    assert store.runs() == [made]
    assert len(openings) == 3


def test_a_write_within_a_read_is_refused_and_not_waited_for(tmp_path):
    store = Store(tmp_path / "s.duckdb")
    made = make.stored(store)
    with store.read(), pytest.raises(RuntimeError, match="already"):
        store.update(made.id, status="failed")
    store.update(made.id, status="finished")


def test_how_long_writers_were_kept_out_is_counted(tmp_path, monkeypatch):
    store = Store(tmp_path / "s.duckdb")
    make.stored(store)
    now = [0.0]
    monkeypatch.setattr(the_door, "monotonic", lambda: now[0])
    with store.read():
        now[0] += 2
        store.runs()
    assert store.reading == 2
