"""The one door to the file: short connections, each under the readers-writer lock.

DuckDB admits one process that writes, and shuts readers out meanwhile. So nobody keeps a connection:
whoever reads or writes waits for the lock, opens, does it, and closes.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING

from harness.errors import StoreError
from harness.signals import ENDING
from harness.store import journal, migrations
from harness.store.error_messages import sentence
from harness.store.instances import visit
from harness.store.lock import leased, locked

if TYPE_CHECKING:
    import duckdb


class StoreConnection:
    """A store's file. Making one opens nothing; the file appears with the first write."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.waited = 0.0  # seconds this object has waited for locks
        self.reading = 0.0  # seconds this object has kept writers from the store
        self._counting = threading.Lock()
        self._mine = threading.local()  # .connection: the one that this thread reads through

    def exists(self) -> bool:
        return self.path.exists()

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection. Fetch, leave, and only then render: writers wait meanwhile.

        Within such a block, what this object reads in the same thread goes through the same connection: one opening,
        and one state of the store."""
        if (around := getattr(self._mine, "connection", None)) is not None:
            yield around
            return
        if not self.exists():
            raise StoreError(f"There is no store at {self.path}. `harness run` makes one; --db or HARNESS_DB names it.")
        while True:
            with self._room(exclusive=False), self._counted():
                if not journal.needed(self._home()):
                    with self._connection(read_only=True) as connection:
                        if migrations.check(connection):
                            self._mine.connection = connection
                            try:
                                yield connection
                            finally:
                                self._mine.connection = None
                            return
            with self.write():  # mends the file, or brings it to our version
                pass

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction: committed and on the disk when the block has ended, or, on any error, as if it never was."""
        with self._room(exclusive=True):
            new, committed = not self.exists(), False
            try:
                if new:
                    self._create()
                with self._writing() as connection:
                    ready = migrations.check(connection)
                    connection.begin()
                    if not ready:
                        migrations.migrate(connection)
                    yield connection
                    connection.commit()
                    committed = True
            finally:
                if new and not committed:
                    remove(self._home())

    def _create(self) -> None:
        """An empty store, under another name at first: a file that is half made is none."""
        fresh = self._home().with_name(self._home().name + ".fresh")
        try:
            remove(fresh)  # of one that was killed
            with self._connection(read_only=False, path=fresh) as connection:
                connection.begin()
                migrations.migrate(connection)
                connection.commit()
            os.replace(fresh, self._home())
        finally:
            remove(fresh)

    @contextmanager
    def _writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for one transaction, which a kill at any moment leaves done or undone."""
        with journal.guarded(self._home()) as keep, self._connection(read_only=False) as connection:
            keep(connection)
            yield connection

    @contextmanager
    def lease(self, word: str, resource: str = "") -> Iterator[None]:
        """Compute a run alone, or another `resource`. `word` is its id; StoreError naming the holder when another has
        it."""
        if not word.isalnum():
            raise ValueError(f"a lease's word is letters and digits, not {word!r}")
        home = self._home()
        with leased(home.with_name(f"{home.name}.run-{word}.lock"), resource or f"Run {word}"):
            yield

    def _home(self) -> Path:
        """The file itself, so that two names of one file share one lock."""
        home = self.path.resolve()
        if not home.parent.is_dir():
            raise StoreError(f"There is no folder {home.parent} for the store {self.path}.")
        if "?" in str(home):  # DuckDB 1.5.6 takes what follows it for no part of the path, and puts its log elsewhere
            raise StoreError(f"A store cannot lie at {home}: DuckDB takes no question mark in a path.")
        return home

    @contextmanager
    def _room(self, *, exclusive: bool) -> Iterator[None]:
        import duckdb  # noqa: F401 - a tenth of a second and more, for which nobody need wait

        with locked(self._home(), exclusive=exclusive) as seconds:
            with self._counting:
                self.waited += seconds
            yield

    @contextmanager
    def _counted(self) -> Iterator[None]:
        begin = monotonic()
        try:
            yield
        finally:
            with self._counting:
                self.reading += monotonic() - begin

    @contextmanager
    def _connection(self, *, read_only: bool, path: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """To the store's file, or another that is to take its place."""
        import duckdb

        with _ctrl_c_later(), _without_pandas() if read_only else nullcontext():  # pyarrow, for writing, looks for it
            try:
                with visit(path or self._home(), read_only=read_only) as connection:
                    yield connection
            except duckdb.Error as error:
                raise StoreError(sentence(error, self.path)) from error


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Hold Ctrl-C and its kin back while a connection is open. A query of DuckDB 1.5.6 that one interrupts keeps the
    file open for good, and the next opening in this process never ends (measured)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: handler for number in ENDING if callable(handler := signal.getsignal(number))}
    struck: list[tuple[int, FrameType | None]] = []
    for number in before:
        signal.signal(number, lambda number, frame: struck.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if struck:
            before[signal.Signals(struck[0][0])](*struck[0])


@contextmanager
def _without_pandas() -> Iterator[None]:
    """At the first parameter that is bound DuckDB 1.5.6 imports pandas, to tell its NA from other values (0.4 s and
    more, measured). We bind none: where nobody has imported it, and nobody else can be about to, it is out of reach."""
    if "pandas" in sys.modules or threading.active_count() > 1:
        yield
        return
    sys.modules["pandas"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop("pandas", None)


def wal(path: Path) -> Path:
    """DuckDB's write-ahead log of a file."""
    return path.with_name(path.name + ".wal")


def remove(path: Path) -> None:
    """A database and its log, if they are there."""
    path.unlink(missing_ok=True)
    wal(path).unlink(missing_ok=True)
