"""Calls that wait on a network, many at a time: each on one of a few threads, which stop when the caller has gone."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from harness.errors import HarnessError

T = TypeVar("T")
_here = threading.local()  # .stop: set when the caller of this thread's calls has gone


class _StoppedError(Exception):
    """The caller has gone."""


def made(calls: Iterable[Callable[[], T]], concurrency: int) -> Iterator[tuple[int, T | HarnessError]]:
    """Make the calls, `concurrency` at a time, and yield (index, result) as they finish, or (index, error) where
    one ended with a HarnessError; any other exception is raised here.

    `calls` is drawn from as there is room: no more than 2 * concurrency are begun and not yet yielded. Leaving the
    iteration (break, an exception, Ctrl-C) begins no further call and cuts waits short; attempts that are under
    way run out on their own and hold up neither the caller nor the end of the program."""
    waiting: queue.SimpleQueue[tuple[int, Callable[[], T]]] = queue.SimpleQueue()
    finished: queue.SimpleQueue[tuple[int, T | None, BaseException | None]] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        _here.stop = stop
        while True:
            index, call = waiting.get()
            if stop.is_set():
                return
            try:
                finished.put((index, call(), None))
            except _StoppedError:
                return
            except BaseException as error:
                finished.put((index, None, error))

    threads: list[threading.Thread] = []
    source = enumerate(calls)
    under_way, more = 0, True
    try:
        while True:
            while more and under_way < 2 * concurrency:
                pair = next(source, None)
                if pair is None:
                    more = False
                    break
                waiting.put(pair)
                under_way += 1
                if len(threads) < concurrency:
                    threads.append(threading.Thread(target=work, daemon=True, name="remote"))
                    threads[-1].start()
            if not under_way:
                return
            index, result, error = finished.get()
            under_way -= 1
            if error is not None and not isinstance(error, HarnessError):
                raise error
            yield index, error if error is not None else result  # type: ignore[misc]
    finally:
        stop.set()
        for _ in threads:
            waiting.put((-1, lambda: None))  # type: ignore[arg-type, return-value]


def wait(seconds: float, sleep: Callable[[float], None] | None = None) -> None:
    """For a call: wait, and end the call at once where its caller has gone. `sleep` waits in another way."""
    stop: threading.Event | None = getattr(_here, "stop", None)
    if stop is not None and stop.is_set():
        raise _StoppedError
    if seconds <= 0:
        return
    if sleep is not None:
        sleep(seconds)
    elif stop is None:
        time.sleep(seconds)
    elif stop.wait(seconds):
        raise _StoppedError
