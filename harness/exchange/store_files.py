"""A whole store as files: a Parquet file for each table that has rows, what the store is, and the digests of all.

The files are small, hold no weights, and are the same bytes for the same rows, so that they can be kept under version
control. Reading them gives a store, which is merged as any other is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from data.sources import DataError
from harness.errors import StoreError
from harness.exchange.files import Batch
from harness.exchange.manifest import check, seal
from harness.store import migrations
from harness.store.connection import StoreConnection
from harness.store.merge import Merge
from harness.store.schema import Counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

MANIFEST = "store.json"
SEALED = "store"  # the name of the manifest with the digests of all files
FORMAT = "lora-harness store"


def write(store: StoreConnection, batch: Batch, about: Mapping[str, Any]) -> None:
    """All tables into the batch's folder; `about` stands in the manifest beside version and rows."""
    tables: dict[str, int] = {}
    with store.read() as connection:
        version = migrations.version(connection)
        for table in _tables(connection):
            rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
            if rows and rows[0]:
                _copy(connection, table, batch.new(f"{table}.parquet"))
                tables[table] = rows[0]
    manifest = {"format": FORMAT, "version": version, **about, "tables": tables}
    batch.new(MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    seal(batch, SEALED)


@contextmanager
def read(folder: Path) -> Iterator[Path]:
    """A store made of such files, for as long as the block lasts. DataError for a file that is missing or was altered;
    StoreError for files of a newer version."""
    manifest = _manifest(folder)
    version, tables = manifest["version"], manifest["tables"]
    known = migrations.steps()
    if version > len(known):
        raise StoreError(
            f"{folder} was written by a newer lora-harness: its version is {version}, and this program knows versions "
            f"up to {len(known)}. Update this one."
        )
    for difference in check(folder / f"manifest_{SEALED}.json"):
        path = folder / difference.file
        if not path.is_file():
            raise DataError(f"{path} is missing: it was written with the others.")
        raise DataError(f"{path} was altered after it was written: it {difference.what}.")
    with TemporaryDirectory(prefix="harness-import-") as home:
        made = Path(home) / "store.duckdb"
        _make(made, known[:version], folder, list(tables))
        yield made


def take_in(store: Merge, folder: Path) -> Counts:
    """Merge what `write` wrote; gives the rows that came, by table. What is here and is as far stays as it is; what
    went on elsewhere comes anew. Raises what `read` does."""
    with read(folder) as path:
        return store.merge(path)


def is_store(folder: Path) -> bool:
    """Whether `write` wrote the folder."""
    return (folder / MANIFEST).is_file()


def _tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    query = "SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = 'main'"
    return [table for (table,) in connection.execute(query).fetchall() if table != "store_version"]


def _copy(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    place = str(path).replace("'", "''")  # it cannot be a bound parameter here
    connection.execute(f"COPY (SELECT * FROM {table} ORDER BY ALL) TO '{place}' (FORMAT parquet, COMPRESSION zstd)")  # noqa: S608


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}.") from error
    tables = manifest.get("tables") if isinstance(manifest, dict) else None
    if not isinstance(tables, dict) or manifest.get("format") != FORMAT or not isinstance(manifest.get("version"), int):
        raise DataError(f"{path} is not the manifest of an exported store.")
    if not all(isinstance(rows, int) and table.isidentifier() for table, rows in tables.items()):
        raise DataError(f"{path} is not the manifest of an exported store: its tables are not counted.")
    return manifest


def _make(path: Path, steps: list[str], folder: Path, tables: list[str]) -> None:
    import duckdb

    connection = duckdb.connect(os.fspath(path))
    try:
        connection.execute("CREATE TABLE store_version (version INTEGER NOT NULL)")
        connection.execute("INSERT INTO store_version VALUES (?)", [len(steps)])
        for step in steps:
            connection.execute(step)
        for table in tables:
            try:
                connection.execute(
                    f"INSERT INTO {table} BY NAME SELECT * FROM read_parquet(?)",  # noqa: S608 - an identifier
                    [os.fspath(folder / f"{table}.parquet")],
                )
            except duckdb.Error as error:
                raise DataError(f"{folder / f'{table}.parquet'} does not fit version {len(steps)}: {error}") from error
    finally:
        connection.close()
