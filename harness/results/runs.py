"""Runs, their tasks, scores and tags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError, UsageError, suggest
from harness.results.fields import FIELDS
from harness.results.rows import RunRow, ScoreRow, TaskRow
from harness.results.schema import delete_runs
from harness.store import codec
from harness.store.connection import StoreConnection

if TYPE_CHECKING:
    import duckdb


class Runs(StoreConnection):
    def create(self, run: RunRow, tasks: Sequence[TaskRow]) -> None:
        if any(task.run != run.id for task in tasks) or len({task.task for task in tasks}) != len(tasks):
            raise ValueError("tasks of another run, or one task twice")
        with self.write() as connection:
            if connection.execute("SELECT 1 FROM runs WHERE id = ?", [run.id]).fetchone():
                raise StoreError(f"The run {run.id} is in {self.path} already.")
            _insert_run(connection, run)
            (key,) = connection.execute("SELECT coalesce(max(key), 0) FROM tasks").fetchone() or (0,)
            columns = FIELDS.columns(tasks, codec.names(TaskRow))
            columns["key"] = list(range(key + 1, key + 1 + len(tasks)))
            connection.register("batch", FIELDS.table(columns))
            connection.execute("INSERT INTO tasks BY NAME SELECT * FROM batch")

    def runs(self) -> list[RunRow]:
        """All runs, the newest first."""
        with self.read() as connection:
            return FIELDS.rows(RunRow, connection.execute("SELECT * FROM runs ORDER BY created DESC, id"))

    def find(self, identity: str) -> RunRow | None:
        """The newest run of that identity (a fresh one replaces those before it)."""
        if not self.exists():
            return None
        with self.read() as connection:
            query = "SELECT * FROM runs WHERE identity = ? ORDER BY created DESC, id LIMIT 1"
            rows = FIELDS.rows(RunRow, connection.execute(query, [identity]))
        return rows[0] if rows else None

    def resolve(self, word: str) -> RunRow:
        """The run that a person means: by id, tag, name, or the beginning of an id, in this order.

        Among runs of one identity the newest is meant. UsageError when none or several remain."""
        runs, tags = self.runs(), self.tags()
        kinds = (
            [run for run in runs if run.id == word],
            [run for run in runs if word in tags.get(run.id, ())],
            [run for run in runs if run.name == word],
            [run for run in runs if word and run.id.startswith(word)],
        )
        meant = list({run.identity: run for run in reversed(next(filter(None, kinds), []))}.values())
        if len(meant) == 1:
            return meant[0]
        if meant:
            ids = ", ".join(sorted(run.id[:12] for run in meant))
            raise UsageError(f"{word!r} means several runs: {ids}. Name one by its id.")
        known = {run.name for run in runs} | {name for names in tags.values() for name in names}
        near = suggest(word, known | {run.id for run in runs})
        raise UsageError(f"There is no run {word!r} in {self.path}.{near} `harness show` lists them.")

    def update(self, run_id: str, **columns: Any) -> None:
        """Set columns of a run: status, finished, totals, warnings, …"""
        with self.write() as connection:
            run = _run(connection, run_id)
            connection.execute("DELETE FROM runs WHERE id = ?", [run_id])
            _insert_run(connection, replace(run, **columns))

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

    def tasks(self, run_id: str | None = None) -> list[TaskRow]:
        """A run's tasks in its order, or those of all runs."""
        with self.read() as connection:
            query = "SELECT * EXCLUDE (key) FROM tasks WHERE $run IS NULL OR run = $run ORDER BY key"
            return FIELDS.rows(TaskRow, connection.execute(query, {"run": run_id}))

    def save_scores(self, run_id: str, scores: Sequence[ScoreRow]) -> None:
        """These are the run's scores; those it had go."""
        if any(score.run != run_id for score in scores):
            raise ValueError("scores of another run")
        with self.write() as connection:
            _run(connection, run_id)
            connection.execute("DELETE FROM scores WHERE run = ?", [run_id])
            connection.register("batch", FIELDS.batch(ScoreRow, scores))
            connection.execute("INSERT INTO scores BY NAME SELECT * FROM batch")

    def scores(self, run_id: str | None = None) -> list[ScoreRow]:
        """A run's scores, or all; by task, with the whole task before its groups."""
        query = """SELECT * FROM scores WHERE $run IS NULL OR run = $run
                   ORDER BY run, task, protocol, "group" <> 'all', "group", metric"""
        with self.read() as connection:
            return FIELDS.rows(ScoreRow, connection.execute(query, {"run": run_id}))

    def tag(self, run_id: str, name: str) -> None:
        """Give a run a tag; a run may have several, and several runs one."""
        if not name.strip():
            raise UsageError("A tag needs a name.")
        pair = [codec.encode(name), run_id]
        with self.write() as connection:
            _run(connection, run_id)
            if not connection.execute("SELECT 1 FROM tags WHERE name = ? AND run = ?", pair).fetchone():
                connection.execute("INSERT INTO tags VALUES (?, ?)", pair)

    def untag(self, run_id: str, name: str) -> None:
        """UsageError when the run does not have the tag."""
        with self.write() as connection:
            query = "DELETE FROM tags WHERE name = ? AND run = ? RETURNING name"
            if not connection.execute(query, [codec.encode(name), run_id]).fetchall():
                raise UsageError(f"The run {run_id[:12]} has no tag {name!r}.")

    def tags(self) -> dict[str, list[str]]:
        """The tags of each run that has any."""
        by_run: dict[str, list[str]] = {}
        with self.read() as connection:
            for record in FIELDS.records(connection.execute("SELECT run, name FROM tags ORDER BY run, name")):
                by_run.setdefault(record["run"], []).append(record["name"])
        return by_run


def _run(connection: duckdb.DuckDBPyConnection, run_id: str) -> RunRow:
    rows = FIELDS.rows(RunRow, connection.execute("SELECT * FROM runs WHERE id = ?", [run_id]))
    if not rows:
        raise StoreError(f"The store has no run {run_id}.")
    return rows[0]


def _insert_run(connection: duckdb.DuckDBPyConnection, run: RunRow) -> None:
    connection.register("batch", FIELDS.batch(RunRow, [run]))
    connection.execute("INSERT INTO runs BY NAME SELECT * FROM batch")
