"""What long work tells of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.progress.outline import OutlineEntry


class Progress:
    """Takes what long work tells, and shows nothing of it; who shows it overrides the first three methods. On one
    thread."""

    def update(
        self,
        task: str,
        done: float = 0,
        total: int = 0,
        *,
        phase: str = "",
        unit: str = "",
        detail: str = "",
        tokens: int = 0,
        left: str | None = None,
    ) -> None:
        """`task` is at `done` of `total` (0: it cannot be counted) of a unit, in a phase if it has several.

        `tokens` went through the model in this phase and session. `left` is the caller's estimate of the time left, ""
        where it has none yet; None: as what is done took."""

    def end(self, task: str, result: str = "") -> None:
        """The task has ended, and is shown no more; `result` is what it gave."""

    def outline(self, parts: Sequence[OutlineEntry]) -> None:
        """How far each part of the whole is, whose tasks are those of the part under way; () where it has ended."""

    @contextmanager
    def step(self, task: str) -> Iterator[None]:
        """A task that cannot be counted, from here to the end of the block."""
        self.update(task)
        try:
            yield
        finally:
            self.end(task)


SILENT = Progress()
