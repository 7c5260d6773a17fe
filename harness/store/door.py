"""The one door to the file: short connections, each under the readers-writer lock.

DuckDB admits one process that writes, and shuts readers out meanwhile. So nobody keeps a connection:
whoever reads or writes waits for the lock, opens (about 10 ms), does it, and closes.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from harness.errors import StoreError
from harness.store import migrations
from harness.store.lock import leased, locked

if TYPE_CHECKING:
    import duckdb


class Door:
    """A store's file. Making one opens nothing; the file appears with the first write."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.waited = 0.0  # seconds this object has waited for locks
        self._counting = threading.Lock()

    def exists(self) -> bool:
        return self.path.exists()

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection. Fetch, leave, and only then render: writers wait meanwhile."""
        if not self.exists():
            raise StoreError(f"There is no store at {self.path}. `harness run` makes one; --db or HARNESS_DB names it.")
        while True:
            with self._room(exclusive=False), self._connection(read_only=True) as connection:
                if migrations.check(connection):
                    yield connection
                    return
            with self.write():  # brings the file to our version
                pass

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction: committed and on the disk when the block has ended, or, on any error, as if it never was."""
        with self._room(exclusive=True):
            new, committed = not self.exists(), False
            try:
                with self._connection(read_only=False) as connection:
                    ready = migrations.check(connection)
                    connection.begin()
                    if not ready:
                        migrations.migrate(connection)
                    yield connection
                    connection.commit()
                    committed = True
            finally:
                if new and not committed:
                    for ending in ("", ".wal"):
                        self._home().with_name(self._home().name + ending).unlink(missing_ok=True)

    @contextmanager
    def lease(self, word: str) -> Iterator[None]:
        """Compute a run alone. `word` is its id; StoreError naming the holder when another has it."""
        if not word.isalnum():
            raise ValueError(f"a lease's word is letters and digits, not {word!r}")
        home = self._home()
        with leased(home.with_name(f"{home.name}.run-{word}.lock"), f"Run {word}"):
            yield

    def _home(self) -> Path:
        """The file itself, so that two names of one file share one lock."""
        home = self.path.resolve()
        if not home.parent.is_dir():
            raise StoreError(f"There is no folder {home.parent} for the store {self.path}.")
        return home

    @contextmanager
    def _room(self, *, exclusive: bool) -> Iterator[None]:
        with locked(self._home(), exclusive=exclusive) as seconds:
            with self._counting:
                self.waited += seconds
            yield

    @contextmanager
    def _connection(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        import duckdb

        home = self._home()
        with _ctrl_c_later(), _without_pandas() if read_only else nullcontext():  # pyarrow, for writing, looks for it
            try:
                connection = duckdb.connect(
                    str(home),
                    read_only=read_only,
                    config={
                        # more threads make small work no faster, and each costs at every opening
                        "threads": min(4, os.cpu_count() or 1),
                        "autoinstall_known_extensions": False,
                        "autoload_known_extensions": False,
                    },
                )
                try:
                    yield connection
                finally:
                    connection.close()  # rolls back what was not committed
            except duckdb.Error as error:
                raise StoreError(_sentence(error, self.path)) from error


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Hold Ctrl-C back while a connection is open. A query of DuckDB 1.5.6 that it interrupts keeps the file open
    for good, and the next opening in this process never ends (measured)."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    struck: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: struck.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if struck:
            before(*struck[0])


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


_CAUSES = (
    (
        ("No space left", "Disk quota", "File too large"),
        "The disk is full: {path} cannot grow. All that was stored before is whole; free some space and go on.",
    ),
    (("Read-only file system", "Permission denied", "read-only mode"), "The store {path} is read-only here."),
    (("not a valid DuckDB", "Corrupt database file"), "{path} is not a DuckDB file: choose another with --db."),
    (
        ("Could not set lock", "Conflicting lock", "different configuration"),
        "Another program has {path} open past this one's lock: close it there and try again.",
    ),
    (("newer version of DuckDB", "storage version"), "{path} was written by another DuckDB than the one installed."),
)


def _sentence(error: Exception, path: Path) -> str:
    text = str(error)
    for signs, sentence in _CAUSES:
        if any(sign in text for sign in signs):
            return sentence.format(path=path)
    return f"The store {path} failed: {text.splitlines()[0] if text else type(error).__name__}"
