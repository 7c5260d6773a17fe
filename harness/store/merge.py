"""Bringing another machine's store in."""

from __future__ import annotations

import os
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.store.attached import attached
from harness.store.connection import StoreConnection
from harness.store.schema import Counts, Schema, schemas

if TYPE_CHECKING:
    import duckdb


class Merge(StoreConnection):
    def merge(self, other_path: str | os.PathLike[str]) -> Counts:
        """Copy what another store has and this one has not; gives the rows added, by table. Each schema's `take` says
        more. All of it is one transaction."""
        other = StoreConnection(other_path)
        with other.read():
            pass  # there is a store, of our version
        if self.exists() and os.path.samefile(self.path, other.path):
            raise UsageError(f"{other.path} is this store itself.")
        with self.write():
            pass  # so is this one
        with ExitStack() as stack:
            # always in one order: two stores that take each other in would wait for ever otherwise
            for door in sorted((self, other), key=lambda store: str(store._home())):
                stack.enter_context(door._room(exclusive=door is self))
            connection = stack.enter_context(self._writing())
            theirs = stack.enter_context(attached(connection, other._home(), read_only=True))
            _name_tables(connection, theirs)
            behind = [_ids(connection, schema) for schema in schemas()]
            for word in chain(*behind):
                stack.enter_context(self.lease(word))
            connection.begin()
            counts: Counts = {}
            for schema, ids in zip(schemas(), behind, strict=True):
                counts |= schema.take(connection, ids)
            connection.commit()
        return counts


def _name_tables(connection: duckdb.DuckDBPyConnection, theirs: str) -> None:
    """Each table of the other store under the name that queries here have for it: `other_runs`, and so on."""
    query = "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = 'main'"
    for (table,) in connection.execute(query, [theirs]).fetchall():
        connection.execute(f"CREATE TEMP VIEW other_{table} AS SELECT * FROM {theirs}.main.{table}")  # noqa: S608


def _ids(connection: duckdb.DuckDBPyConnection, schema: Schema) -> list[str]:
    return [row[0] for row in connection.execute(schema.behind).fetchall()] if schema.behind else []
