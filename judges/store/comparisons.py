"""Judges and their verdicts. Nothing is judged twice, and nothing that was undone is lost."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError
from harness.store import codec
from harness.store.connection import StoreConnection
from judges.store.fields import FIELDS
from judges.store.rows import ComparisonRow, JudgeRow

if TYPE_CHECKING:
    import duckdb

_VERDICTS = """
SELECT count(*) AS n, count(superseded) AS undone, coalesce(max(created)::VARCHAR, '') AS newest,
       (SELECT count(*) FROM answer_sets) AS sets
FROM comparisons
"""


def comparison_id(judge: str, question: str, turn: int, first: str, second: str, repeat: int = 0) -> str:
    """The id of a model's verdict: sha256, hex, of its key. Two of one key are one row."""
    return codec.digest(codec.encode("\0".join((judge, question, str(turn), first, second, str(repeat)))))


class Comparisons(StoreConnection):
    def save_judge(self, judge: JudgeRow) -> None:
        """Store who compares; nothing happens where the id is stored already."""
        with self.write() as connection:
            if connection.execute("SELECT 1 FROM judges WHERE id = ?", [judge.id]).fetchone():
                return
            connection.register("batch", FIELDS.batch(JudgeRow, [judge]))
            connection.execute("INSERT INTO judges BY NAME SELECT * FROM batch")

    def judges(self, kind: str | None = None) -> list[JudgeRow]:
        """All of them, or of one kind ("person" for raters), the oldest first."""
        query = "SELECT * FROM judges WHERE $kind IS NULL OR kind = $kind ORDER BY created, id"
        with self.read() as connection:
            return FIELDS.rows(JudgeRow, connection.execute(query, {"kind": kind}))

    def judge_of_token(self, token: str) -> JudgeRow | None:
        """The person whose token has this digest (sha256, hex), revoked or not."""
        query = "SELECT * FROM judges WHERE token = ? AND token <> ''"
        with self.read() as connection:
            judges = FIELDS.rows(JudgeRow, connection.execute(query, [token]))
        return judges[0] if judges else None

    def claim(self, token: str, own: str) -> JudgeRow | None:
        """Put the digest `own` in the place of a person's token digest, and give the person; None where no such token
        is stored, or it is revoked. Of two who bring one token at once, one gets in."""
        with self.write() as connection:
            query = "UPDATE judges SET token = ? WHERE token = ? AND token <> '' AND revoked IS NULL RETURNING *"
            judges = FIELDS.rows(JudgeRow, connection.execute(query, [own, token]))
        return judges[0] if judges else None

    def revoke(self, judge: str) -> None:
        """From now on the person's token opens nothing. Votes stay. StoreError where there is no such judge."""
        with self.write() as connection:
            query = "UPDATE judges SET revoked = coalesce(revoked, ?) WHERE id = ? RETURNING id"
            if not connection.execute(query, [_now(), judge]).fetchall():
                raise StoreError(f"The store has no judge {judge}.")

    def comparisons(
        self,
        judges: Sequence[str] | None = None,
        answer_sets: Sequence[str] | None = None,
        superseded: bool = False,
    ) -> list[ComparisonRow]:
        """By time: all, or those of some judges, or those whose both sides are among `answer_sets`.

        `superseded`: votes that were undone too."""
        query = """
            SELECT * FROM comparisons
            WHERE ($judges IS NULL OR judge IN (SELECT unnest($judges::VARCHAR[])))
              AND ($sets IS NULL OR ("first" IN (SELECT unnest($sets::VARCHAR[]))
                                 AND "second" IN (SELECT unnest($sets::VARCHAR[]))))
              AND ($superseded OR superseded IS NULL)
            ORDER BY created, id"""
        wanted = {
            "judges": None if judges is None else list(judges),
            "sets": None if answer_sets is None else list(answer_sets),
            "superseded": superseded,
        }
        with self.read() as connection:
            return FIELDS.rows(ComparisonRow, connection.execute(query, wanted))

    def compared_prompts(self) -> list[dict[str, Any]]:
        """Prompt sets whose answers were compared: digest, name, n (verdicts that count); most first."""
        query = """
            SELECT p.digest, p.name, count(*) AS n FROM comparisons c JOIN answer_sets s ON s.id = c."first"
            JOIN prompt_sets p ON p.digest = s.prompt_set WHERE c.superseded IS NULL
            GROUP BY p.digest, p.name ORDER BY n DESC, p.digest"""
        with self.read() as connection:
            return FIELDS.records(connection.execute(query))

    def record_comparisons(
        self, rows: Sequence[ComparisonRow], session: str = "", lost: float = 0.0, reserved: float = 0.0
    ) -> int:
        """Store verdicts in one transaction, and how the session's account stands with them; gives how many are new.

        An id that is stored already keeps the row it has, unless that is an error: those are asked again."""
        batch = FIELDS.batch(ComparisonRow, rows)
        with self.write() as connection:
            connection.register("batch", batch)
            again = "DELETE FROM comparisons WHERE verdict = 'error' AND id IN (SELECT id FROM batch) RETURNING id"
            before = len(connection.execute(again).fetchall())
            query = "INSERT INTO comparisons BY NAME SELECT * FROM batch ANTI JOIN comparisons USING (id)"
            (new,) = connection.execute(query).fetchone() or (0,)
            new -= before
            if session:
                save_account(connection, session, lost, reserved)
        return int(new)

    def open_session(self, judge: str) -> str:
        """Begin to spend; gives the session's id for `record_comparisons`."""
        session = uuid.uuid4().hex
        with self.write() as connection:
            connection.execute("INSERT INTO judge_sessions VALUES (?, ?, ?, 0, 0)", [session, judge, _now()])
        return session

    def save_session(self, session: str, lost: float, reserved: float) -> None:
        """How a session's account stands; see judge_sessions in schema.sql."""
        with self.write() as connection:
            save_account(connection, session, lost, reserved)

    def unaccounted(self, judge: str) -> float:
        """What this judge may have spent beyond its stored comparisons: lost requests, and those that were under way
        when a session was killed, all at their worst."""
        with self.read() as connection:
            query = "SELECT coalesce(sum(lost + reserved), 0) FROM judge_sessions WHERE judge = ?"
            (total,) = connection.execute(query, [judge]).fetchone() or (0.0,)
        return float(total)

    def verdicts(self) -> tuple[Any, ...]:
        """A value that changes when comparisons or answers do: what a ranking rests on."""
        with self.read() as connection:
            return connection.execute(_VERDICTS).fetchone() or ()


def save_account(connection: duckdb.DuckDBPyConnection, session: str, lost: float, reserved: float) -> None:
    query = "UPDATE judge_sessions SET lost = ?, reserved = ? WHERE id = ? RETURNING id"
    if not connection.execute(query, [lost, reserved, session]).fetchall():
        raise StoreError(f"The store has no judge's session {session}.")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
