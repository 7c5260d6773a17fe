"""Which rows are no near copies, remembered from one command to the next: of 35,000 rows it takes ten seconds, and each
command of a study asks for it. What is kept is by the digest of the rows, beside the benchmarks' rows; it may be
deleted."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from data.cache import folder, put
from data.near_copies import first_of_each

FEWEST = 2_000  # fewer rows are looked through in less time than a file is worth
VERSION = 1  # another where first_of_rows finds others


def first_of_rows(rows: Sequence[tuple[str, str]]) -> list[int]:
    """As `first_of_each.first_of_rows`. Where nothing can be kept, it is computed each time."""
    if len(rows) < FEWEST:
        return first_of_each.first_of_rows(rows)
    place = _place(rows)
    copies = _copies(place, len(rows))
    if copies is None:
        kept = first_of_each.first_of_rows(rows)
        left_out = sorted(set(range(len(rows))) - set(kept))
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            put(place, json.dumps({"rows": len(rows), "copies": left_out}).encode())
        return kept
    return [index for index in range(len(rows)) if index not in copies]


def _place(rows: Sequence[tuple[str, str]]) -> Path:
    # JSON keeps the parts apart, whatever stands in them; lone surrogates are escaped
    texts = json.dumps([VERSION, first_of_each.NEAR, rows])
    return folder(None) / "near-copies" / f"{hashlib.sha256(texts.encode()).hexdigest()}.json"


def _copies(place: Path, rows: int) -> set[int] | None:
    """Indices of the rows that are left out; None where they are not known."""
    try:
        document = json.loads(place.read_bytes())
        copies = set(document["copies"])
        whole = document["rows"] == rows and all(isinstance(index, int) and 0 < index < rows for index in copies)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return copies if whole else None
