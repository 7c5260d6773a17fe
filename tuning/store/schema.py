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


# Theirs has all trainings that ours has, and more: it went on with our study; or it is finished and ours is not. Where
# both went on, ours stays.
_BEHIND = """
WITH kept AS (
    SELECT s.id, (SELECT count(*) FROM attempts a WHERE a.study = s.id) AS ours,
        (SELECT count(*) FROM other_attempts a WHERE a.study = s.id) AS theirs,
        (SELECT count(*) FROM attempts a JOIN other_attempts b USING (study, trial, purpose, fraction, seed)
         WHERE a.study = s.id) AS shared
    FROM studies s)
SELECT k.id FROM kept k JOIN studies s ON s.id = k.id JOIN other_studies o ON o.id = k.id
WHERE k.shared = k.ours AND (k.theirs > k.ours OR (o.status = 'finished' AND s.status <> 'finished'))"""
_OUR_ADAPTERS = """
CREATE TEMP TABLE our_adapters AS SELECT study, trial, purpose, fraction, seed, adapter FROM attempts
WHERE adapter <> '' AND list_contains($1, study)"""
_KEEP_ADAPTERS = """
UPDATE attempts SET adapter = o.adapter FROM our_adapters o WHERE o.study = attempts.study
AND o.trial = attempts.trial AND o.purpose = attempts.purpose AND o.fraction = attempts.fraction
AND o.seed = attempts.seed"""


def _take(connection: duckdb.DuckDBPyConnection, behind: list[str]) -> Counts:
    """Studies that are not here come in; those that went on there come anew, with the adapters that they have here."""
    connection.execute(_OUR_ADAPTERS, [behind])
    connection.execute("DELETE FROM studies WHERE list_contains($1, id)", [behind])
    connection.execute("""
        CREATE TEMP TABLE new_studies AS SELECT o.id FROM other_studies o ANTI JOIN studies s ON s.id = o.id""")
    TABLES.delete_orphans(connection)
    counts = execute(connection, _COPY)
    connection.execute(_KEEP_ADAPTERS)
    return counts


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
    behind=_BEHIND,
)
