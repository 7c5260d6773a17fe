"""Giving the space of what was removed back, and what there is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError
from harness.store import migrations
from harness.store.attached import attached, current
from harness.store.connection import StoreConnection, remove, wal
from harness.store.lock import sweep
from harness.store.schema import Counts, execute, schemas

if TYPE_CHECKING:
    import duckdb


class Upkeep(StoreConnection):
    def gc(self) -> dict[str, int]:
        """Remove what belongs to nothing any more and rewrite the file without its holes.

        Gives rows removed by table, leases of dead processes as `leases`, and `bytes_before`, `bytes_after`.
        The file is replaced in one step: a full disk or a kill leaves the old one."""
        with self.read():
            pass  # there is a store, of our version
        done: Counts = {}
        with self._room(exclusive=True):
            home = self._home()
            fresh = home.with_name(home.name + ".fresh")
            before = _size(home)
            try:
                remove(fresh)  # of one that was killed
                with self._writing() as connection:
                    connection.begin()
                    for schema in schemas():
                        done |= schema.delete_orphans(connection)
                    connection.commit()
                with self._writing() as connection:
                    _copy(connection, fresh)
                if wal(home).exists():
                    raise StoreError(f"The store {self.path} could not be tidied: its log {wal(home)} stays in use.")
                shutil.copymode(home, fresh)
                os.replace(fresh, home)
                _sync(home.parent)
            finally:
                remove(fresh)
            leases = sweep(home.parent, f"{home.name}.run-*.lock")
            return {**done, "leases": leases, "bytes_before": before, "bytes_after": _size(home)}

    def info(self) -> dict[str, Any]:
        """Path, schema version, bytes, and the rows of each table."""
        import duckdb

        with self.read() as connection:
            counted = [table for schema in schemas() for table in schema.counted]
            counts = execute(connection, {table: f"SELECT count(*) FROM {table}" for table in counted})  # noqa: S608
            version = migrations.version(connection)
        return {
            "path": str(self.path.resolve()),
            "version": version,
            "duckdb": duckdb.__version__,
            "bytes": _size(self._home()),
            **counts,
        }


def _copy(connection: duckdb.DuckDBPyConnection, fresh: Path) -> None:
    with attached(connection, fresh) as copy:
        connection.execute(f"COPY FROM DATABASE {current(connection)} TO {copy}")


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in (path, wal(path)) if file.exists())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
