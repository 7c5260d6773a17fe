"""Neutral texts: plain prose on which a model's loss says what a training has made it forget. The bundled sample, or a
file of the user's own."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from data import records, sources
from data.folder_rows import load_text
from data.sources import DataError, near

SAMPLE = sources.SAMPLE / "neutral" / "texts.jsonl"
PLAIN = (".txt", ".md")
COLUMN = "text"


@dataclass(frozen=True, slots=True)
class NeutralTexts:
    texts: tuple[str, ...]
    digest: str  # sha256 over the texts, the same whatever file they came in


def load(source: str = "sample") -> NeutralTexts:
    """`source`: "sample"; a plain text (.txt, .md), whose paragraphs empty lines part; or a file of rows with a column
    `text` (records.ENDINGS). Raises DataError."""
    path = SAMPLE if source == "sample" else _existing(Path(source).expanduser())
    texts = _paragraphs(path) if path.suffix in PLAIN else [_text(record) for record in records.read(path)]
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise DataError(f"{path} has no text.")
    return NeutralTexts(tuple(texts), hashlib.sha256(json.dumps(texts).encode()).hexdigest())


def _existing(path: Path) -> Path:
    if path.suffix not in PLAIN:
        return records.existing(path)
    if not path.is_file():
        beside = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"There is no file {path}.{near(path.name, beside)}")
    return path.resolve()


def _paragraphs(path: Path) -> list[str]:
    return [part.strip() for part in re.split(r"\n[ \t]*\n", load_text(path).replace("\r\n", "\n"))]


def _text(record: records.Record) -> str:
    text = record.values.get(COLUMN)
    if not isinstance(text, str):
        known = ", ".join(record.values)
        raise DataError(f"{record.where}: neutral texts stand in a column {COLUMN!r}, and this row has {known}.")
    return text
