"""Looking over many runs at once: headline scores, what is going on, and items by runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.results.fields import FIELDS
from harness.results.rows import ScoreRow
from harness.store import codec
from harness.store.connection import StoreConnection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_HEADLINES = """
SELECT s.* FROM scores s JOIN tasks t ON t.run = s.run AND t.task = s.task AND t.metric = s.metric
WHERE s."group" = 'all' ORDER BY s.run, s.task, s.protocol
"""
_GOING_ON = """
SELECT t.run, t.task, t.items, count(s.task) AS done
FROM tasks t JOIN runs r ON r.id = t.run LEFT JOIN samples s ON s.task = t.key
WHERE r.status = 'running' AND t.items > 0 GROUP BY t.run, t.task, t.items, t.key ORDER BY t.key
"""
_OF_RUNS = "WITH of_runs AS (SELECT key, run FROM tasks WHERE list_contains($runs::VARCHAR[], run) AND task = $task)"
_REPEATS = _OF_RUNS + "SELECT max(repeat) FROM samples WHERE task IN (SELECT key FROM of_runs)"  # noqa: S608
# A column's items. Grouping some million of them takes longer than all else, and is for repeats alone.
_ONCE = (
    _OF_RUNS  # noqa: S608
    + """, v AS (
    SELECT task, item, metrics[$metric] AS value, "group", cluster
    FROM samples WHERE task IN (SELECT key FROM of_runs))"""
)
_REPEATED = (
    _OF_RUNS  # noqa: S608
    + """, v AS (
    SELECT task, item, avg(metrics[$metric]) AS value, any_value("group") AS "group", any_value(cluster) AS cluster
    FROM samples WHERE task IN (SELECT key FROM of_runs) GROUP BY task, item)"""
)
# Sets of items are told apart by the exclusive or of their digests, which needs no order.
_SAME_ITEMS = """
SELECT run, count(*) AS n, bit_xor(md5_number(item)) AS items FROM v JOIN of_runs ON key = task
GROUP BY run HAVING count(value) = count(*) ORDER BY run
"""
_MATRIX = """, places AS (
    SELECT item, row_number() OVER (ORDER BY item) - 1 AS place FROM v
    WHERE task = (SELECT key FROM of_runs WHERE run = $runs[1]))
SELECT list_position($runs::VARCHAR[], run) - 1 AS row, place, value
FROM v JOIN of_runs ON key = task JOIN places USING (item)
"""
_ITEMS = """SELECT "group", if(cluster = '', 'i' || item, 'c' || cluster) AS cluster FROM v ORDER BY item"""
_ITEM_DIGESTS = """
SELECT t.run, t.task, count(*) || ' ' || bit_xor(md5_number(s.item)) AS items
FROM samples s JOIN tasks t ON t.key = s.task
WHERE list_contains($runs::VARCHAR[], t.run) AND s.repeat = 0 GROUP BY t.run, t.task
"""
_GROUPS = """
SELECT DISTINCT "group" FROM samples WHERE task = (SELECT key FROM tasks WHERE run = ? AND task = ?) ORDER BY "group"
"""


@dataclass(frozen=True, slots=True)
class Matrix:
    """One metric of one task over several runs that answered the same items."""

    runs: tuple[str, ...]
    values: NDArray[np.float64]  # [runs, items]: means over repeats
    groups: tuple[str, ...]  # of each item
    clusters: tuple[str, ...]  # of each item; an item that stands alone has one of its own


class RunSummaries(StoreConnection):
    def headlines(self) -> list[ScoreRow]:
        """The overall score of each task of each run, under the metric that leaderboards show."""
        with self.read() as connection:
            return FIELDS.rows(ScoreRow, connection.execute(_HEADLINES))

    def going_on(self) -> list[dict[str, Any]]:
        """Of runs that are not finished: run, task, items (samples expected), done (samples stored)."""
        with self.read() as connection:
            return FIELDS.records(connection.execute(_GOING_ON))

    def matrix(self, runs: Sequence[str], task: str, metric: str) -> Matrix | None:
        """Of these runs those that have this metric for every item, on one set of items: the one that most of them
        share (of two as frequent, the larger). None where no run has it."""
        import numpy as np

        asked = {"runs": list(runs), "task": codec.encode(task), "metric": codec.encode(metric)}
        with self.read() as connection:
            repeats = connection.execute(_REPEATS, {name: asked[name] for name in ("runs", "task")}).fetchone()
            column = _REPEATED if repeats and repeats[0] else _ONCE
            item_sets = connection.execute(column + _SAME_ITEMS, asked).fetchall()
            if not item_sets:
                return None
            often = Counter((n, items) for _, n, items in item_sets)
            n, items = max(often, key=lambda candidate: (often[candidate], candidate))
            kept = [run for run, *own in item_sets if own == [n, items]]
            cells = connection.execute(column + _MATRIX, {**asked, "runs": kept}).fetchnumpy()
            places = connection.execute(column + _ITEMS, {**asked, "runs": kept[:1]}).fetchall()
        groups, clusters = zip(*places, strict=True)
        values = np.empty((len(kept), n))
        values[cells["row"], cells["place"]] = cells["value"]
        return Matrix(tuple(kept), values, groups, clusters)

    def item_digests(self, runs: Sequence[str]) -> dict[tuple[str, str], str]:
        """By run and task: what tells apart the sets of items that have samples."""
        with self.read() as connection:
            rows = FIELDS.records(connection.execute(_ITEM_DIGESTS, {"runs": list(runs)}))
        return {(row["run"], row["task"]): row["items"] for row in rows}

    def groups(self, run_id: str, task: str) -> list[str]:
        """The groups (subjects) that a task's stored samples are of, in the order of their names."""
        with self.read() as connection:
            rows = connection.execute(_GROUPS, [run_id, codec.encode(task)]).fetchall()
        return [codec.decode(group) for (group,) in rows]
