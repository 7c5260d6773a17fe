"""Locks between processes and threads, held by the kernel: a holder that dies has let go.

`locked` is a readers-writer lock made of two `flock`s. Whoever wants in first takes the turnstile
(`<db>.turn`), waits there for the room (`<db>.lock`, shared or exclusive), then frees the turnstile. So a
waiting writer stops new readers behind it, and a writer that comes straight back queues behind the
reader that waited. `leased` is an exclusive lock that does not wait. The kernel ties a flock to one
opening of the file: threads of one process exclude each other as processes do.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from harness.errors import StoreError

_open: set[int] = set()  # descriptors that hold, or wait for, a lock
_mine = threading.local()


def _let_go() -> None:
    """In a forked child: it shares its parent's locks, and could outlive the parent."""
    for descriptor in _open:
        os.close(descriptor)
    _open.clear()
    _mine.rooms = set()


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def locked(database: Path, *, exclusive: bool) -> Iterator[float]:
    """Hold the room of a database; gives the seconds waited. Ctrl-C ends the wait.

    Raises StoreError where the lock files cannot be made (a reader needs none in a folder
    that nobody may write)."""
    rooms: set[Path] = _mine.__dict__.setdefault("rooms", set())
    if database in rooms:
        raise RuntimeError(f"this thread holds {database} already: waiting for it again would never end")
    begin = monotonic()
    with _file(database, ".turn", exclusive) as turnstile, _file(database, ".lock", exclusive) as room:
        if turnstile is not None:
            fcntl.flock(turnstile, fcntl.LOCK_EX)
        if room is not None:
            fcntl.flock(room, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        if turnstile is not None:
            fcntl.flock(turnstile, fcntl.LOCK_UN)
        rooms.add(database)
        try:
            yield monotonic() - begin
        finally:
            rooms.discard(database)


@contextmanager
def _file(database: Path, ending: str, exclusive: bool) -> Iterator[int | None]:
    path = database.with_name(database.name + ending)
    try:
        descriptor = _opened(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StoreError(f"Cannot open the lock {path}: {error.strerror}.") from None
        try:
            descriptor = _opened(path, os.O_RDONLY)
        except FileNotFoundError:
            if exclusive:
                raise StoreError(f"The folder {path.parent} is read-only: the store cannot be written.") from None
            yield None
            return
        except OSError as again:
            raise StoreError(f"Cannot open the lock {path}: {again.strerror}.") from None
    try:
        yield descriptor
    finally:
        _close(descriptor)


@contextmanager
def leased(path: Path, resource: str) -> Iterator[None]:
    """Hold the file `path` alone and leave nothing behind; StoreError naming the holder when it is held."""
    try:
        descriptor = _take(path, resource)
    except OSError as error:
        raise StoreError(f"Cannot make the lease {path}: {error.strerror}.") from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
    finally:
        if descriptor in _open:  # not in a forked child
            path.unlink(missing_ok=True)  # still held: see _take
            _close(descriptor)


def _take(path: Path, resource: str) -> int:
    while True:
        descriptor = _opened(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(descriptor, path):
                return descriptor
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"
            _close(descriptor)
            raise StoreError(f"{resource} is held by {holder}. Wait for it, or end it.") from None
        _close(descriptor)  # the holder before us removed this file: the lock on it means nothing


def sweep(folder: Path, pattern: str) -> int:
    """Remove the leases of dead processes; gives how many."""
    swept = 0
    for path in folder.glob(pattern):
        try:
            with leased(path, "a lease"):
                swept += 1
        except StoreError:
            continue  # alive
    return swept


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _opened(path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
    _open.add(descriptor)
    return descriptor


def _close(descriptor: int) -> None:
    if descriptor in _open:
        _open.discard(descriptor)
        os.close(descriptor)
