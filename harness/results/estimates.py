"""Estimates of runs and studies, which `--plan` makes before there is one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harness.results.fields import FIELDS
from harness.results.rows import EstimateRow
from harness.store import codec
from harness.store.connection import StoreConnection


class Estimates(StoreConnection):
    def keep_estimate(self, identity: str, document: Mapping[str, Any]) -> EstimateRow:
        row = EstimateRow(identity, datetime.now(UTC), document)
        with self.write() as connection:
            connection.register("batch", FIELDS.table(FIELDS.columns([row], codec.names(EstimateRow))))
            connection.execute("INSERT INTO estimates BY NAME SELECT * FROM batch")
        return row

    def estimate(self, identity: str, before: datetime | None = None) -> EstimateRow | None:
        """The newest one of that identity, made `before` a moment where one is given."""
        if not self.exists():
            return None
        with self.read() as connection:
            query = "SELECT * FROM estimates WHERE identity = ? ORDER BY made DESC"
            rows = FIELDS.rows(EstimateRow, connection.execute(query, [identity]))
        return next((row for row in rows if before is None or row.made <= before), None)
