"""Progress as lines, for a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.progress.budget import LineBudget
from harness.progress.outline import OutlineEntry
from harness.progress.progress import Progress
from harness.progress.task import SOON, Task, span

QUIET = 30.0  # seconds at most without a line of a task that is under way
LEAST = 1.0  # seconds at least between two lines of a task


@dataclass(slots=True)
class _Logged:
    task: Task
    mark: tuple[str, int] = ("", -1)  # its phase and tenth when it had its last line
    at: float = 0.0  # of its last line
    line: str = ""
    finished: bool = False


class Log(Progress):
    """A line when a task begins, at each tenth, after QUIET seconds at least, and when it ends. Where many tasks are
    short, some have none (LineBudget). Of the parts of the whole, a line where the one under way has come further."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._tasks: dict[str, _Logged] = {}
        self._budget = LineBudget(clock())
        self._outline = ""  # the last line of the whole
        self._lock = threading.RLock()

    def update(self, task: str, done: float = 0, total: int = 0, **figures: Any) -> None:
        with self._lock:
            now = self._clock()
            logged = self._tasks.setdefault(task, _Logged(Task(task, now)))
            logged.task.take(now, done, total, **figures)
            self._look(logged, now)

    def end(self, task: str, result: str = "") -> None:
        with self._lock:
            logged = self._tasks.pop(task, None)
            if result and ((logged and logged.line) or self._budget.spend(self._clock())):
                self._write(f"{task}: {result}\n")

    def outline(self, parts: Sequence[OutlineEntry]) -> None:
        left = [part for part in parts if not part.is_done]
        if not left:
            return
        behind = f", then {', '.join(part.name for part in left[1:])}" if left[1:] else ""
        line = f"{left[0].name}: {left[0].count or 'to do'}{behind}\n"
        with self._lock:
            if line != self._outline:
                self._outline = line
                self._write(line)

    def look(self) -> None:
        """Write what has become due with time; called every second or so, on any thread."""
        with self._lock:
            now = self._clock()
            for logged in list(self._tasks.values()):
                self._look(logged, now)

    def _look(self, logged: _Logged, now: float) -> None:
        task = logged.task
        if task.finished and not task.phase and not task.summary:
            if not logged.finished:
                logged.finished = True
                self._say(logged, now)
            return
        logged.finished = False
        if self._is_due(logged, now) and self._budget.spend(now):
            self._say(logged, now)

    def _is_due(self, logged: _Logged, now: float) -> bool:
        task, since = logged.task, now - logged.at
        if not logged.line:
            return task.total > 0 or now - task.began >= SOON
        if task.summary and (since >= QUIET or (task.finished and not task.left)):
            return self._text(task, now) != logged.line
        if since >= QUIET:
            return True
        return task.total > 0 and since >= LEAST and _mark(task) != logged.mark

    def _say(self, logged: _Logged, now: float) -> None:
        text = self._text(logged.task, now)
        again = text == logged.line and not logged.task.finished
        logged.at, logged.line, logged.mark = now, text, _mark(logged.task)
        self._write(f"{text}, {span(now - logged.task.began)} so far\n" if again else f"{text}\n")

    def _text(self, task: Task, now: float) -> str:
        figures = task.figures(now)
        return f"{task.title}{', ' if task.phase else ': '}{figures}" if figures else task.title


def _mark(task: Task) -> tuple[str, int]:
    """Phase and tenth: 0 at the start, and the first that is done is worth a line too."""
    done = int(task.done)
    return task.phase, min(done, 1) + 10 * done // max(1, task.total)
