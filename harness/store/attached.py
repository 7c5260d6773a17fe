"""Another database file beside the one that a connection has open."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


@contextmanager
def attached(connection: duckdb.DuckDBPyConnection, path: Path, *, read_only: bool = False) -> Iterator[str]:
    """Attach a file; gives the name that it goes by.

    DuckDB calls a connection's own database by its file's name, so that every fixed name is some store's own: this one
    is drawn. After an error the connection is closed with all that is attached, and nothing is detached here."""
    name = f"attached_{uuid.uuid4().hex}"
    place = str(path).replace("'", "''")  # it cannot be a bound parameter here
    connection.execute(f"ATTACH '{place}' AS {name}{' (READ_ONLY)' if read_only else ''}")
    yield name
    connection.execute(f"DETACH {name}")  # writes the log of a file that was written into the file


def current(connection: duckdb.DuckDBPyConnection) -> str:
    """The name of the connection's own database, quoted for a query."""
    (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
    return '"' + str(name).replace('"', '""') + '"'
