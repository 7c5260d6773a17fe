"""What benchmarks' rows have in common: their checks, and the digest of their content.

Each benchmark's file makes its rows from raw values and `where` (file and line, for messages), in one shape whatever
they came from and with the keys in a fixed order: the digest depends on that order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from data.sources import DataError

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """A benchmark's rows by split, its prompts by task, and what a reader should know about them."""

    splits: dict[str, list[Row]]
    prompts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def text(value: object, column: str, where: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{where}: {column} should be text and is {type(value).__name__}.")
    return value


def mapping(value: object, keys: tuple[str, ...], where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DataError(f"{where}: should be an object with {', '.join(keys)} and is {type(value).__name__}.")
    missing = [key for key in keys if key not in value]
    if missing:
        raise DataError(f"{where}: {', '.join(missing)} missing; there are {', '.join(map(str, value)) or 'no keys'}.")
    return value


def unique(rows: Iterable[Row], key: str, where: str) -> None:
    """Ids name items in the store: two rows of one id would be one item."""
    seen: set[str] = set()
    for row in rows:
        if row[key] in seen:
            raise DataError(f"{where}: {key} {row[key]!r} stands there twice. Remove one of the two rows.")
        seen.add(row[key])


def size_note(name: str, rows: int, published: int | None) -> tuple[str, ...]:
    """Scores on a part of a benchmark are not scores on the benchmark, so the run says so."""
    if published is None or rows == published:
        return ()
    return (f"{name}: {rows:,} test rows here; the published benchmark has {published:,}",)


def digest(name: str, content: Content) -> str:
    """sha256 of the rows and prompts in one canonical form: file names and formats do not enter."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    sha = hashlib.sha256(name.encode())
    for split in sorted(content.splits):
        sha.update(f"\nsplit {split}\n".encode())
        for index, row in enumerate(content.splits[split]):
            sha.update(_bytes(encode(row), f"{name}, {split} row {index}"))
            sha.update(b"\n")
    sha.update(b"\nprompts\n")
    sha.update(_bytes(encode(sorted(content.prompts.items())), f"{name}, prompts"))
    return sha.hexdigest()


def _bytes(line: str, where: str) -> bytes:
    try:
        return line.encode()
    except UnicodeEncodeError:
        raise DataError(f"{where}: half of a character (a lone surrogate). Mend the file that has it.") from None
