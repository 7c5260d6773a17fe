"""Rows that several workers put on the disk, those of all who wait in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from harness.errors import HarnessError

Row = TypeVar("Row")


class _StoppedError(HarnessError):
    """The session has ended; nothing more is stored."""


class GroupedWrites(Generic[Row]):
    """`write` stores rows in one transaction. When it has failed once, and after `end`, nothing more is stored."""

    def __init__(self, write: Callable[[Sequence[Row]], None]) -> None:
        self._write = write
        self._waiting: list[Row] = []
        self._mutex, self._writing = threading.Lock(), threading.Lock()
        self._broken: HarnessError | None = None

    def store(self, rows: Sequence[Row]) -> None:
        """When this returns, the rows are on the disk."""
        with self._mutex:
            self._waiting += rows
        with self._writing:
            if self._broken is not None:
                raise self._broken
            with self._mutex:
                batch, self._waiting = self._waiting, []
            if not batch:
                return  # another worker has stored them
            try:
                self._write(batch)
            except HarnessError as error:
                self._broken = error
                raise

    def end(self) -> None:
        """After this no worker stores anything, and none is in the middle of it."""
        with self._writing:
            self._broken = self._broken or _StoppedError("The session has ended.")
