"""What a run's answers add up to."""

from __future__ import annotations

from harness.results.fields import FIELDS
from harness.store.connection import StoreConnection

_TOKENS = """
SELECT coalesce(sum(asked), 0)::BIGINT AS asked,
       (coalesce(sum(asked - reused), 0) + coalesce(sum(greatest(generated - 1, 0)), 0))::BIGINT AS computed,
       coalesce(sum(reused), 0)::BIGINT AS reused,
       coalesce(sum(generated), 0)::BIGINT AS generated
FROM responses JOIN tasks ON responses.task = tasks.key WHERE tasks.run = ?
"""
_WARNED = """
SELECT tasks.task, count(DISTINCT (item, repeat)) AS n
FROM responses JOIN tasks ON responses.task = tasks.key
WHERE tasks.run = ? AND len(warnings) > 0 GROUP BY tasks.task ORDER BY tasks.task
"""


_WARNED_OF = """
SELECT tasks.task, count(DISTINCT (item, repeat)) AS n
FROM responses JOIN tasks ON responses.task = tasks.key
WHERE tasks.run = ? AND list_contains(warnings, ?) GROUP BY tasks.task ORDER BY tasks.task
"""


class TokenCounts(StoreConnection):
    def tokens(self, run_id: str) -> dict[str, int]:
        """asked: of the prompts; reused: of those, not computed again; generated; computed: what went
        through the model (the last generated token never does)."""
        with self.read() as connection:
            return FIELDS.records(connection.execute(_TOKENS, [run_id]))[0]

    def warned(self, run_id: str) -> dict[str, int]:
        """Samples with a warning, by task."""
        with self.read() as connection:
            return {row["task"]: row["n"] for row in FIELDS.records(connection.execute(_WARNED, [run_id]))}

    def warned_of(self, run_id: str, warning: str) -> dict[str, int]:
        """Samples with this warning, by task."""
        with self.read() as connection:
            rows = FIELDS.records(connection.execute(_WARNED_OF, [run_id, warning]))
        return {row["task"]: row["n"] for row in rows}
