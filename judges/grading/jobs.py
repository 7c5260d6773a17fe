"""What a model still has to grade, and how it is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from judges.grading.prompts import Asked
from judges.judging.model_judge import SERVERS
from judges.store import Store
from judges.store.rows import GradeRow


@dataclass(frozen=True, slots=True)
class Job:
    asked: Asked
    scale: tuple[str, ...]
    before: GradeRow | None = None  # what came of it, where it was asked and gave no grade

    @property
    def messages(self) -> list[dict[str, str]]:
        return [{"role": "user", "content": self.asked.text}]


class Asking(Protocol):
    """A way to ask a model."""

    most_asked: int  # times in all, while the model's text holds no grade
    identity: Mapping[str, Any]  # what of it decides grades
    recorded: Mapping[str, Any]  # what else is stored with the judge
    digests: Collection[str]
    cost: float | None  # of all that was asked for, once `ask` is done; None without prices

    def ask(self, store: Store, judge: str, jobs: Sequence[Job], there: Sequence[GradeRow]) -> Iterator[list[GradeRow]]:
        """Ask, store, and yield what is stored. IncompleteError where it cannot go on now."""
        ...


def jobs_of(jobs: Sequence[Job], known: Sequence[GradeRow], most_asked: int) -> tuple[list[Job], list[GradeRow]]:
    """What is open, and what is there. An error is asked again, as errors of comparisons are: always where it was the
    server's doing, and `most_asked` times in all where the model's text held no grade."""
    by_request = {row.request: row for row in known}
    open_jobs, there = [], []
    for job in jobs:
        row = by_request.get(job.asked.request)
        if row is None:
            open_jobs.append(job)
        elif row.grade or not (row.error.startswith(SERVERS) or row.asked < most_asked):
            there.append(row)
        else:
            open_jobs.append(replace(job, before=row))
    return open_jobs, there


def row_of(judge: str, job: Job, **values: Any) -> GradeRow:
    """What came of asking once, with what the times before cost."""
    row = GradeRow(judge, job.asked.request, datetime.now(UTC), **values)
    before = job.before
    if before is None:
        return row
    return replace(
        row,
        asked=before.asked + (0 if before.error.startswith(SERVERS) else 1),
        tokens_in=before.tokens_in + row.tokens_in,
        tokens_out=before.tokens_out + row.tokens_out,
        cost=None if row.cost is None and before.cost is None else (row.cost or 0.0) + (before.cost or 0.0),
        seconds=before.seconds + row.seconds,
    )
