"""Progress of work that is a part of other work."""

from __future__ import annotations

from typing import Any, Self

from harness.progress.progress import Progress


class Named(Progress):
    """Puts the name of the whole before each task's. At the end of its block none of them is shown any more."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name = progress, name
        self._tasks: dict[str, None] = {}

    def update(self, task: str, done: float = 0, total: int = 0, **figures: Any) -> None:
        self._tasks[task] = None
        self._progress.update(f"{self._name}: {task}", done, total, **figures)

    def end(self, task: str, result: str = "") -> None:
        self._tasks.pop(task, None)
        self._progress.end(f"{self._name}: {task}", result)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for task in list(self._tasks):
            self.end(task)
