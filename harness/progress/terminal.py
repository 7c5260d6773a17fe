"""Progress as rows that move, on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.progress.budget import LineBudget
from harness.progress.outline import UNDER_WAY, OutlineEntry, outline_rows
from harness.progress.progress import Progress
from harness.progress.task import Task

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

SHORT = 14  # a title that stands beside its bar; a longer one stands above it
BAR = 12


class Terminal(Progress):
    """What rich's Live draws: a row for each task, above them a line for each that gave something. The parts of a whole
    stand around the tasks, which are those of the part under way."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._tasks: dict[str, Task] = {}
        self._budget = LineBudget(clock())
        self._parts: Sequence[OutlineEntry] = ()
        self._lock = threading.RLock()

    def update(self, task: str, done: float = 0, total: int = 0, **figures: Any) -> None:
        with self._lock:
            now = self._clock()
            self._tasks.setdefault(task, Task(task, now)).take(now, done, total, **figures)

    def end(self, task: str, result: str = "") -> None:
        from rich.text import Text

        with self._lock:
            self._tasks.pop(task, None)
            wanted = result and self._budget.spend(self._clock())
        if wanted:  # without the lock, for which the thread that draws may wait
            self._console.print(Text(f"{task}: {result}"), soft_wrap=True)

    def outline(self, parts: Sequence[OutlineEntry]) -> None:
        with self._lock:
            self._parts = tuple(parts)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        from rich.padding import Padding
        from rich.text import Text

        with self._lock:
            outline = outline_rows(self._parts)
            at = max((place + 1 for place, row in enumerate(outline) if row.mark == UNDER_WAY), default=0)
            indent = 2 * (outline[at - 1].depth + 1) if at else 0
            tasks, now = self._visible(console.height - len(outline)), self._clock()
            width = max((len(task.title) for task in tasks if _is_short(task)), default=0)
            rows = [row for task in tasks for row in _rows(task, now, width, console.width - indent)]
        lines = [Text(row.text, no_wrap=True, overflow="ellipsis") for row in outline]
        yield from lines[:at]
        for task_row in rows:
            yield Padding(task_row, (0, 0, 0, indent)) if indent else task_row
        yield from lines[at:]

    def _visible(self, height: int) -> list[Task]:
        """What fits on the screen: where not all do, finished tasks are the first to go."""
        tasks = list(self._tasks.values())
        for finished in [task for task in tasks if task.finished]:
            if sum(1 if _is_short(task) else 2 for task in tasks) < height:
                break
            tasks.remove(finished)
        return tasks


def _is_short(task: Task) -> bool:
    return len(task.title) <= SHORT


def _rows(task: Task, now: float, width: int, most: int) -> Iterator[RenderableType]:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    short = _is_short(task)
    if not short:
        yield Text(task.title, no_wrap=True, overflow="ellipsis")
    title, indent = (task.title, width) if short else ("", 1)
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_column(width=indent)
    row.add_column(width=BAR)
    row.add_column(no_wrap=True, overflow="ellipsis", max_width=max(1, most - indent - BAR - 2))
    bar = ProgressBar(task.total or None, min(task.done, task.total), width=BAR, animation_time=now)
    row.add_row(Text(title), bar, Text(task.figures(now), style="dim" if task.finished else ""))
    yield row
