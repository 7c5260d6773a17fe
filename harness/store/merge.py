"""Bringing another machine's runs, studies and comparisons in."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.store import preference, studies
from harness.store.attached import attached
from harness.store.connection import StoreConnection
from harness.store.upkeep import delete_runs

if TYPE_CHECKING:
    import duckdb

_SEEN = "SELECT o.id FROM other_runs o SEMI JOIN runs r ON r.id = o.id"
# The other file went on with a run that we have only the beginning of.
_BEHIND = """
SELECT o.id FROM other_runs o JOIN runs r ON r.id = o.id
WHERE r.status = 'running' AND o.status <> 'running'"""
_NEW_TASKS = """
CREATE TEMP TABLE new_tasks AS
SELECT o.key AS theirs, (SELECT coalesce(max(key), 0) FROM tasks) + row_number() OVER (ORDER BY o.key) AS ours
FROM other_tasks o ANTI JOIN runs r ON r.id = o.run"""
_COPY = {
    "tasks": "INSERT INTO tasks BY NAME SELECT o.* REPLACE (n.ours AS key) "
    "FROM other_tasks o JOIN new_tasks n ON n.theirs = o.key ORDER BY n.ours",
    "prompts": "INSERT INTO prompts BY NAME SELECT o.* FROM other_prompts o "
    "SEMI JOIN (SELECT prompt FROM other_responses JOIN new_tasks ON theirs = task) u ON u.prompt = o.digest "
    "ANTI JOIN prompts p ON p.digest = o.digest",
    "responses": "INSERT INTO responses BY NAME SELECT o.* REPLACE (n.ours AS task) "
    "FROM other_responses o JOIN new_tasks n ON n.theirs = o.task ORDER BY n.ours",
    "samples": "INSERT INTO samples BY NAME SELECT o.* REPLACE (n.ours AS task) "
    "FROM other_samples o JOIN new_tasks n ON n.theirs = o.task ORDER BY n.ours",
    "scores": "INSERT INTO scores BY NAME SELECT o.* FROM other_scores o ANTI JOIN runs r ON r.id = o.run",
    "tags": "INSERT INTO tags BY NAME SELECT o.* FROM other_tags o ANTI JOIN tags t USING (name, run)",
    "runs": "INSERT INTO runs BY NAME SELECT o.* FROM other_runs o ANTI JOIN runs r ON r.id = o.id",
}


class Merge(StoreConnection):
    def merge(self, other_path: str | os.PathLike[str]) -> dict[str, int]:
        """Copy the runs of another store that are not here; gives the rows added, by table.

        A run that is here already is left as it is, `skipped`; one that stands here unfinished and is
        finished there comes anew, `renewed`. All of it is one transaction."""
        other = StoreConnection(other_path)
        with other.read():
            pass  # there is a store, of our version
        if self.exists() and os.path.samefile(self.path, other.path):
            raise UsageError(f"{other.path} is this store itself.")
        with self.write():
            pass  # so is this one
        with ExitStack() as stack:
            # always in one order: two stores that take each other in would wait for ever otherwise
            for door in sorted((self, other), key=lambda each: str(each._home())):
                stack.enter_context(door._room(exclusive=door is self))
            connection = stack.enter_context(self._writing())
            theirs = stack.enter_context(attached(connection, other._home(), read_only=True))
            _name_tables(connection, theirs)
            renewed = [row[0] for row in connection.execute(_BEHIND).fetchall()]
            for run_id in renewed:
                stack.enter_context(self.lease(run_id))
            connection.begin()
            counts = _take(connection, renewed)
            connection.commit()
        return counts


def _name_tables(connection: duckdb.DuckDBPyConnection, theirs: str) -> None:
    """Each table of the other store under the name that queries here have for it: `other_runs`, and so on."""
    query = "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = 'main'"
    for (table,) in connection.execute(query, [theirs]).fetchall():
        connection.execute(f"CREATE TEMP VIEW other_{table} AS SELECT * FROM {theirs}.main.{table}")  # noqa: S608


def _take(connection: duckdb.DuckDBPyConnection, renewed: list[str]) -> dict[str, int]:
    connection.execute("CREATE TEMP TABLE our_tags AS SELECT * FROM tags")
    delete_runs(connection, renewed)
    skipped = len(connection.execute(_SEEN).fetchall())
    connection.execute(_NEW_TASKS)
    counts = {name: (connection.execute(query).fetchone() or (0,))[0] for name, query in _COPY.items()}
    connection.execute("INSERT INTO tags SELECT * FROM our_tags ANTI JOIN tags USING (name, run)")
    counts |= {**studies.take(connection), **preference.take(connection)}
    return {**counts, "skipped": skipped, "renewed": len(renewed)}
