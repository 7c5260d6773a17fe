"""Browsing: a page of samples with all that belongs to them, filtered in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.results.fields import FIELDS
from harness.store import codec
from harness.store.connection import StoreConnection

if TYPE_CHECKING:
    import duckdb

# Every filter is a bound parameter; one that is NULL filters nothing. In a flip one side is right (the metric is 1);
# where a sample lacks the metric there is none.
_FROM = """
FROM samples s JOIN tasks t ON t.key = s.task
WHERE t.run = $run
  AND ($task IS NULL OR t.task = $task)
  AND ($group IS NULL OR s."group" = $group)
  AND ($items IS NULL OR s.item IN (SELECT unnest($items::VARCHAR[])))
  AND ($flips IS NULL OR (s.task, s.item, s.repeat) IN (
        SELECT (a.task, a.item, a.repeat)
        FROM samples a JOIN tasks v ON v.key = a.task AND v.run = $run
        JOIN tasks w ON w.run = $flips AND w.task = v.task
        JOIN samples b ON b.task = w.key AND b.item = a.item AND b.repeat = a.repeat
        WHERE (a.metrics[v.metric] >= 1 AND NOT isnan(a.metrics[v.metric]))
           <> (b.metrics[v.metric] >= 1 AND NOT isnan(b.metrics[v.metric]))))
  AND (NOT $wrong OR isnan(coalesce(s.metrics[t.metric], 'nan'::DOUBLE)) OR s.metrics[t.metric] < 1)
  AND ($search IS NULL
       OR contains(lower(s.answer), lower($search))
       OR contains(lower(s.expected), lower($search))
       OR contains(lower(s.note), lower($search))
       OR (s.task, s.item, s.repeat) IN (
            SELECT (r.task, r.item, r.repeat) FROM responses r JOIN tasks u ON u.key = r.task
            WHERE u.run = $run
              AND (contains(lower(r.text), lower($search)) OR contains(lower(r.own), lower($search)))))
"""
_PAGE = (
    "SELECT s.* EXCLUDE (task), t.run, t.task, t.key, t.protocol, t.metric"
    + _FROM
    + 'ORDER BY t.key, s."group", length(s.item), s.item, s.repeat LIMIT $limit OFFSET $offset'
)
_COUNT = "SELECT count(*)" + _FROM
# A run's task keys are neighbours; bounds and a short list are twice as quick here as joins with the keys.
_RESPONSES = """
SELECT r.* EXCLUDE (prompt), p.text AS shared
FROM responses r JOIN prompts p ON p.digest = r.prompt
WHERE r.task BETWEEN list_min($keys::INTEGER[]) AND list_max($keys::INTEGER[])
  AND list_contains($items::VARCHAR[], r.item)
ORDER BY r.part
"""
_FLIPS = """
SELECT a.item, a.repeat, a."group", a.value AS a, b.value AS b
FROM (SELECT s.*, s.metrics[$metric] AS value FROM samples s JOIN tasks t ON t.key = s.task
      WHERE t.run = $run_a AND t.task = $task) a
JOIN (SELECT s.*, s.metrics[$metric] AS value FROM samples s JOIN tasks t ON t.key = s.task
      WHERE t.run = $run_b AND t.task = $task) b USING (item, repeat)
WHERE (a.value >= 1 AND NOT isnan(a.value)) <> (b.value >= 1 AND NOT isnan(b.value))
ORDER BY a."group", length(a.item), a.item, a.repeat
"""


_BOTH = """
SELECT count(*) AS n, count(*) FILTER (x AND y) AS both_right, count(*) FILTER (x AND NOT y) AS lost,
       count(*) FILTER (NOT x AND y) AS gained, count(*) FILTER (NOT x AND NOT y) AS both_wrong,
       count(*) FILTER (same) AS same_answer
FROM (SELECT a.answer = b.answer AS same,
             (a.metrics[v.metric] >= 1 AND NOT isnan(a.metrics[v.metric])) AS x,
             (b.metrics[v.metric] >= 1 AND NOT isnan(b.metrics[v.metric])) AS y
      FROM samples a JOIN tasks v ON v.key = a.task AND v.run = $run_a AND v.task = $task
      JOIN tasks w ON w.run = $run_b AND w.task = v.task
      JOIN samples b ON b.task = w.key AND b.item = a.item AND b.repeat = a.repeat)
