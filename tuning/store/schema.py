"""The tables of studies: how they are made, merged and tidied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.store.schema import Counts, Schema, execute
from tuning.store.fields import FIELDS

if TYPE_CHECKING:
    import duckdb

_PARTS = ("trials", "attempts", "steps", "enqueued", "study_notes", "audits")  # each has a column `study`
_ORPHANS = {part: f"DELETE FROM {part} WHERE study NOT IN (SELECT id FROM studies)" for part in _PARTS}  # noqa: S608
_COPY = {
    table: f"INSERT INTO {table} BY NAME SELECT * FROM other_{table} WHERE {column} IN (SELECT id FROM new_studies)"  # noqa: S608
    for table, column in (("studies", "id"), *((part, "study") for part in _PARTS))
}


def _take(connection: duckdb.DuckDBPyConnection, behind: list[str]) -> Counts:
    """Studies that are not here come in, and those that stand here unfinished and are finished there come anew."""
    connection.execute("""
        CREATE TEMP TABLE new_studies AS SELECT o.id FROM other_studies o LEFT JOIN studies s ON s.id = o.id
        WHERE s.id IS NULL OR (s.status <> 'finished' AND o.status = 'finished')""")
    connection.execute("DELETE FROM studies WHERE id IN (SELECT id FROM new_studies)")
    TABLES.delete_orphans(connection)
    return execute(connection, _COPY)


TABLES = Schema(
    steps={
        2: Path(__file__).with_name("schema.sql"),
        6: Path(__file__).with_name("audits.sql"),
        8: Path(__file__).with_name("study_totals.sql"),
    },
    fields=FIELDS,
    take=_take,
    orphans=_ORPHANS,
    counted=("studies", "trials"),
)
