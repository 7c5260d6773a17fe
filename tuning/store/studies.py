"""Studies, their trials and attempts, loss curves, enqueued points and notes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StoreError, UsageError, suggest
from harness.store import codec
from harness.store.connection import StoreConnection
from tuning.store.fields import FIELDS
from tuning.store.rows import AttemptRow, StepRow, StudyRow, StudyStatus, TrialRow
from tuning.store.schema import TABLES

if TYPE_CHECKING:
    import duckdb

_KEY = "study = $study AND trial = $trial AND purpose = $purpose AND fraction = $fraction AND seed = $seed"


class Studies(StoreConnection):
    def create_study(self, study: StudyRow) -> None:
        with self.write() as connection:
            _insert(connection, "studies", [study])

    def studies(self) -> list[StudyRow]:
        """All studies, the newest first."""
        with self.read() as connection:
            return FIELDS.rows(StudyRow, connection.execute("SELECT * FROM studies ORDER BY created DESC, id"))

    def find_study(self, identity: str) -> StudyRow | None:
        """The newest study of that identity."""
        if not self.exists():
            return None
        return next((study for study in self.studies() if study.identity == identity), None)

    def resolve_study(self, word: str) -> StudyRow:
        """The study that a person means: by id, name, or the beginning of an id. UsageError when none or several do."""
        studies = self.studies()
        kinds = (
            [study for study in studies if study.id == word],
            [study for study in studies if study.name == word],
            [study for study in studies if word and study.id.startswith(word)],
        )
        matches = list({study.identity: study for study in reversed(next(filter(None, kinds), []))}.values())
        if len(matches) == 1:
            return matches[0]
        if matches:
            ids = ", ".join(sorted(study.id[:12] for study in matches))
            raise UsageError(f"{word!r} means several studies: {ids}. Name one by its id.")
        near = suggest(word, {study.name for study in studies} | {study.id for study in studies})
        raise UsageError(f"There is no study {word!r} in {self.path}.{near} `harness tune list` shows them.")

    def update_study(self, study_id: str, **columns: Any) -> StudyRow:
        """Set columns of a study: name, status, budget, warnings, …"""
        with self.write() as connection:
            changed = replace(_study(connection, study_id), **columns)
            connection.execute("DELETE FROM studies WHERE id = ?", [study_id])
            _insert(connection, "studies", [changed])
        return changed

    def study_status(self, study_id: str) -> StudyStatus:
        with self.read() as connection:
            return _study(connection, study_id).status

    def pulse(self) -> dict[str, tuple[str, int, int, int]]:
        """Of each study: its status, and how many trials, attempts and steps are stored."""
        query = """
            SELECT id, status, (SELECT count(*) FROM trials WHERE study = id),
                   (SELECT count(*) FROM attempts WHERE study = id), (SELECT count(*) FROM steps WHERE study = id)
            FROM studies"""
        with self.read() as connection:
            return {row[0]: (row[1], row[2], row[3], row[4]) for row in connection.execute(query).fetchall()}

    def save_trials(
        self,
        study_id: str,
        new: Sequence[TrialRow] = (),
        changed: Sequence[TrialRow] = (),
        taken: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Add new trials and replace others by what they have become; `taken` are enqueued points that are answered."""
        with self.write() as connection:
            for trial in changed:
                query = "DELETE FROM trials WHERE study = ? AND number = ? RETURNING number"
                if not connection.execute(query, [study_id, trial.number]).fetchall():
                    raise StoreError(f"The study {study_id[:12]} has no trial {trial.number}.")
            _insert(connection, "trials", changed)
            for trial in new:
                query = "SELECT 1 FROM trials WHERE study = $1 AND (number = $2 OR digest = $3)"
                if connection.execute(query, [study_id, trial.number, codec.encode(trial.digest)]).fetchone():
                    raise StoreError(f"Trial {trial.number} of the study {study_id[:12]} is there already.")
            _insert(connection, "trials", new)
            for point in taken:
                query = "DELETE FROM enqueued WHERE study = ? AND point = ?"
                connection.execute(query, [study_id, codec.to_json(point)])

    def trials(self, study_id: str) -> list[TrialRow]:
        """A study's trials in the order of proposal."""
        with self.read() as connection:
            query = "SELECT * FROM trials WHERE study = ? ORDER BY number"
            return FIELDS.rows(TrialRow, connection.execute(query, [study_id]))

    def save_attempt(self, attempt: AttemptRow, steps: Sequence[StepRow] = ()) -> None:
        """One training's result, with what is left of its loss curve. StoreError when it is there already."""
        with self.write() as connection:
            if connection.execute(f"SELECT 1 FROM attempts WHERE {_KEY}", _key(attempt)).fetchone():  # noqa: S608
                raise StoreError(f"Trial {attempt.trial} of the study {attempt.study[:12]} was trained twice.")
            _insert(connection, "attempts", [attempt])
            _add_steps(connection, steps)

    def attempts(self, study_id: str) -> list[AttemptRow]:
        """A study's attempts: by trial, the search before the finals, small rungs first."""
        with self.read() as connection:
            query = "SELECT * FROM attempts WHERE study = ? ORDER BY trial, purpose DESC, fraction, seed"
            return FIELDS.rows(AttemptRow, connection.execute(query, [study_id]))

    def drop_adapters(self, study_id: str, folders: Sequence[str]) -> None:
        """Record that these adapters' folders are no longer there."""
        with self.write() as connection:
            query = "UPDATE attempts SET adapter = '' WHERE study = $1 AND list_contains($2, adapter)"
            connection.execute(query, [study_id, [codec.encode(folder) for folder in folders]])

    def place_adapter(self, attempt: AttemptRow, folder: str) -> None:
        """Record where the adapter of a training is."""
        with self.write() as connection:
            query = f"UPDATE attempts SET adapter = $adapter WHERE {_KEY}"  # noqa: S608
            connection.execute(query, {**_key(attempt), "adapter": codec.encode(folder)})

    def forget_half(self, study_id: str) -> None:
        """Drop the loss curves of trainings that a kill cut off: they are done anew."""
        with self.write() as connection:
            query = """DELETE FROM steps s WHERE s.study = $1 AND NOT EXISTS (
                SELECT 1 FROM attempts a WHERE a.study = s.study AND a.trial = s.trial AND a.purpose = s.purpose
                AND a.fraction = s.fraction AND a.seed = s.seed)"""
            connection.execute(query, [study_id])

    def forget_failures(self, study_id: str) -> None:
        """Drop the failed attempts of a study and their loss curves; their trials are under way again."""
        with self.write() as connection:
            query = """DELETE FROM steps s WHERE s.study = $1 AND EXISTS (
                SELECT 1 FROM attempts a WHERE a.study = s.study AND a.trial = s.trial AND a.purpose = s.purpose
                AND a.fraction = s.fraction AND a.seed = s.seed AND a.failed)"""
            connection.execute(query, [study_id])
            connection.execute("DELETE FROM attempts WHERE study = $1 AND failed", [study_id])
            query = """UPDATE trials SET state = 'running', reason = '', finished = NULL
                WHERE study = $1 AND state = 'failed'"""
            connection.execute(query, [study_id])

    def add_steps(self, steps: Sequence[StepRow]) -> None:
        with self.write() as connection:
            _add_steps(connection, steps)

    def steps(self, study_id: str, trial: int) -> list[StepRow]:
        """The loss curves of one trial, small rungs first."""
        with self.read() as connection:
            query = """SELECT * FROM steps WHERE study = ? AND trial = ?
                       ORDER BY purpose DESC, fraction, seed, step"""
            return FIELDS.rows(StepRow, connection.execute(query, [study_id, trial]))

    def curves(
        self, study_id: str, trials: Sequence[int] | None = None, most: int = 100
    ) -> dict[tuple[int, str, float, int], tuple[tuple[int, float], ...]]:
        """(step, loss) by (trial, purpose, fraction, seed), of all trials or of some. A curve of more than `most` steps
        comes as the means of so many parts, each under its last step."""
        query = """
            WITH s AS (SELECT *, max(step) OVER (PARTITION BY trial, purpose, fraction, seed) AS last FROM steps
                       WHERE study = $study AND ($trials IS NULL OR list_contains($trials::INTEGER[], trial)))
            SELECT trial, purpose, fraction, seed, max(step), avg(loss) FROM s
            GROUP BY trial, purpose, fraction, seed, (step - 1) * $most // greatest(last, $most)
            ORDER BY trial, purpose, fraction, seed, max(step)"""
        losses: dict[tuple[int, str, float, int], list[tuple[int, float]]] = {}
        with self.read() as connection:
            asked = {"study": study_id, "trials": None if trials is None else list(trials), "most": most}
            for *key, step, loss in connection.execute(query, asked).fetchall():
                losses.setdefault((key[0], key[1], key[2], key[3]), []).append((step, loss))
        return {key: tuple(curve) for key, curve in losses.items()}

    def enqueue(self, study_id: str, point: Mapping[str, Any]) -> None:
        """Ask for a point; the search takes it before its next block."""
        with self.write() as connection:
            _study(connection, study_id)
            row = [study_id, codec.to_json(point), datetime.now(UTC).replace(tzinfo=None)]
            connection.execute("INSERT INTO enqueued VALUES (?, ?, ?)", row)

    def enqueued(self, study_id: str) -> list[dict[str, Any]]:
        """Points that wait, the oldest first."""
        with self.read() as connection:
            query = "SELECT point FROM enqueued WHERE study = ? ORDER BY created, point"
            return [row["point"] for row in FIELDS.records(connection.execute(query, [study_id]))]

    def note(self, study_id: str, text: str) -> None:
        """Remember what happened beside the plan."""
        with self.write() as connection:
            row = [study_id, codec.encode(text), datetime.now(UTC).replace(tzinfo=None)]
            connection.execute("INSERT INTO study_notes VALUES (?, ?, ?)", row)

    def study_notes(self, study_id: str) -> list[tuple[datetime, str]]:
        with self.read() as connection:
            query = "SELECT created, note FROM study_notes WHERE study = ? ORDER BY created"
            return [(row["created"], row["note"]) for row in FIELDS.records(connection.execute(query, [study_id]))]

    def save_audits(self, study_id: str, documents: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep the contamination audits of these tasks, in place of those from before."""
        with self.write() as connection:
            _study(connection, study_id)
            now = datetime.now(UTC).replace(tzinfo=None)
            for task, document in documents.items():
                connection.execute("DELETE FROM audits WHERE study = ? AND task = ?", [study_id, codec.encode(task)])
                row = [study_id, codec.encode(task), codec.to_json(document), now]
                connection.execute("INSERT INTO audits VALUES (?, ?, ?, ?)", row)

    def audits(self, study_id: str) -> list[dict[str, Any]]:
        """The contamination audit of each task, by its name."""
        with self.read() as connection:
            query = "SELECT document FROM audits WHERE study = ? ORDER BY task"
            return [row["document"] for row in FIELDS.records(connection.execute(query, [study_id]))]

    def remove_studies(self, study_ids: Sequence[str]) -> dict[str, int]:
        """Delete studies and all that is theirs, their adapters too; gives the rows that went.

        StoreError, and all stay, when one of them is being searched."""
        with ExitStack() as stack:
            for study_id in study_ids:
                stack.enter_context(self.lease(study_id, f"The study {study_id[:12]}"))
            connection = stack.enter_context(self.write())
            for study_id in study_ids:
                _study(connection, study_id)
                connection.execute("DELETE FROM studies WHERE id = ?", [study_id])
            gone = {"studies": len(study_ids), **TABLES.delete_orphans(connection)}
        for study_id in study_ids:
            shutil.rmtree(self.study_folder(study_id), ignore_errors=True)
        return gone

    def discard_study(self, study_id: str) -> None:
        """Delete a study of which nothing came. The caller has its lease."""
        with self.write() as connection:
            connection.execute("DELETE FROM studies WHERE id = ?", [study_id])
            TABLES.delete_orphans(connection)
        shutil.rmtree(self.study_folder(study_id), ignore_errors=True)

    def study_folder(self, study_id: str) -> Path:
        """Where a study's adapters lie: beside the store."""
        home = self.path.resolve()
        return home.with_name(f"{home.name}.studies") / study_id[:12]


def _key(row: AttemptRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("study", "trial", "purpose", "fraction", "seed")}


def _study(connection: duckdb.DuckDBPyConnection, study_id: str) -> StudyRow:
    rows = FIELDS.rows(StudyRow, connection.execute("SELECT * FROM studies WHERE id = ?", [study_id]))
    if not rows:
        raise StoreError(f"The store has no study {study_id}.")
    return rows[0]


def _add_steps(connection: duckdb.DuckDBPyConnection, steps: Sequence[StepRow]) -> None:
    """A first step begins a curve anew: what is there of it is of a training that was cut off."""
    for step in steps:
        if step.step == 1:
            query = "DELETE FROM steps WHERE study = ? AND trial = ? AND purpose = ? AND fraction = ? AND seed = ?"
            connection.execute(query, [step.study, step.trial, step.purpose, step.fraction, step.seed])
    _insert(connection, "steps", steps)


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Any]) -> None:
    if not rows:
        return
    connection.register("batch", FIELDS.batch(type(rows[0]), rows))
    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM batch")  # noqa: S608
