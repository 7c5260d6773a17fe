"""A rollback journal of the blocks that DuckDB writes over.

A checkpoint of DuckDB puts new data into free blocks and then points the header at them, so that a kill leaves the old
state. Its metadata blocks are the exception: one with room left is written again in its place, together with what is
still needed of it and under one checksum. A kill in the middle of such a write leaves a store that DuckDB will not open
(1.5.6, measured: tests/harness/store/test_journal.py). So they lie in a file beside the store until the checkpoint has
ended, as SQLite keeps its pages.

A journal is of one state, whose headers it begins with. Where the store's are others, the checkpoint has ended and
the journal is void. Whoever calls these holds the store's lock, and for `guarded` alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from harness.errors import StoreError
from harness.store.error_messages import sentence

if TYPE_CHECKING:
    import duckdb

_HEADERS = 3 * 4096  # bytes: the file's, and the database's two, of which the newer counts


class _Block(NamedTuple):
    at: int  # its place in the store
    content: bytes


@contextmanager
def guarded(home: Path) -> Iterator[Callable[[duckdb.DuckDBPyConnection], None]]:
    """`with guarded(home) as keep:` open a connection, `keep(connection)`, change what is to be changed in one
    transaction, close it. More than one checkpoint is one too many: the journal is of the state before the first.

    StoreError where the journal cannot be written: nothing may be changed then."""
    _settle(home)
    with _told(home):
        file = home.open("rb")
    try:
        with file:  # to its end: closing it while DuckDB has the store open lets go of DuckDB's lock (fcntl's)
            yield lambda connection: _keep(home, file, connection)
    finally:
        _settle(home)


def needed(home: Path) -> bool:
    """Whether a killed process left blocks half written, so that somebody has to write before anybody reads."""
    with _told(home):
        return any(True for _ in _broken(home))


def _settle(home: Path) -> None:
    """Put back what was left half written, and end the journal."""
    with _told(home):
        if broken := list(_broken(home)):
            with home.open("r+b") as file:
                for block in broken:
                    file.seek(block.at)
                    file.write(block.content)
                file.flush()
                os.fsync(file.fileno())
        _path(home).unlink(missing_ok=True)


def _keep(home: Path, file: BinaryIO, connection: duckdb.DuckDBPyConnection) -> None:
    """The metadata blocks as they are now."""
    ids = [row[0] for row in connection.execute("SELECT block_id FROM pragma_metadata_info()").fetchall()]
    of_file = "SELECT block_size FROM pragma_database_size() WHERE database_name = current_database()"
    ((size,),) = connection.execute(of_file).fetchall()
    places = [_HEADERS + number * size for number in ids]
    with _told(home):
        half = _path(home).with_name(_path(home).name + ".half")
        try:
            with half.open("wb") as journal:
                journal.write(json.dumps({"size": size, "places": places}).encode() + b"\n")
                for at, length in ((0, _HEADERS), *((at, size) for at in places)):
                    file.seek(at)
                    journal.write(file.read(length))
                journal.flush()
                os.fsync(journal.fileno())
            os.replace(half, _path(home))
        finally:
            half.unlink(missing_ok=True)


def _broken(home: Path) -> Iterator[_Block]:
    """The blocks that are to be put back."""
    if not (_path(home).exists() and home.exists()):
        return
    with _path(home).open("rb") as journal, home.open("rb") as file:
        header = json.loads(journal.readline())
        if journal.read(_HEADERS) != file.read(_HEADERS):
            return
        for at in header["places"]:
            content = journal.read(header["size"])
            file.seek(at)
            if file.read(header["size"]) != content:
                yield _Block(at, content)


@contextmanager
def _told(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(sentence(error, home)) from error


def _path(home: Path) -> Path:
    return home.with_name(home.name + ".journal")
