"""DuckDB instances that stay while files come and go.

Making an instance costs 12 ms of CPU, attaching a file to one that is there 2 (measured). An instance serves one visit
at a time; there are as many as there were visits at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

FILE = "store"  # what an instance calls the file of a visit
_idle: list[duckdb.DuckDBPyConnection] = []
# Of the process that forked this one: their threads are not here, so that they can neither work nor be closed.
_parents: list[duckdb.DuckDBPyConnection] = []


@contextmanager
def visit(path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a file alone. When the block has ended the file is closed, and what was not committed is rolled
    back. After an error the instance goes too: one that met a fatal error answers nothing any more."""
    instance = _idle.pop() if _idle else _make()
    try:
        place = str(path).replace("'", "''")  # it cannot be a bound parameter here
        instance.execute(f"ATTACH '{place}' AS {FILE}{' (READ_ONLY)' if read_only else ''}")
        with instance.cursor() as connection:  # of its own: tables that are registered go with it
            connection.execute(f"USE {FILE}")
            yield connection
        instance.execute(f"DETACH {FILE}")  # writes the log into the file
    except BaseException:
        instance.close()
        raise
    _idle.append(instance)


def _make() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(
        config={
            # more threads make small work no faster
            "threads": min(4, os.cpu_count() or 1),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )


def _forget() -> None:
    _parents.extend(_idle)
    _idle.clear()


os.register_at_fork(after_in_child=_forget)
