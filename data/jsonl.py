"""Files of JSON objects, one a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.folder_rows import load_text, parse_json
from data.sources import DataError


def objects(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """(object, "FILE, line N") for each line that is not empty. Raises DataError."""
    # split at "\n" only: JSON text may hold other line ends that str.splitlines would cut at
    for number, line in enumerate(load_text(path).split("\n"), 1):
        if line.strip():
            where = f"{path}, line {number}"
            row = parse_json(line, where)
            if not isinstance(row, dict):
                raise DataError(f"{where}: should be an object and is {type(row).__name__}.")
            yield row, where
