"""Answers and verdicts that FastChat and its kin wrote, taken into the store. Taken in twice they are there once."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from data.prompts import Judged, answers, judgments, load
from data.sources import DataError
from harness.errors import UsageError
from harness.options import OptionError
from judges.answers.answering import prompt_rows
from judges.store.rows import AnswerRow, AnswerSetRow, ComparisonRow, JudgeRow

if TYPE_CHECKING:
    from judges.store import Store


def import_answers(store: Store, path: str | Path, source: str | None, name: str | None = None) -> AnswerSetRow:
    """One file model_answer/MODEL.jsonl as an answer set on the prompts of `source`."""
    model, texts = answers(path)
    prompts = load(source)
    turns = {prompt.id: len(prompt.turns) for prompt in prompts.prompts}
    strange = sorted(question for question, by_turn in texts.items() if len(by_turn) > turns.get(question, 0))
    if strange:
        raise DataError(
            f"{path}: {len(strange)} answers belong to none of the {len(turns)} prompts of {prompts.source} (question "
            f"{strange[0]}). Give the prompts that they answer."
        )
    content = json.dumps([model, prompts.digest, sorted((key, list(by_turn)) for key, by_turn in texts.items())])
    identity = "imported:" + hashlib.sha256(content.encode()).hexdigest()
    known = store.find_answers(identity)
    if known is not None:
        return known
    now = datetime.now(UTC)
    record = AnswerSetRow(
        uuid.uuid4().hex, identity, name or model, "imported", prompts.digest, f"{model} ({path})", now, finished=now
    )
    rows = [
        AnswerRow(record.id, question, turn, text.strip())
        for question, by_turn in texts.items()
        for turn, text in enumerate(by_turn, 1)
    ]
    store.create_answers(record, *prompt_rows(prompts))
    store.record_answers(record.id, rows)
    return record


@dataclass(frozen=True, slots=True)
class Imported:
    read: int
    new: int
    unknown: int  # about models whose answers are not in the store
    people: tuple[str, ...] = ()  # who judged
    models: tuple[str, ...] = ()


def import_judgments(store: Store, path: str | Path, prompts: str | None = None, by: str | None = None) -> Imported:
    """Verdicts of a file, each judge and person in it as one of ours; those on models without answers are left out.

    `by`: whose the votes are, "people" or "models"; None: as each judge's name tells."""
    if by not in (None, "people", "models"):
        raise OptionError("votes_by", by, " must be people or models.")
    verdicts = judgments(path, by)
    if not store.exists():
        raise UsageError(f"{store.path} has no answers that these judgments could be about. Import the answers first.")
    sets: dict[str, str] = {}
    for name in {side for judged in verdicts for side in (judged.first, judged.second)}:
        named = [answers for answers in store.answer_sets() if answers.name == name]
        if named:
            sets[name] = store.resolve_answers(name, _digest(store, prompts)).id
    kept = [judged for judged in verdicts if judged.first in sets and judged.second in sets]
    judges = {(judged.judge, judged.person): _judge(judged) for judged in kept}
    for judge in judges.values():
        store.save_judge(judge)
    rows: dict[str, ComparisonRow] = {}
    for judged in kept:
        row = _row(judged, judges[judged.judge, judged.person].id, sets)
        rows.setdefault(row.id, row)
    new = store.record_comparisons(list(rows.values()))
    people, models = (
        tuple(sorted({judged.judge for judged in verdicts if judged.person == person})) for person in (True, False)
    )
    return Imported(len(verdicts), new, len(verdicts) - len(kept), people, models)


def _digest(store: Store, prompts: str | None) -> str | None:
    return None if prompts is None else load(prompts).digest


def _judge(judged: Judged) -> JudgeRow:
    kind = "person" if judged.person else "model"
    key = hashlib.sha256(f"imported\0{kind}\0{judged.judge}".encode()).hexdigest()
    return JudgeRow(key, kind, judged.judge, datetime.now(UTC), config={"imported": True})  # type: ignore[arg-type]


def _row(judged: Judged, judge: str, sets: dict[str, str]) -> ComparisonRow:
    first, second = sets[judged.first], sets[judged.second]
    key = json.dumps(["imported", judge, judged.question, judged.turn, first, second, judged.verdict, judged.text])
    return ComparisonRow(
        id=hashlib.sha256(key.encode()).hexdigest(),
        judge=judge,
        question=judged.question,
        turn=judged.turn,
        first=first,
        second=second,
        verdict=judged.verdict,
        created=datetime.now(UTC),
        text=judged.text,
        error="imported as an error" if judged.verdict == "error" else "",
    )
