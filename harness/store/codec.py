"""Rows to columns and back.

A model may write text that UTF-8 cannot hold (lone surrogates), which DuckDB and Arrow refuse. Such a
character becomes U+FDD0 and four hexadecimal digits; U+FDD0 is a noncharacter, and is written in the
same way when it does turn up, so every string comes back as it was. NUL is stored as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import duckdb
    import pyarrow

Row = TypeVar("Row")

_MARK = "\ufdd0"
_UNSAFE = re.compile("[\ud800-\udfff\ufdd0]")
_MARKED = re.compile(_MARK + "([0-9a-f]{4})")
_JSON = {"config", "provenance", "totals", "settings", "hyperparameters", "point"}
_MOMENTS = {"created", "finished", "revoked", "superseded", "closed"}
_TEXTS = {"warnings", "options", "notes", "turns", "reference", "answer_sets"}


def encode(text: str) -> str:
    """The text as DuckDB can hold it; the same text where it can."""
    if text.isascii() or not _UNSAFE.search(text):
        return text
    return _UNSAFE.sub(lambda match: f"{_MARK}{ord(match[0]):04x}", text)


def decode(text: str) -> str:
    if _MARK not in text:
        return text
    return _MARKED.sub(lambda match: chr(int(match[1], 16)), text)


def digest(encoded: str) -> str:
    """sha256, hex, of an encoded text: the key of table prompts."""
    return hashlib.sha256(encoded.encode()).hexdigest()


def to_json(value: Any) -> str:
    # ASCII, so that any text passes; NaN and the infinities as Python's reader knows them
    return json.dumps(value, sort_keys=True, default=str)


def columns(rows: Sequence[Any], names: Sequence[str]) -> dict[str, list[Any]]:
    """The named fields of the rows as lists of values that Arrow takes."""
    return {name: _plain(name, list(map(attrgetter(name), rows))) for name in names}


def _plain(name: str, values: list[Any]) -> list[Any]:
    if name in _JSON:
        return [to_json(value) for value in values]
    if name in _MOMENTS:
        return [value and _utc(value) for value in values]
    if name == "metrics":
        return [[(encode(key), float(number)) for key, number in value.items()] for value in values]
    if name in _TEXTS:
        return [[encode(text) for text in value] for value in values]
    if name in _types():
        return values
    # one look at all of a batch's text is much quicker than one at each
    joined = "".join(values)
    return values if encode(joined) is joined else [encode(value) for value in values]


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC).replace(tzinfo=None)


@lru_cache
def _types() -> dict[str, Any]:
    """The Arrow types of columns that are not text."""
    import pyarrow as pa

    whole, real = pa.int32(), pa.float64()
    return {
        **dict.fromkeys(("key", "repeat", "part", "asked", "reused", "generated", "shots"), whole),
        **dict.fromkeys(("place", "turn", "ratings"), whole),
        **dict.fromkeys(("seed", "items", "n", "answer_seed", "tokens_in", "tokens_out"), pa.int64()),
        **dict.fromkeys(("value", "low", "high"), real),
        **dict.fromkeys(("temperature", "top_p", "cost", "seconds", "lost", "reserved"), real),
        **dict.fromkeys(("partial", "chat"), pa.bool_()),
        **dict.fromkeys(_MOMENTS, pa.timestamp("us")),
        **dict.fromkeys(("number", "trial"), whole),
        **dict.fromkeys(("budget", "step", "steps", "micro_batch", "peak_bytes", "adapter_bytes"), pa.int64()),
        **dict.fromkeys(
            (f"{kind}_tokens" for kind in ("validation", "forward", "backward", "measured", "padding")), pa.int64()
        ),
        **dict.fromkeys(("fraction", "validation_nats", "train_loss", "loss", "lr"), real),
        **dict.fromkeys(("estimated", "failed"), pa.bool_()),
        **dict.fromkeys(("objectives", "constraints", "test_nats"), pa.list_(real)),
        "test_tokens": pa.list_(pa.int64()),
        "logprobs": pa.list_(real),
        "greedy": pa.list_(pa.bool_()),
        "tokens": pa.list_(whole),
        "metrics": pa.map_(pa.string(), real),
        **dict.fromkeys(_TEXTS, pa.list_(pa.large_string())),
    }


def table(data: Mapping[str, list[Any]], **types: Any) -> pyarrow.Table:
    """An Arrow table of the columns; `types` for those whose name does not tell."""
    import pyarrow as pa

    known = {**_types(), **types}
    # large_string: the texts of one batch may pass the 2 GiB that 32-bit offsets reach
    arrays = [pa.array(values, known.get(name, pa.large_string())) for name, values in data.items()]
    return pa.Table.from_arrays(arrays, list(data))


def names(kind: type[Any], *without: str) -> list[str]:
    return [each.name for each in fields(kind) if each.name not in without]


def rows(kind: Callable[..., Row], result: duckdb.DuckDBPyConnection) -> list[Row]:
    """All rows of a query whose columns are the fields of `kind`, in any order."""
    return [kind(**record) for record in records(result)]


def records(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """All rows of a query as dicts, decoded."""
    heads = [column[0] for column in result.description or ()]
    return [{name: _rich(name, value) for name, value in zip(heads, row, strict=True)} for row in result.fetchall()]


def _rich(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return json.loads(value) if name in _JSON else decode(value)
    if isinstance(value, dict):
        return {decode(key): number for key, number in value.items()}
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    if isinstance(value, list):
        return tuple(decode(part) if isinstance(part, str) else part for part in value)
    return value
