"""The rows of a file as they stand in it: JSONL, a JSON list, CSV or TSV, each also as .gz or .zst, and Parquet."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data import jsonl
from data.folder_rows import load_text, parse_json
from data.sources import DataError, near

PACKED = (".gz", ".zst")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
ENDINGS = (".jsonl", ".ndjson", ".json", *DELIMITERS, PARQUET)
ALLOWED = (
    f"A file of rows is {', '.join(ENDINGS[:-1])} or {PARQUET}; all but {PARQUET} also end with {' or '.join(PACKED)}."
)
LONGEST_CELL = 2**31 - 1  # csv's own limit is 131,072 characters, and passages are longer


@dataclass(frozen=True, slots=True)
class Record:
    values: dict[str, Any]
    where: str  # "FILE, line 3"


def read(path: Path) -> list[Record]:
    """At least one. DataError, with file and line, for what cannot be read."""
    ending = ending_of(path)
    if ending in DELIMITERS:
        records = list(_table(path, DELIMITERS[ending]))
    elif ending == ".json":
        records = list(_list(path))
    elif ending == PARQUET:
        records = of_table(_parquet(path), lambda number: f"{path}, row {number + 1}")
    else:
        records = [Record(values, where) for values, where in jsonl.objects(path)]
    return checked(records, str(path))


def of_table(rows: Iterable[Mapping[str, Any]], where: Callable[[int], str]) -> list[Record]:
    """A table has a cell in every column: an empty one is a key that the row has not. `where` says the place of a row
    that is counted from 0."""
    return [
        Record({column: value for column, value in row.items() if value is not None}, where(number))
        for number, row in enumerate(rows)
    ]


def checked(records: list[Record], place: str) -> list[Record]:
    """The same. DataError where there is none, or half of a character in one."""
    if not records:
        raise DataError(f"{place} has no rows.")
    for record in records:
        _check_characters(record)
    return records


def existing(path: Path) -> Path:
    """The file, as an absolute path. DataError where there is none."""
    if path.is_dir():
        raise DataError(f"{path} is a folder, and one file is asked for. {ALLOWED}")
    if not path.is_file():
        beside = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = near(path.name, beside)
        raise DataError(f"There is no file {path}.{hint} A path with a comma cannot be named: commas part names.")
    ending_of(path)
    return path.resolve()


def ending_of(path: Path) -> str:
    """What kind of file it is, by its name without .gz or .zst. DataError for another kind."""
    ending = _ending(path)
    if ending not in ENDINGS or (ending == PARQUET and path.suffix in PACKED):
        raise DataError(f"{path}: what kind of file this is cannot be told from its name. {ALLOWED}")
    return ending


def is_named_as_rows(path: Path) -> bool:
    """Does its name end as a file of rows does?"""
    return _ending(path) in ENDINGS


def stem_of(path: Path) -> str:
    """Its name without endings: arc_easy for arc_easy.jsonl.gz."""
    name = path.with_suffix("") if path.suffix in PACKED else path
    return name.stem


def digest_of(*files: Path) -> str:
    """sha256 of the file, as `sha256sum` prints it; of several, that of their digests in order."""
    digests = []
    for file in files:
        try:
            digests.append(hashlib.sha256(file.read_bytes()).hexdigest())
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror}.") from error
    return digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _list(path: Path) -> Iterator[Record]:
    """A list of objects, or an object in which one such list stands."""
    text = load_text(path)
    try:
        content = parse_json(text, str(path))
    except DataError:
        if not text.lstrip().startswith("{") or "\n{" not in text:
            raise
        yield from (Record(values, where) for values, where in jsonl.objects(path))  # JSONL that is called .json
        return
    if isinstance(content, dict):
        lists = {key: value for key, value in content.items() if _is_of_objects(value)}
        if len(lists) != 1:
            raise DataError(
                f"{path}: should be a list of objects, or an object that holds one such list, and is an object with "
                f"{len(lists)} lists of objects."
            )
        (content,) = lists.values()
    if not isinstance(content, list):
        raise DataError(f"{path}: should be a list of objects and is {type(content).__name__}.")
    for number, values in enumerate(content, 1):
        where = f"{path}, row {number}"
        if not isinstance(values, dict):
            raise DataError(f"{where}: should be an object and is {type(values).__name__}.")
        yield Record(values, where)


def _table(path: Path, delimiter: str) -> Iterator[Record]:
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        reader = csv.reader(io.StringIO(load_text(path), newline=""), delimiter=delimiter, strict=True)
        head = next(reader, [])
        odd = [name for name in head if not name.strip() or head.count(name) > 1]
        if odd:
            wrong = f"{odd[0]!r} stands twice" if odd[0].strip() else "a column has no name"
            raise DataError(f"{path}, line 1: {wrong} in the head. The first line names the columns, each once.")
        line = reader.line_num + 1
        for cells in reader:
            where = f"{path}, line {line}"
            line = reader.line_num + 1
            if not cells:
                continue
            if len(cells) != len(head):
                raise DataError(f"{where}: {len(cells)} cells, and the head has {len(head)}. Quote a cell with commas.")
            yield Record(dict(zip(head, cells, strict=True)), where)
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: not valid CSV ({error}).") from error
    finally:
        csv.field_size_limit(before)


def _parquet(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet

    try:
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}.") from error
    return rows


def _is_of_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)


def _ending(path: Path) -> str:
    name = path.with_suffix("") if path.suffix in PACKED else path
    return name.suffix.lower()


def _check_characters(record: Record) -> None:
    try:
        json.dumps(record.values, ensure_ascii=False, default=str).encode()  # Parquet has dates and more
    except UnicodeEncodeError:
        raise DataError(f"{record.where}: half of a character (a lone surrogate). Mend the row.") from None
