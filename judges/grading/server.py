"""A model at a server that grades: what is missing is asked, each grade stored, money kept in bounds.

As judges/judging/session.py has it for comparisons: a worker asks its next request when the last grade is on the disk,
so a killed session repeats what was under way and no more.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from harness.backends.endpoint import replies
from harness.backends.endpoint.client import RefusedError, Remote, UnavailableError
from harness.backends.endpoint.replies import UnreadableError
from harness.errors import HarnessError, IncompleteError
from harness.models.served import resolve_served
from judges.grading import prompts
from judges.grading.jobs import Job, row_of
from judges.grading.options import GraderOptions
from judges.judging.cost import Budget, Estimate, Prices, SpentError, estimate, prices, worst_tokens
from judges.judging.grouped_writes import GroupedWrites
from judges.judging.model_judge import MOST_ASKED, NO_ANSWER, REFUSED, UNREADABLE, request_body
from judges.judging.session import REFUSED_ALONE
from judges.judging.verdict import UnclearError
from judges.store import Store
from judges.store.rows import GradeRow


class AskedServer:
    """The server's address is recorded and decides no grade: a server may move."""

    most_asked = MOST_ASKED

    def __init__(self, options: GraderOptions, base_url: str) -> None:
        self._options, self._base_url = options, base_url
        self._rates = prices(options.price_in, options.price_out, options.max_cost)
        served = resolve_served(base_url, options.model, None, None)
        self.digests: Collection[str] = {served.digest, served.given}
        self.identity: Mapping[str, Any] = {"model": options.model}
        self.recorded: Mapping[str, Any] = {"base_url": base_url}
        self.cost: float | None = None

    def ask(self, store: Store, judge: str, jobs: Sequence[Job], there: Sequence[GradeRow]) -> Iterator[list[GradeRow]]:
        options = self._options
        _say_estimate(
            options.model, estimate([worst_tokens(job.messages) for job in jobs], options.max_tokens, self._rates)
        )
        remote = Remote(
            self._base_url, concurrency=options.concurrency, timeout=options.timeout, attempts=options.attempts
        )
        session = store.open_session(judge) if self._rates and jobs else ""
        before = [*there, *(job.before for job in jobs if job.before)]
        spent = sum(row.cost or 0.0 for row in before) + (store.unaccounted(judge) if self._rates else 0.0)
        budget = Budget(
            self._rates, options.max_cost, spent, lambda lost, held: store.save_session(session, lost, held)
        )
        work = _Work(store, judge, options, remote, budget, session)
        try:
            yield from work.run(jobs)
        except BaseException:  # the caller has gone, or Ctrl-C
            work.writes.end()
            raise
        finally:
            if session:
                budget.close()
            self.cost = budget.total if self._rates else None
        work.check_complete(len(jobs))


