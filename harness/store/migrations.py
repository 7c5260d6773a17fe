"""Versions of the store. A file of an older version is brought forward when it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import StoreError
from harness.store.schema import schemas

if TYPE_CHECKING:
    import duckdb


def steps() -> list[str]:
    """One SQL script a version: the n-th (from 1) makes version n out of version n - 1, and the first starts from an
    empty file. The version number itself is written by `migrate`."""
    scripts = {version: path for schema in schemas() for version, path in schema.steps.items()}
    return [path.read_text(encoding="utf-8") for _, path in sorted(scripts.items())]


def version(connection: duckdb.DuckDBPyConnection) -> int:
    """The file's version; 0 when it is empty. StoreError when it holds something else."""
    import duckdb

    try:
        row = connection.execute("SELECT version FROM store_version").fetchone()
    except duckdb.CatalogException:
        tables = "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database()"
        if connection.execute(tables).fetchone() == (0,):
            return 0
        row = None
    if row is None:
        raise StoreError("This DuckDB file is not a store of this program: its tables are others.")
    return int(row[0])


def check(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the file has this program's version. StoreError when it is newer."""
    there, ours = version(connection), len(steps())
    if there > ours:
        raise StoreError(
            f"The store has version {there} and this program knows versions up to {ours}: it was written by a newer"
            " lora-harness. Update this one, or choose another file with --db."
        )
    return there == ours


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Inside the caller's transaction: all steps that are missing, or none."""
    there = version(connection)
    if there == 0:
        connection.execute("CREATE TABLE store_version (version INTEGER NOT NULL)")
    for step in steps()[there:]:
        connection.execute(step)
    connection.execute("DELETE FROM store_version")
    connection.execute("INSERT INTO store_version VALUES (?)", [len(steps())])
