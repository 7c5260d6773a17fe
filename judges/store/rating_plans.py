"""Plans for people who rate: the pairs handed out, and the votes on them. A vote is a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness.errors import StoreError, UsageError, suggest
from harness.store.connection import StoreConnection
from judges.store.fields import FIELDS
from judges.store.rows import AssignmentRow, ComparisonRow, RatingPlanRow

if TYPE_CHECKING:
    import duckdb

Choose = Callable[[list[AssignmentRow], list[ComparisonRow]], Sequence[AssignmentRow]]

_ASSIGNED = "SELECT * FROM rating_assignments WHERE plan = ? ORDER BY created, judge, place"
_VOTED = """
SELECT c.* FROM comparisons c JOIN rating_assignments a ON a.id = c.assignment
WHERE a.plan = ? AND ($2 OR c.superseded IS NULL) ORDER BY c.created, c.id"""


class RatingPlans(StoreConnection):
    def save_plan(self, plan: RatingPlanRow) -> None:
        """Store a plan, or put it in the place of the one with its id (to close it)."""
        with self.write() as connection:
            connection.execute("DELETE FROM rating_plans WHERE id = ?", [plan.id])
            connection.register("batch", FIELDS.batch(RatingPlanRow, [plan]))
            connection.execute("INSERT INTO rating_plans BY NAME SELECT * FROM batch")

    def plans(self) -> list[RatingPlanRow]:
        """All plans, the newest first."""
        with self.read() as connection:
            query = "SELECT * FROM rating_plans ORDER BY created DESC, id"
            return FIELDS.rows(RatingPlanRow, connection.execute(query))

    def resolve_plan(self, word: str) -> RatingPlanRow:
        """By id, name (the newest of that name), or the beginning of an id. UsageError when there is none."""
        plans = self.plans()
        for matches in (
            [plan for plan in plans if plan.id == word],
            [plan for plan in plans if plan.name == word],
            [plan for plan in plans if word and plan.id.startswith(word)],
        ):
            if matches:
                return matches[0]
        raise UsageError(f"There is no rating plan {word!r} in {self.path}.{suggest(word, [p.name for p in plans])}")

    def assignments(self, plan: str, judge: str | None = None) -> list[AssignmentRow]:
        """The pairs of a plan that were handed out, to everyone or to one person (by place)."""
        with self.read() as connection:
            rows = FIELDS.rows(AssignmentRow, connection.execute(_ASSIGNED, [plan]))
        return [row for row in rows if judge in (None, row.judge)]

    def votes(self, plan: str, superseded: bool = False) -> list[ComparisonRow]:
        """The votes on a plan by time; with `superseded`, those that were undone too."""
        with self.read() as connection:
            return FIELDS.rows(ComparisonRow, connection.execute(_VOTED, [plan, superseded]))

    def assign(self, plan: str, choose: Choose) -> list[AssignmentRow]:
        """Hand out pairs: `choose(all assignments of the plan, its votes)` gives new ones, which are stored.

        One transaction: of ten people who ask at once, each sees what the one before was given."""
        with self.write() as connection:
            known = FIELDS.rows(AssignmentRow, connection.execute(_ASSIGNED, [plan]))
            voted = FIELDS.rows(ComparisonRow, connection.execute(_VOTED, [plan, False]))
            chosen = list(choose(known, voted))
            keys = [_key(assignment) for assignment in (*known, *chosen)]
            if any(assignment.plan != plan for assignment in chosen) or len(set(keys)) != len(keys):
                raise ValueError("assignments of another plan, or one pair twice for one person")
            if chosen:
                connection.register("batch", FIELDS.batch(AssignmentRow, chosen))
                connection.execute("INSERT INTO rating_assignments BY NAME SELECT * FROM batch")
        return chosen

    def vote(self, vote: ComparisonRow) -> ComparisonRow:
        """Store a vote on an assignment; when this returns it is on the disk. Gives the vote that counts.

        The same id again gives the row that is stored. Where the pair has another vote that was not undone, that one
        stays and is given. StoreError where the assignment is not there or is another person's."""
        batch = FIELDS.batch(ComparisonRow, [vote])
        with self.write() as connection:
            _may(connection, vote.judge)
            query = "SELECT * FROM rating_assignments WHERE id = ?"
            rows = FIELDS.rows(AssignmentRow, connection.execute(query, [vote.assignment]))
            if not rows or rows[0].judge != vote.judge:
                raise StoreError("This pair was not handed to this rater.")
            if _side(rows[0]) != _side(vote):
                raise ValueError("a vote on another pair than its assignment's")
            query = """SELECT * FROM comparisons WHERE id = ? OR (assignment = ? AND superseded IS NULL)
                       ORDER BY id <> ?"""
            known = FIELDS.rows(ComparisonRow, connection.execute(query, [vote.id, vote.assignment, vote.id]))
            if known:
                return known[0]
            connection.register("batch", batch)
            connection.execute("INSERT INTO comparisons BY NAME SELECT * FROM batch")
        return vote

    def undo(self, vote: str, judge: str) -> ComparisonRow:
        """Mark a person's vote as superseded; it stays and counts no more. Undone twice is undone once.

        StoreError where this person has no such vote."""
        with self.write() as connection:
            _may(connection, judge)
            query = """UPDATE comparisons SET superseded = coalesce(superseded, ?)
                       WHERE id = ? AND judge = ? AND assignment <> '' RETURNING *"""
            now = datetime.now(UTC).replace(tzinfo=None)
            rows = _comparisons(connection.execute(query, [now, vote, judge]))
        if not rows:
            raise StoreError("This rater has no such vote.")
        return rows[0]


def _may(connection: duckdb.DuckDBPyConnection, judge: str) -> None:
    """StoreError where this person was shut out."""
    if connection.execute("SELECT 1 FROM judges WHERE id = ? AND revoked IS NOT NULL", [judge]).fetchone():
        raise StoreError("This rater may rate no more: the invitation was revoked.")


def _comparisons(result: duckdb.DuckDBPyConnection) -> list[ComparisonRow]:
    return FIELDS.rows(ComparisonRow, result)


def _side(row: AssignmentRow | ComparisonRow) -> tuple[str, str, str]:
    return row.question, row.first, row.second


def _key(row: AssignmentRow) -> tuple[str, str, frozenset[str]]:
    return row.judge, row.question, frozenset((row.first, row.second))