class _Work:
    """One session. `run` yields what was stored."""

    def __init__(
        self, store: Store, judge: str, options: GraderOptions, remote: Remote, budget: Budget, session: str
    ) -> None:
        self.store, self.judge, self.options, self.remote = store, judge, options, remote
        self.budget, self.session = budget, session
        self.writes = GroupedWrites(self._write)
        self.stopped = ""  # why the session ended before everything was graded
        self.stored = 0
        remote.meter = self if budget.rates else None

    def run(self, jobs: Sequence[Job]) -> Iterator[list[GradeRow]]:
        def calls() -> Iterator[Callable[[], GradeRow]]:
            for job in jobs:
                if self.stopped:
                    return
                yield partial(self._ask, job)

        refused: list[tuple[GradeRow, RefusedError]] = []
        silent = 0  # requests without an answer, in a row
        for index, answer in self.remote.map(calls()):
            rows: list[GradeRow] = []
            if isinstance(answer, GradeRow):
                silent = 0
                rows = [answer]
            elif isinstance(answer, UnreadableError):
                silent = 0
                rows = [row_of(self.judge, jobs[index], error=f"{UNREADABLE}: {answer}")]
                self.writes.store(rows)
            elif isinstance(answer, SpentError):
                self.stopped = str(answer)
            elif isinstance(answer, RefusedError) and answer.status in REFUSED_ALONE:
                refused.append((row_of(self.judge, jobs[index], error=f"{REFUSED}: {answer}"), answer))
            elif isinstance(answer, UnavailableError):
                silent += 1
                if silent >= self.remote.concurrency:
                    self.stopped = str(answer)
            else:
                raise answer
            self.stored += len(rows)
            if refused and self.stored:  # until one request is answered it may be that none will be
                late = [row for row, _ in refused]
                self.writes.store(late)
                self.stored += len(late)
                rows, refused = [*rows, *late], []
            if rows:
                yield rows
        if refused:
            raise refused[0][1]

    def check_complete(self, asked: int) -> None:
        if self.stored < asked:
            why = self.stopped or f"{asked - self.stored} requests were not answered; the same command goes on."
            raise IncompleteError(f"{self.options.model}: {self.stored:,} of {asked:,} answers were graded. {why}")

    def begin(self, body: Mapping[str, Any]) -> None:
        """An attempt is about to be sent (see harness.backends.endpoint.client.Meter)."""
        self.budget.begin(self._cost(worst_tokens(body["messages"]), self.options.max_tokens))

    def release(self) -> None:
        self.budget.release()

    def _ask(self, job: Job) -> GradeRow:
        """On a worker's thread: asked until there is a grade, MOST_ASKED times in all; each time is on the disk."""
        while True:
            try:
                row = self._once(job)
            except HarnessError:
                self.budget.fail()
                raise
            if row.grade or row.error.startswith(NO_ANSWER) or row.asked >= MOST_ASKED:
                return row
            job = Job(job.asked, job.scale, row)

    def _once(self, job: Job) -> GradeRow:
        options, began = self.options, time.perf_counter()
        temperature = None if options.temperature < 0 else options.temperature
        body = request_body(options.model, job.messages, options.max_tokens, temperature, self.remote.base_url)
        reply = replies.chat(self.remote.chat(**body))
        tokens_in, tokens_out = reply.asked, reply.generated
        if tokens_in is None or tokens_out is None:
            tokens_in, tokens_out = worst_tokens(job.messages), options.max_tokens  # not counted: taken at its worst
        cost = self._cost(tokens_in, tokens_out) if self.budget.rates else None
        values: dict[str, Any] = {
            "text": reply.text or (f"({reply.missing})\n{reply.thought}" if reply.thought else ""),
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "cost": cost,
            "seconds": time.perf_counter() - began,
        }
        if reply.missing:
            row = row_of(self.judge, job, **values, error=f"{NO_ANSWER}: {reply.missing}")
        else:
            try:
                grade = prompts.read_reply(reply.text, reply.finish == "length", job.asked.code, job.scale)
                row = row_of(self.judge, job, **values, grade=grade)
            except UnclearError as unclear:
                row = row_of(self.judge, job, **values, error=str(unclear))
        stored = self.budget.settle(cost) if cost is not None else lambda: None
        self.writes.store([row])
        stored()
        return row

    def _cost(self, tokens_in: int, tokens_out: int) -> float:
        rates: Prices | None = self.budget.rates
        assert rates is not None
        return rates.of(tokens_in, tokens_out)

    def _write(self, rows: Sequence[GradeRow]) -> None:
        with self.budget.account() if self.session else nullcontext((0.0, 0.0)) as (lost, held):
            self.store.record_grades(rows, self.session, lost, held)


def _say_estimate(judge: str, costs: Estimate) -> None:
    if costs.requests:
        most = MOST_ASKED * (costs.most or 0.0)
        cost = "" if costs.cost is None else f", cost about {costs.cost:.4g} and at most {most:.4g}"
        sys.stderr.write(
            f"{judge}: {costs.requests:,} answers to grade, about {costs.tokens_in:,} tokens in and "
            f"{costs.tokens_out:,} out{cost}\n"
        )
