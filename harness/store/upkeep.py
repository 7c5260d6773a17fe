"""Removing runs, giving their space back, and what there is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError
from harness.store import codec, migrations, preference, studies
from harness.store.attached import attached, current
from harness.store.connection import StoreConnection, remove, wal
from harness.store.lock import sweep

if TYPE_CHECKING:
    import duckdb

# What belongs to nothing any more. The order matters.
_ORPHANS = {
    "tasks": "DELETE FROM tasks WHERE run NOT IN (SELECT id FROM runs)",
    "tags": "DELETE FROM tags WHERE run NOT IN (SELECT id FROM runs)",
    "scores": "DELETE FROM scores WHERE run NOT IN (SELECT id FROM runs)",
    "responses": "DELETE FROM responses WHERE task NOT IN (SELECT key FROM tasks)",
    "samples": "DELETE FROM samples WHERE task NOT IN (SELECT key FROM tasks)",
    "prompts": "DELETE FROM prompts WHERE digest NOT IN (SELECT prompt FROM responses)",
}
_COUNTS = """
SELECT (SELECT count(*) FROM runs) AS runs, (SELECT count(*) FROM tasks) AS tasks,
       (SELECT count(*) FROM responses) AS responses, (SELECT count(*) FROM samples) AS samples,
       (SELECT count(*) FROM prompts) AS prompts, (SELECT count(*) FROM scores) AS scores,
       (SELECT count(*) FROM studies) AS studies, (SELECT count(*) FROM trials) AS trials,
       (SELECT count(*) FROM answer_sets) AS answer_sets, (SELECT count(*) FROM answers) AS answers,
       (SELECT count(*) FROM judges) AS judges, (SELECT count(*) FROM comparisons) AS comparisons
"""


class Upkeep(StoreConnection):
    def remove(self, run_ids: Iterable[str]) -> dict[str, int]:
        """Delete runs and all that is theirs; gives the rows that went, by table.

        The file keeps its size, and new rows use the space, until `gc`. StoreError, and all stay, when one of
        them is not there or is being computed."""
        wanted = list(dict.fromkeys(run_ids))
        with ExitStack() as stack:
            for run_id in wanted:
                stack.enter_context(self.lease(run_id))
            connection = stack.enter_context(self.write())
            return {"runs": len(wanted), **delete_runs(connection, wanted)}

    def remove_answers(self, answer_sets: Iterable[str]) -> dict[str, int]:
        """Delete answer sets and all that is theirs: answers, comparisons, votes, rating plans on them.

        Gives the rows that went, by table. StoreError, and all stay, when one of them is not there."""
        wanted = list(dict.fromkeys(answer_sets))
        with self.write() as connection:
            return {"answer_sets": len(wanted), **preference.remove_answers(connection, wanted)}

    def gc(self) -> dict[str, int]:
        """Remove what belongs to no run and rewrite the file without its holes.

        Gives rows removed by table, leases of dead processes as `leases`, and `bytes_before`, `bytes_after`.
        The file is replaced in one step: a full disk or a kill leaves the old one."""
        with self.read():
            pass  # there is a store, of our version
        with self._room(exclusive=True):
            home = self._home()
            fresh = home.with_name(home.name + ".fresh")
            before = _size(home)
            try:
                remove(fresh)  # of one that was killed
                with self._writing() as connection:
                    connection.begin()
                    done = _delete_orphans(connection)
                    done |= {**studies.delete_orphans(connection), **preference.delete_orphans(connection)}
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
            counts = codec.records(connection.execute(_COUNTS))[0]
            version = migrations.version(connection)
        return {
            "path": str(self.path.resolve()),
            "version": version,
            "duckdb": duckdb.__version__,
            "bytes": _size(self._home()),
            **counts,
        }


def delete_runs(connection: duckdb.DuckDBPyConnection, run_ids: list[str]) -> dict[str, int]:
    """Inside the caller's transaction. StoreError for an id that is not there."""
    for run_id in run_ids:
        if not connection.execute("DELETE FROM runs WHERE id = ? RETURNING id", [run_id]).fetchall():
            raise StoreError(f"The store has no run {run_id}.")
    return _delete_orphans(connection)


def _delete_orphans(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return {name: (connection.execute(query).fetchone() or (0,))[0] for name, query in _ORPHANS.items()}


def _copy(connection: duckdb.DuckDBPyConnection, fresh: Path) -> None:
    with attached(connection, fresh) as copy:
        connection.execute(f"COPY FROM DATABASE {current(connection)} TO {copy}")


def _size(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, wal(path)) if each.exists())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
