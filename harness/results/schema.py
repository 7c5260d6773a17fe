"""The tables of runs: how they are made, merged and tidied."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StoreError
from harness.results.fields import FIELDS
from harness.store.schema import Counts, Schema, execute

if TYPE_CHECKING:
    import duckdb

_ORPHANS = {
    "tasks": "DELETE FROM tasks WHERE run NOT IN (SELECT id FROM runs)",
    "tags": "DELETE FROM tags WHERE run NOT IN (SELECT id FROM runs)",
    "scores": "DELETE FROM scores WHERE run NOT IN (SELECT id FROM runs)",
    "responses": "DELETE FROM responses WHERE task NOT IN (SELECT key FROM tasks)",
    "samples": "DELETE FROM samples WHERE task NOT IN (SELECT key FROM tasks)",
    "prompts": "DELETE FROM prompts WHERE digest NOT IN (SELECT prompt FROM responses)",
}
_SEEN = "SELECT o.id FROM other_runs o SEMI JOIN runs r ON r.id = o.id"
# The other file went on with a run that we have only the beginning of.
_BEHIND = """
SELECT o.id FROM other_runs o JOIN runs r ON r.id = o.id
WHERE r.status IN ('running', 'sampled') AND o.status NOT IN (r.status, 'running')"""
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
    "estimates": "INSERT INTO estimates BY NAME SELECT o.* FROM other_estimates o "
    "ANTI JOIN estimates e USING (identity, made)",
    "runs": "INSERT INTO runs BY NAME SELECT o.* FROM other_runs o ANTI JOIN runs r ON r.id = o.id",
}


def delete_runs(connection: duckdb.DuckDBPyConnection, run_ids: Sequence[str]) -> Counts:
    """Inside the caller's transaction. StoreError for an id that is not there."""
    for run_id in run_ids:
        if not connection.execute("DELETE FROM runs WHERE id = ? RETURNING id", [run_id]).fetchall():
            raise StoreError(f"The store has no run {run_id}.")
    return TABLES.delete_orphans(connection)


def _take(connection: duckdb.DuckDBPyConnection, behind: list[str]) -> Counts:
    """A run that is here already is left as it is, `skipped`; one that stands here unfinished and is finished there
    comes anew, `renewed`, and keeps the tags that it has here."""
    connection.execute("CREATE TEMP TABLE our_tags AS SELECT * FROM tags")
    delete_runs(connection, behind)
    skipped = len(connection.execute(_SEEN).fetchall())
    connection.execute(_NEW_TASKS)
    counts = execute(connection, _COPY)
    connection.execute("INSERT INTO tags SELECT * FROM our_tags ANTI JOIN tags USING (name, run)")
    return {**counts, "skipped": skipped, "renewed": len(behind)}


TABLES = Schema(
    steps={
        1: Path(__file__).with_name("schema.sql"),
        4: Path(__file__).with_name("group_column.sql"),
        7: Path(__file__).with_name("estimates.sql"),
    },
    fields=FIELDS,
    take=_take,
    orphans=_ORPHANS,
    counted=("runs", "tasks", "responses", "samples", "prompts", "scores"),
    behind=_BEHIND,
)