WHERE x IS NOT NULL AND y IS NOT NULL
"""


class Queries(StoreConnection):
    def page(
        self,
        run_id: str,
        task: str | None = None,
        group: str | None = None,
        wrong: bool = False,
        item: str | Sequence[str] | None = None,
        search: str | None = None,
        offset: int = 0,
        limit: int = 20,
        flips: str | None = None,
    ) -> list[dict[str, Any]]:
        """Samples in the order of task, group, item, repeat, each with its `responses`.

        A sample has the fields of SampleRow, and protocol and metric (the task's headline). A response has
        those of ResponseRow that the sample does not name, the shared prompt's text among them. `wrong`: the
        headline metric is below 1, missing or not a number. `search`: any case, in answer, expected, note,
        the prompt's own part and the response. `flips`: another run's id; only what one of the two has right (the
        headline metric is 1) and the other has not."""
        filters = _filters(run_id, task, group, wrong, item, search, flips)
        with self.read() as connection:
            samples = FIELDS.records(connection.execute(_PAGE, {**filters, "offset": offset, "limit": limit}))
            answers = _responses(connection, samples)
        for sample in samples:
            sample["responses"] = answers.get((sample.pop("key"), sample["item"], sample["repeat"]), [])
        return samples

    def count(
        self,
        run_id: str,
        task: str | None = None,
        group: str | None = None,
        wrong: bool = False,
        item: str | Sequence[str] | None = None,
        search: str | None = None,
        flips: str | None = None,
    ) -> int:
        """How many samples `page` has with these filters."""
        with self.read() as connection:
            row = connection.execute(_COUNT, _filters(run_id, task, group, wrong, item, search, flips)).fetchone()
        return row[0] if row else 0

    def agreement(self, run_a: str, run_b: str, task: str) -> dict[str, int]:
        """Of the samples that both runs have scored: n, both_right, lost (a alone is right), gained (b alone),
        both_wrong, by the task's headline metric; and same_answer, the same one read from both responses."""
        with self.read() as connection:
            asked = {"run_a": run_a, "run_b": run_b, "task": codec.encode(task)}
            return FIELDS.records(connection.execute(_BOTH, asked))[0]

    def flips(self, run_a: str, run_b: str, task: str, metric: str) -> list[dict[str, Any]]:
        """Where one run is right (the metric is 1) and the other is not: item, repeat, group, a, b (the values)."""
        names = {"run_a": run_a, "run_b": run_b, "task": codec.encode(task), "metric": codec.encode(metric)}
        with self.read() as connection:
            return FIELDS.records(connection.execute(_FLIPS, names))


def _filters(
    run_id: str,
    task: str | None,
    group: str | None,
    wrong: bool,
    item: str | Sequence[str] | None,
    search: str | None,
    flips: str | None,
) -> dict[str, Any]:
    items = [item] if isinstance(item, str) else item
    return {
        "run": run_id,
        "task": None if task is None else codec.encode(task),
        "group": None if group is None else codec.encode(group),
        "wrong": wrong,
        "items": None if items is None else [codec.encode(item_id) for item_id in items],
        "search": codec.encode(search) if search else None,
        "flips": flips,
    }


def _responses(
    connection: duckdb.DuckDBPyConnection, samples: Sequence[Mapping[str, Any]]
) -> dict[tuple[int, str, int], list[dict[str, Any]]]:
    """The responses by (task key, item, repeat)."""
    keys = sorted({sample["key"] for sample in samples})
    items = sorted({codec.encode(sample["item"]) for sample in samples})
    responses: dict[tuple[int, str, int], list[dict[str, Any]]] = {}
    for answer in FIELDS.records(connection.execute(_RESPONSES, {"keys": keys, "items": items})):
        place = (answer.pop("task"), answer.pop("item"), answer.pop("repeat"))
        responses.setdefault(place, []).append(answer)
    return responses
