"""Rows to columns and back.

A model may write text that UTF-8 cannot hold (lone surrogates), which DuckDB and Arrow refuse. Such a
character becomes U+FDD0 and four hexadecimal digits; U+FDD0 is a noncharacter, and is written in the
same way when it does turn up, so every string comes back as it was. NUL is stored as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import duckdb
    import pyarrow

Row = TypeVar("Row")

_MARK = "\ufdd0"
_UNSAFE = re.compile("[\ud800-\udfff\ufdd0]")
_MARKED = re.compile(_MARK + "([0-9a-f]{4})")


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


def names(kind: type[Any], *without: str) -> list[str]:
    """The fields of a row's dataclass, which are its table's columns."""
    return [field.name for field in fields(kind) if field.name not in without]


@dataclass(frozen=True, eq=False)
class Fields:
    """What the columns of a schema's tables hold, by name; one that is not named here holds text.

    A name holds the same kind in each of a schema's tables; `table` takes the exceptions."""

    json: Collection[str] = ()  # any document, as text
    moments: Collection[str] = ()  # with a time zone; UTC in the store
    texts: Collection[str] = ()  # lists of text
    maps: Collection[str] = ()  # text to number
    bools: Collection[str] = ()
    int32: Collection[str] = ()
    int64: Collection[str] = ()
    float64: Collection[str] = ()
    bool_lists: Collection[str] = ()
    int32_lists: Collection[str] = ()
    int64_lists: Collection[str] = ()
    float64_lists: Collection[str] = ()

    def columns(self, rows: Sequence[Any], names: Sequence[str]) -> dict[str, list[Any]]:
        """The named fields of the rows as lists of values that Arrow takes."""
        return {name: self._plain(name, list(map(attrgetter(name), rows))) for name in names}

    def table(self, columns: Mapping[str, list[Any]], **types: pyarrow.DataType) -> pyarrow.Table:
        """An Arrow table of the columns; `types` for those that hold something else in this table."""
        import pyarrow as pa

        known = {**self.types, **types}
        # large_string: the texts of one batch may pass the 2 GiB that 32-bit offsets reach
        arrays = [pa.array(values, known.get(name, pa.large_string())) for name, values in columns.items()]
        return pa.Table.from_arrays(arrays, list(columns))

    def batch(self, kind: type[Any], rows: Sequence[Any]) -> pyarrow.Table:
        """All fields of rows of one kind as an Arrow table."""
        return self.table(self.columns(rows, names(kind)))

    def rows(self, kind: Callable[..., Row], result: duckdb.DuckDBPyConnection) -> list[Row]:
        """All rows of a query whose columns are the fields of `kind`, in any order."""
        return [kind(**record) for record in self.records(result)]

    def records(self, result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
        """All rows of a query as dicts, decoded."""
        heads = [column[0] for column in result.description or ()]
        return [
            {name: self._rich(name, value) for name, value in zip(heads, row, strict=True)} for row in result.fetchall()
        ]

    @cached_property
    def types(self) -> Mapping[str, pyarrow.DataType]:
        """The Arrow types of columns that are not text."""
        import pyarrow as pa

        kinds = (
            (self.moments, pa.timestamp("us")),
            (self.texts, pa.list_(pa.large_string())),
            (self.maps, pa.map_(pa.string(), pa.float64())),
            (self.bools, pa.bool_()),
            (self.int32, pa.int32()),
            (self.int64, pa.int64()),
            (self.float64, pa.float64()),
            (self.bool_lists, pa.list_(pa.bool_())),
            (self.int32_lists, pa.list_(pa.int32())),
            (self.int64_lists, pa.list_(pa.int64())),
            (self.float64_lists, pa.list_(pa.float64())),
        )
        return {name: type_ for columns, type_ in kinds for name in columns}

    def _plain(self, name: str, values: list[Any]) -> list[Any]:
        if name in self.json:
            return [to_json(value) for value in values]
        if name in self.moments:
            return [value and _utc(value) for value in values]
        if name in self.maps:
            return [[(encode(key), float(number)) for key, number in value.items()] for value in values]
        if name in self.texts:
            return [[encode(text) for text in value] for value in values]
        if name in self.types:
            return values
        # one look at all of a batch's text is much quicker than one at each
        joined = "".join(values)
        return values if encode(joined) is joined else [encode(value) for value in values]

    def _rich(self, name: str, value: Any) -> Any:
        if isinstance(value, str):
            return json.loads(value) if name in self.json else decode(value)
        if isinstance(value, dict):
            return {decode(key): number for key, number in value.items()}
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC)
        if isinstance(value, list):
            return tuple(decode(part) if isinstance(part, str) else part for part in value)
        return value


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC).replace(tzinfo=None)
