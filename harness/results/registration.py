"""The tables of this package as they are registered (`harness.schemas`), and how `harness rm` removes their rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.results import RunRow, Store
from harness.results.schema import TABLES
from harness.store.schema import Counts


class _Removal:
    option = ""

    def find(self, path: Path, word: str) -> RunRow:
        return Store(path).resolve(word)

    def knows(self, path: Path, word: str) -> bool:
        return any(word == run.name or run.id.startswith(word) for run in Store(path).runs())

    def remove(self, path: Path, ids: Sequence[str]) -> Counts:
        return Store(path).remove(ids)

    def summary(self, counts: Counts) -> str:
        return f"{counts['samples']} samples, {counts['responses']} responses"


SCHEMA = replace(TABLES, removal=_Removal())
