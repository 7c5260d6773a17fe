"""The tables of this package as they are registered (`harness.schemas`), and how `harness rm` removes their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.store.schema import Counts
from judges.store import Store
from judges.store.rows import AnswerSetRow
from judges.store.schema import TABLES


class _Removal:
    option = "answers"

    def find(self, path: Path, word: str) -> AnswerSetRow:
        return Store(path).resolve_answers(word)

    def knows(self, path: Path, word: str) -> bool:
        return any(word == row.name or row.id.startswith(word) for row in Store(path).answer_sets())

    def remove(self, path: Path, ids: Sequence[str]) -> Counts:
        return Store(path).remove_answers(ids)

    def summary(self, counts: Counts) -> str:
        return f"{counts['answers']} answers, {counts['comparisons']} comparisons"


SCHEMA = replace(TABLES, removal=_Removal())
