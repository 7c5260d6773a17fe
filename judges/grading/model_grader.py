"""The grader `model`: a model that reads an answer and grades it by a rubric, at a server or loaded here.

Its grades are kept in the store by what it was asked, so nothing is graded twice: not when a run goes on, not when
another run gives the same answer, and answers that people graded only once for a judge.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backends.endpoint.text import control_names
from harness.types import Grade, GradeRequest
from judges.grading import prompts
from judges.grading.jobs import Job, jobs_of
from judges.grading.options import grader_options, worded
from judges.store import Store
from judges.store.rows import GradeRow, JudgeRow

if TYPE_CHECKING:
    from judges.grading.jobs import Asking
    from judges.grading.options import GraderOptions


class ModelGrader:
    """`asking` asks the model what the store does not have."""

    @classmethod
    def of(cls, settings: Mapping[str, Any], where: str) -> ModelGrader:
        """A part of the kind `harness.graders`."""
        from harness.errors import UsageError
        from harness.options import OptionError

        options = grader_options(settings, where)
        try:
            return cls(options, _asking(options))
        except OptionError as error:
            raise UsageError(worded(error, where)) from error

    def __init__(self, options: GraderOptions, asking: Asking) -> None:
        self._asking = asking
        self.name = options.model if options.base_url else Path(options.model).name
        self.digests = asking.digests
        self.identity: Mapping[str, Any] = {
            "grader": "model",
            "version": prompts.VERSION,
            "prompts": prompts.digest(),
            "temperature": None if options.temperature < 0 else options.temperature,
            "max_tokens": options.max_tokens,
            **asking.identity,
        }
        self.notes: Sequence[str] = ()

    @property
    def id(self) -> str:
        return hashlib.sha256(json.dumps(dict(self.identity), sort_keys=True).encode()).hexdigest()

    def grade(self, requests: Sequence[GradeRequest], db: str) -> Iterator[list[tuple[int, Grade]]]:
        store = Store(db)
        asked = [prompts.asked(request) for request in requests]
        places: dict[str, list[int]] = {}
        for place, ask in enumerate(asked):
            places.setdefault(ask.request, []).append(place)

        def named(rows: Sequence[GradeRow]) -> list[tuple[int, Grade]]:
            return [(place, Grade(row.grade, row.text, row.error)) for row in rows for place in places[row.request]]

        with store.lease(self.id[:16], f"Grading by {self.name}"):
            config = {**self.identity, **self._asking.recorded}
            store.save_judge(JudgeRow(self.id, "model", self.name, datetime.now(UTC), self.name, config))
            jobs = [Job(asked[some[0]], requests[some[0]].scale) for some in places.values()]
            open_jobs, there = jobs_of(jobs, store.grades(self.id, places), self._asking.most_asked)
            if there:
                yield named(there)
            rows = list(there)
            for batch in self._asking.ask(store, self.id, open_jobs, there):
                rows += batch
                yield named(batch)
            self.notes = [self._account(rows, len(there)), *_control(requests)]

    def _account(self, rows: Sequence[GradeRow], before: int) -> str:
        cost = self._asking.cost
        spent = "" if cost is None else f", cost {cost:.4g}"
        known = f" ({before:,} of them before)" if before else ""
        tokens_in, tokens_out = (sum(getattr(row, name) for row in rows) for name in ("tokens_in", "tokens_out"))
        answers = "1 answer" if len(rows) == 1 else f"{len(rows):,} answers"
        return f"{self.name} read {answers}{known}: {tokens_in:,} tokens in and {tokens_out:,} out{spent}"


def _asking(options: GraderOptions) -> Asking:
    if options.base_url is None:
        from judges.grading.checkpoint import AskedCheckpoint

        return AskedCheckpoint(options)
    from judges.grading.server import AskedServer

    return AskedServer(options, options.base_url)


def _control(requests: Sequence[GradeRequest]) -> list[str]:
    """Of texts that the model may read otherwise than as text: from here that can be neither helped nor seen."""
    marked = [names for request in requests if (names := control_names((request.question, request.answer)))]
    if not marked:
        return []
    names = list(dict.fromkeys(name for some in marked for name in some))
    return [
        f"{len(marked)} of {len(requests)} graded answers or their questions hold {', '.join(names[:6])}; a server may "
        "read such names as control tokens"
    ]
