"""Grades that judges gave to single answers by a rubric. Nothing is graded twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.store.connection import StoreConnection
from judges.store.comparisons import save_account
from judges.store.fields import FIELDS
from judges.store.rows import GradeRow


class Grades(StoreConnection):
    def grades(self, judge: str, requests: Iterable[str] | None = None) -> list[GradeRow]:
        """A judge's grades of these requests, or all."""
        query = """SELECT * FROM grades WHERE judge = $judge
                   AND ($requests IS NULL OR request IN (SELECT unnest($requests::VARCHAR[])))
                   ORDER BY created, request"""
        wanted = None if requests is None else list(requests)
        with self.read() as connection:
            return FIELDS.rows(GradeRow, connection.execute(query, {"judge": judge, "requests": wanted}))

    def record_grades(
        self, rows: Sequence[GradeRow], session: str = "", lost: float = 0.0, reserved: float = 0.0
    ) -> None:
        """Store grades in one transaction, and how the session's account stands with them.

        A request that has a grade keeps it; one that has none gets what came of asking again."""
        batch = FIELDS.batch(GradeRow, rows)
        with self.write() as connection:
            connection.register("batch", batch)
            connection.execute(
                "DELETE FROM grades WHERE grade = '' AND (judge, request) IN (SELECT (judge, request) FROM batch)"
            )
            connection.execute("INSERT INTO grades BY NAME SELECT * FROM batch ANTI JOIN grades USING (judge, request)")
            if session:
                save_account(connection, session, lost, reserved)
