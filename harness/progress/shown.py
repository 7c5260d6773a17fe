"""Where progress is shown: a terminal, a notebook, a log."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harness.progress.log import Log
from harness.progress.progress import Progress

LOOK = 1.0  # seconds between two looks for lines that time has made due
FRAMES = 4.0  # a second


@contextmanager
def shown() -> Iterator[Progress]:
    """Rows by task on a terminal, and in a notebook that has ipywidgets, which rich draws them with; elsewhere
    lines."""
    from importlib.util import find_spec

    from rich.console import Console
    from rich.live import Live

    from harness.progress.terminal import Terminal

    console = Console(stderr=True)
    if console.is_terminal or (console.is_jupyter and find_spec("ipywidgets")):
        terminal = Terminal(console)
        with Live(terminal, console=console, refresh_per_second=FRAMES):
            yield terminal
        return
    with _looking(Log(_write)) as log:
        yield log


@contextmanager
def _looking(log: Log) -> Iterator[Log]:
    """Have another thread look at the log: a long step tells nothing by itself."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(LOOK):
            log.look()

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield log
    finally:
        ended.set()
        thread.join(LOOK)


def _write(line: str) -> None:
    import sys

    sys.stderr.write(line)
    sys.stderr.flush()
