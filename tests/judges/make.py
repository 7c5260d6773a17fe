"""Stores with answers, for judges: quick, and without a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from judges.store import Store
from judges.store.rows import AnswerRow, AnswerSetRow, PromptSetRow, QuestionRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def answered(
    path: Path,
    models: Mapping[str, Callable[[int, int], str]],
    questions: int = 6,
    turns: int = 1,
    reference: Callable[[int], Sequence[str]] = lambda n: (),
    prompts: str = "p" * 64,
) -> Store:
    """`models`: name -> (question from 0, turn from 1) -> answer. `prompts` is the digest of what they are asked."""
    store = Store(path)
    rows = [
        QuestionRow(
            prompts,
            f"q{n}",
            n,
            ("writing", "math")[n % 2],
            tuple(f"question {n}, turn {turn}" for turn in range(1, turns + 1)),
            tuple(reference(n)),
        )
        for n in range(questions)
    ]
    for name, say in models.items():
        made = AnswerSetRow(name * 8, f"identity of {name}", name, "finished", prompts, name, NOW)
        store.create_answers(made, PromptSetRow(prompts, "asked", "sample"), rows)
        store.record_answers(
            made.id,
            [AnswerRow(made.id, f"q{n}", turn, say(n, turn)) for n in range(questions) for turn in range(1, turns + 1)],
        )
    return store


def words(name: str, length: int = 3) -> Callable[[int, int], str]:
    return lambda n, turn: f"{name} says {'much ' * length}on {n} in turn {turn}"
