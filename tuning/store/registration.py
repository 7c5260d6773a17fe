"""The tables of this package as they are registered (`harness.schemas`), and how `harness rm` removes their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.store.schema import Counts
from tuning.store import Store, StudyRow
from tuning.store.schema import TABLES


class _Removal:
    option = ""

    def find(self, path: Path, word: str) -> StudyRow:
        return Store(path).resolve_study(word)

    def knows(self, path: Path, word: str) -> bool:
        return any(word == study.name or study.id.startswith(word) for study in Store(path).studies())

    def remove(self, path: Path, ids: Sequence[str]) -> Counts:
        return Store(path).remove_studies(ids)

    def summary(self, counts: Counts) -> str:
        return f"{counts['trials']} trials"


SCHEMA = replace(TABLES, removal=_Removal())
