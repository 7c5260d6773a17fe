"""Prompt sets, and the answers that checkpoints gave to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from harness.errors import StoreError, UsageError, suggest
from harness.store.connection import StoreConnection
from judges.store.fields import FIELDS
from judges.store.rows import AnswerRow, AnswerSetRow, PromptSetRow, QuestionRow
from judges.store.schema import remove_answers

_ADD_ANSWERS = """
INSERT INTO answers BY NAME SELECT * FROM batch ANTI JOIN
    (SELECT answer_set, question, turn FROM answers WHERE answer_set = ?) USING (answer_set, question, turn)"""


class AnswerSets(StoreConnection):
    def prompt_sets(self) -> list[PromptSetRow]:
        with self.read() as connection:
            return FIELDS.rows(PromptSetRow, connection.execute("SELECT * FROM prompt_sets ORDER BY name, digest"))

    def questions(self, prompt_set: str) -> list[QuestionRow]:
        """A prompt set's questions in their order."""
        query = "SELECT * FROM questions WHERE prompt_set = ? ORDER BY place"
        with self.read() as connection:
            return FIELDS.rows(QuestionRow, connection.execute(query, [prompt_set]))

    def create_answers(self, answers: AnswerSetRow, prompts: PromptSetRow, questions: Sequence[QuestionRow]) -> None:
        """Begin an answer set. Its prompt set comes with it, and is stored once."""
        if {answers.prompt_set, *(question.prompt_set for question in questions)} != {prompts.digest}:
            raise ValueError("answers or questions of another prompt set")
        with self.write() as connection:
            if connection.execute("SELECT 1 FROM answer_sets WHERE id = ?", [answers.id]).fetchone():
                raise StoreError(f"The answers {answers.id} are in {self.path} already.")
            connection.register("batch", FIELDS.batch(AnswerSetRow, [answers]))
            connection.execute("INSERT INTO answer_sets BY NAME SELECT * FROM batch")
            if connection.execute("SELECT 1 FROM prompt_sets WHERE digest = ?", [prompts.digest]).fetchone():
                return
            connection.register("batch", FIELDS.batch(PromptSetRow, [prompts]))
            connection.execute("INSERT INTO prompt_sets BY NAME SELECT * FROM batch")
            connection.register("batch", FIELDS.batch(QuestionRow, questions))
            connection.execute("INSERT INTO questions BY NAME SELECT * FROM batch")

    def update_answers(self, answer_set: str, **columns: Any) -> None:
        """Set columns of an answer set: status, finished, name, warnings."""
        with self.write() as connection:
            query = "DELETE FROM answer_sets WHERE id = ? RETURNING *"
            rows = FIELDS.rows(AnswerSetRow, connection.execute(query, [answer_set]))
            if not rows:
                raise StoreError(f"The store has no answers {answer_set}.")
            changed = [replace(rows[0], **columns)]
            connection.register("batch", FIELDS.batch(AnswerSetRow, changed))
            connection.execute("INSERT INTO answer_sets BY NAME SELECT * FROM batch")

    def answer_sets(self) -> list[AnswerSetRow]:
        """All of them, the newest first."""
        with self.read() as connection:
            query = "SELECT * FROM answer_sets ORDER BY created DESC, id"
            return FIELDS.rows(AnswerSetRow, connection.execute(query))

    def find_answers(self, identity: str) -> AnswerSetRow | None:
        """The newest answer set of that identity (a fresh one replaces those before it)."""
        if not self.exists():
            return None
        return next((row for row in self.answer_sets() if row.identity == identity), None)

    def resolve_answers(self, word: str, prompt_set: str | None = None) -> AnswerSetRow:
        """The answer set that a person means, by id, name, or the beginning of an id; among those of `prompt_set`.

        Among sets of one identity the newest is meant. UsageError when none or several remain."""
        sets = [row for row in self.answer_sets() if prompt_set in (None, row.prompt_set)]
        kinds = (
            [row for row in sets if row.id == word],
            [row for row in sets if row.name == word],
            [row for row in sets if word and row.id.startswith(word)],
        )
        matches = list({row.identity: row for row in reversed(next(filter(None, kinds), []))}.values())
        if len(matches) == 1:
            return matches[0]
        if matches:
            shown = ", ".join(sorted(f"{row.id[:12]} ({row.template}, seed {row.seed})" for row in matches))
            raise UsageError(f"{word!r} means several answer sets: {shown}. Name one by its id.")
        near = suggest(word, [row.name for row in sets])
        raise UsageError(f"There are no answers of {word!r} in {self.path}.{near} `harness answer` makes them.")

    def resolve_players(self, words: Iterable[str], prompt_set: str | None = None) -> list[AnswerSetRow]:
        """The answer sets that words mean, each once: all of a configuration by its name, whole or up to its `@`, or
        one as `resolve_answers` has it."""
        every = {row.identity: row for row in reversed(self.answer_sets()) if prompt_set in (None, row.prompt_set)}
        found: dict[str, AnswerSetRow] = {}
        for word in words:
            names = {row.configuration for row in every.values() if row.configuration}
            meant = [name for name in names if word == name] or [n for n in names if word == n.rpartition("@")[0]]
            if len(meant) == 1:
                found |= {row.id: row for row in every.values() if row.configuration == meant[0]}
            else:
                row = self.resolve_answers(word, prompt_set)
                found[row.id] = row
        return list(found.values())

    def record_answers(self, answer_set: str, rows: Sequence[AnswerRow]) -> None:
        """Store a batch in one transaction. A key that is stored already keeps the row it has."""
        if any(row.answer_set != answer_set for row in rows):
            raise ValueError("answers of another set")
        if len({(row.question, row.turn) for row in rows}) != len(rows):
            raise ValueError("one key twice in a batch")
        batch = FIELDS.batch(AnswerRow, rows)
        with self.write() as connection:
            if not connection.execute("SELECT 1 FROM answer_sets WHERE id = ?", [answer_set]).fetchone():
                raise StoreError(f"The store has no answers {answer_set}.")
            connection.register("batch", batch)
            connection.execute(_ADD_ANSWERS, [answer_set])

    def answers_of(self, answer_set: str) -> list[AnswerRow]:
        """A set's answers by the question's place, then turn."""
        query = """
            SELECT a.* FROM answers a JOIN answer_sets s ON s.id = a.answer_set
            LEFT JOIN questions q ON q.prompt_set = s.prompt_set AND q.question = a.question
            WHERE a.answer_set = ? ORDER BY q.place, a.question, a.turn"""
        with self.read() as connection:
            return FIELDS.rows(AnswerRow, connection.execute(query, [answer_set]))

    def remove_answers(self, answer_sets: Iterable[str]) -> dict[str, int]:
        """Delete answer sets and all that is theirs: answers, comparisons, votes, rating plans on them.

        Gives the rows that went, by table. StoreError, and all stay, when one of them is not there."""
        wanted = list(dict.fromkeys(answer_sets))
        with self.write() as connection:
            return {"answer_sets": len(wanted), **remove_answers(connection, wanted)}
