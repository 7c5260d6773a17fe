"""Progress of long work, on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.evaluation.answering import Progress as ProgressCallback


@contextmanager
def shown() -> Iterator[ProgressCallback]:
    """Bars by task on a terminal, and in a notebook that has ipywidgets, which rich draws them with; elsewhere a line
    a tenth of a task."""
    from importlib.util import find_spec

    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal and not (console.is_jupyter and find_spec("ipywidgets")):
        yield _lines()
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:
        known = {}

        def tell(task: str, done: int, total: int) -> None:
            if task not in known:
                known[task] = bars.add_task(task, total=total, completed=done)
            bars.update(known[task], completed=done)

        yield tell


def _lines() -> ProgressCallback:
    import sys

    tenths: dict[str, int] = {}

    def tell(task: str, done: int, total: int) -> None:
        tenth = min(done, 1) + 10 * done // max(1, total)  # the first answers are worth a line too
        if tenths.get(task) != tenth:
            tenths[task] = tenth
            sys.stderr.write(f"{task}: {done} of {total}\n")
            sys.stderr.flush()

    return tell
