"""Responses and samples: stored in batches, read back to go on or to score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError
from harness.results.fields import FIELDS
from harness.results.rows import ResponseRow, SampleRow
from harness.store import codec
from harness.store.connection import StoreConnection

if TYPE_CHECKING:
    import duckdb

_ADD_PROMPTS = "INSERT INTO prompts BY NAME SELECT * FROM batch ANTI JOIN prompts USING (digest)"
# A run's task keys are neighbours: with the bounds, DuckDB skips row groups of other runs.
_ADD_RESPONSES = """
INSERT INTO responses BY NAME SELECT * FROM batch ANTI JOIN
    (SELECT task, item, repeat, part FROM responses WHERE task BETWEEN ? AND ?) USING (task, item, repeat, part)"""
_ADD_SAMPLES = """
INSERT INTO samples BY NAME SELECT * FROM batch ANTI JOIN
    (SELECT task, item, repeat FROM samples WHERE task BETWEEN ? AND ?) USING (task, item, repeat)"""


class Answers(StoreConnection):
    def record(self, run_id: str, responses: Sequence[ResponseRow] = (), samples: Sequence[SampleRow] = ()) -> None:
        """Store a batch in one transaction; when this returns, the rows are on the disk.

        A key that is stored already keeps the row it has. ValueError for one key twice in a batch, or rows of
        another run; StoreError for a task that the run does not have."""
        if not responses and not samples:
            return
        rows: list[ResponseRow | SampleRow] = [*responses, *samples]
        if any(row.run != run_id for row in rows):
            raise ValueError(f"rows of another run than {run_id}")
        if len({_key(row) for row in rows}) != len(rows):
            raise ValueError("one key twice in a batch")
        # columns first: nobody should wait at the lock while we build them
        answers = FIELDS.columns(responses, codec.names(ResponseRow, "run", "task", "shared"))
        texts = {row.shared: codec.encode(row.shared) for row in responses}
        digests = {shared: codec.digest(text) for shared, text in texts.items()}
        answers["prompt"] = [digests[row.shared] for row in responses]
        prompts = FIELDS.table({"digest": list(digests.values()), "text": list(texts.values())})
        scored = FIELDS.columns(samples, codec.names(SampleRow, "run", "task"))
        with self.write() as connection:
            query = "SELECT task, key FROM tasks WHERE run = ?"
            keys = {codec.decode(task): key for task, key in connection.execute(query, [run_id]).fetchall()}
            unknown = {row.task for row in rows} - keys.keys()
            if unknown:
                raise StoreError(f"The run {run_id} has no task {', '.join(sorted(unknown))} in {self.path}.")
            if responses:
                connection.register("batch", prompts)
                connection.execute(_ADD_PROMPTS)
                _add(connection, _ADD_RESPONSES, answers, [keys[row.task] for row in responses])
            if samples:
                _add(connection, _ADD_SAMPLES, scored, [keys[row.task] for row in samples])

    def answered(self, run_id: str, task: str) -> set[tuple[str, int, int]]:
        """(item, repeat, part) of each response that is stored."""
        query = """SELECT item, repeat, part FROM responses
                   WHERE task = (SELECT key FROM tasks WHERE run = ? AND task = ?)"""
        return {(codec.decode(item), repeat, part) for item, repeat, part in self._all(query, run_id, task)}

    def scored(self, run_id: str, task: str) -> set[tuple[str, int]]:
        """(item, repeat) of each sample that is stored."""
        query = "SELECT item, repeat FROM samples WHERE task = (SELECT key FROM tasks WHERE run = ? AND task = ?)"
        return {(codec.decode(item), repeat) for item, repeat in self._all(query, run_id, task)}

    def responses(self, run_id: str, task: str, items: Iterable[str] | None = None) -> list[ResponseRow]:
        """A task's responses, or those of some items, in an order of their keys alone."""
        query = """
            SELECT t.run, t.task, r.* EXCLUDE (task, prompt), p.text AS shared
            FROM responses r JOIN tasks t ON t.key = r.task JOIN prompts p ON p.digest = r.prompt
            WHERE t.run = $run AND t.task = $task
              AND ($items IS NULL OR r.item IN (SELECT unnest($items::VARCHAR[])))
            ORDER BY length(r.item), r.item, r.repeat, r.part"""
        wanted = None if items is None else [codec.encode(item) for item in items]
        with self.read() as connection:
            parameters = {"run": run_id, "task": codec.encode(task), "items": wanted}
            return FIELDS.rows(ResponseRow, connection.execute(query, parameters))

    def samples(self, run_id: str, task: str) -> list[SampleRow]:
        """A task's samples, in an order of their keys alone."""
        query = """
            SELECT t.run, t.task, s.* EXCLUDE (task) FROM samples s JOIN tasks t ON t.key = s.task
            WHERE t.run = ? AND t.task = ? ORDER BY s."group", length(s.item), s.item, s.repeat"""
        with self.read() as connection:
            return FIELDS.rows(SampleRow, connection.execute(query, [run_id, codec.encode(task)]))

    def _all(self, query: str, run_id: str, task: str) -> list[Any]:
        with self.read() as connection:
            return connection.execute(query, [run_id, codec.encode(task)]).fetchall()


def _key(row: ResponseRow | SampleRow) -> tuple[str, str, int, int | None]:
    return row.task, row.item, row.repeat, row.part if isinstance(row, ResponseRow) else None


def _add(connection: duckdb.DuckDBPyConnection, query: str, columns: dict[str, list[Any]], keys: list[int]) -> None:
    from pyarrow import int32

    connection.register("batch", FIELDS.table({**columns, "task": keys}, task=int32()))
    connection.execute(query, [min(keys), max(keys)])
