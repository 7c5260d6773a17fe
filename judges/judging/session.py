"""A model judge at work: what is missing is asked, each verdict stored, money kept in bounds.

A worker asks its next request only when the verdict on the last one is on the disk, so a killed session repeats the
requests that were under way and no other. A request that equals one this judge has answered (the same answers under
other names) is not sent again; its verdict is taken over, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.backends.endpoint.client import RefusedError, Remote, UnavailableError
from harness.backends.endpoint.replies import UnreadableError
from harness.errors import HarnessError, IncompleteError, UnreliableError
from harness.progress import SILENT, Progress
from judges.judging.cost import Budget, Prices, SpentError, worst_tokens
from judges.judging.grouped_writes import GroupedWrites
from judges.judging.model_judge import (
    MOST_ASKED,
    NO_ANSWER,
    REFUSED,
    TAKEN_OVER,
    UNREADABLE,
    Job,
    Plan,
    ask,
    empty_row,
    in_all,
    taken_over,
)
from judges.store.rows import ComparisonRow, JudgeRow

if TYPE_CHECKING:
    from judges.store import Store

REFUSED_ALONE = (400, 413, 422)  # of one request (too long for the model); other refusals are of all
TOO_MANY_ERRORS = 0.2


@dataclass(slots=True)
class Outcome:
    """How one judge's part of a contest stands."""

    judge: JudgeRow
    asked: int
    before: int  # verdicts that were there already
    verdicts: dict[str, int] = field(default_factory=dict)  # by verdict, "error" among them
    errors: dict[str, int] = field(default_factory=dict)  # why there is no verdict: how often
    unanswered: int = 0  # not judged yet, because the server did not answer
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None  # of these pairs, lost requests of this judge included
    taken_over: int = 0  # verdicts of equal requests
    stopped: str = ""  # why the session ended before everything was judged
    warnings: Sequence[str] = ()
    of: int | None = None  # verdicts that all pairs take, where some were chosen

    @property
    def stored(self) -> int:
        return sum(self.verdicts.values())

    @property
    def error_rate(self) -> float:
        """Of all that was tried: verdicts that are errors, and requests without an answer."""
        tried = self.stored + self.unanswered
        return (self.verdicts.get("error", 0) + self.unanswered) / tried if tried else 0.0

    def count(self, row: ComparisonRow) -> None:
        """Take a stored verdict into the counts."""
        self.taken_over += row.note == TAKEN_OVER
        self.verdicts[row.verdict] = self.verdicts.get(row.verdict, 0) + 1
        if row.error:
            reason = _reason(row.error)
            self.errors[reason] = self.errors.get(reason, 0) + 1
        self.tokens_in += row.tokens_in
        self.tokens_out += row.tokens_out


def judge(
    store: Store,
    plan: Plan,
    remote: Remote,
    rates: Prices | None = None,
    max_cost: float | None = None,
    progress: Progress = SILENT,
) -> Outcome:
    """Ask what is missing and store each verdict. KeyboardInterrupt says how far it came.

    Raises RefusedError where the server takes no request at all. A server that is gone, or a limit that is reached,
    ends the session and stands in `stopped`; errors stand in the outcome and are judged by the caller."""
    row = plan.spec.row(remote.base_url)
    store.save_judge(row)
    outcome = Outcome(row, len(plan.jobs) + len(plan.there), len(plan.there), warnings=plan.warnings)
    for comparison in plan.there:
        outcome.count(comparison)
    session = store.open_session(row.id) if rates and plan.jobs else ""
    before = [*plan.there, *(job.error for job in plan.jobs if job.error)]
    spent = sum(comparison.cost or 0.0 for comparison in before) + (store.unaccounted(row.id) if rates else 0.0)
    budget = Budget(rates, max_cost, spent, lambda lost, held: store.save_session(session, lost, held))
    work = _Work(store, plan, remote, budget, session, outcome)
    tokens_before = outcome.tokens_in + outcome.tokens_out
    try:
        progress.update(row.name, outcome.stored, outcome.asked, unit="verdicts")
        for _ in work.run():
            tokens = outcome.tokens_in + outcome.tokens_out - tokens_before
            progress.update(row.name, outcome.stored, outcome.asked, unit="verdicts", tokens=tokens)
    except KeyboardInterrupt:
        work.writes.end()
        raise KeyboardInterrupt(
            f"Stopped. {outcome.stored:,} of {outcome.asked:,} verdicts are stored; the same command goes on."
        ) from None
    if session:
        budget.close()
    outcome.cost = budget.total if rates else None
    return outcome


def _reason(error: str) -> str:
    """An error as it is counted: what is the server's doing is said whole, but for what a model refused with."""
    kind, _, rest = error.partition(": ")
    if kind not in (NO_ANSWER, UNREADABLE):
        return kind.partition(":")[0]
    return f"{kind}: {rest.partition(': ')[0] if kind == NO_ANSWER else rest}"


class _Work:
    """One session. `run` yields whenever verdicts were stored."""

    def __init__(
        self, store: Store, plan: Plan, remote: Remote, budget: Budget, session: str, outcome: Outcome
    ) -> None:
        self.store, self.plan, self.remote, self.budget = store, plan, remote, budget
        self.session, self.outcome = session, outcome
        self.judge_id = outcome.judge.id
        self.alike: dict[str, list[Job]] = {}  # by request: jobs that one answer serves, the first of them is sent
        for job in plan.jobs:
            self.alike.setdefault(job.request, []).append(job)
        self.writes = GroupedWrites(self._write)
        remote.meter = self if budget.rates else None

    def run(self) -> Iterator[None]:
        stored = [row for row in self.store.comparisons([self.judge_id]) if row.verdict != "error"]
        known = {row.request: row for row in stored if row.request in self.alike}
        if known:
            alike = [(row, job) for request, row in known.items() for job in self.alike.pop(request)]
            self._done([in_all(taken_over(row, job), job) for row, job in alike])
            yield
        order = [jobs[0] for jobs in self.alike.values()]
        going = True

        def calls() -> Iterator[Callable[[], list[ComparisonRow]]]:
            for job in order:
                if not going:
                    return
                yield partial(self._ask, job)

        refused: list[tuple[ComparisonRow, RefusedError]] = []
        silent = 0  # requests without an answer, in a row
        for index, answer in self.remote.map(calls()):
            if isinstance(answer, list):
                silent = 0
                self._count(answer)
            elif isinstance(answer, UnreadableError):
                silent = 0
                self._done(self._rows(empty_row(self.judge_id, order[index], f"{UNREADABLE}: {answer}")))
            elif isinstance(answer, SpentError):
                self.outcome.stopped, going = str(answer), False
            elif isinstance(answer, RefusedError) and answer.status in REFUSED_ALONE:
                refused.append((empty_row(self.judge_id, order[index], f"{REFUSED}: {answer}"), answer))
            elif isinstance(answer, UnavailableError):
                self.outcome.unanswered += 1
                silent += 1
                if silent >= self.remote.concurrency:
                    self.outcome.stopped, going = str(answer), False
            else:
                raise answer
            if refused and self.outcome.stored:  # until one request is answered it may be that none will be
                self._done([every for row, _ in refused for every in self._rows(row)])
                refused = []
            yield
        if refused:
            raise refused[0][1]

    def begin(self, body: Mapping[str, Any]) -> None:
        """An attempt is about to be sent (see harness.backends.endpoint.client.Meter)."""
        assert self.budget.rates is not None
        self.budget.begin(self.budget.rates.of(worst_tokens(body["messages"]), self.plan.spec.max_tokens))

    def release(self) -> None:
        self.budget.release()

    def _ask(self, job: Job) -> list[ComparisonRow]:
        """On a worker's thread: the verdicts that one request brought, on the disk."""
        try:
            row = ask(self.remote, self.plan.spec, self.budget.rates, self.judge_id, job)
        except HarnessError:
            self.budget.fail()
            raise
        stored = self.budget.settle(row.cost) if row.cost is not None else lambda: None
        rows = self._rows(row)
        self.writes.store(rows)
        stored()
        return rows

    def _rows(self, row: ComparisonRow) -> list[ComparisonRow]:
        """What came of a request, for each of the jobs that it serves."""
        first, *others = self.alike[row.request]
        return [in_all(row, first), *(in_all(taken_over(row, other), other) for other in others)]

    def _write(self, rows: Sequence[ComparisonRow]) -> None:
        with self.budget.account() if self.session else nullcontext((0.0, 0.0)) as (lost, held):
            self.store.record_comparisons(rows, self.session, lost, held)

    def _done(self, rows: Sequence[ComparisonRow]) -> None:
        self.writes.store(rows)
        self._count(rows)

    def _count(self, rows: Sequence[ComparisonRow]) -> None:
        for row in rows:
            self.outcome.count(row)


def reliable(outcomes: Sequence[Outcome]) -> None:
    """UnreliableError above a fifth of errors, IncompleteError where something is not judged yet."""
    for outcome in outcomes:
        if outcome.error_rate > TOO_MANY_ERRORS:
            reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(outcome.errors.items()))
            reasons = reasons or f"{outcome.unanswered} not answered: {outcome.stopped or 'the server failed'}"
            raise UnreliableError(
                f"{outcome.judge.name} gave no verdict on {outcome.error_rate:.0%} of what it was asked ({reasons}). "
                "Its other verdicts are stored, and should not be believed before the cause is known. The same command "
                f"asks for the missing ones again (where the judge's own text was unclear, {MOST_ASKED} times in all)."
            )
    for outcome in outcomes:
        if outcome.stored < outcome.asked:
            raise IncompleteError(
                f"{outcome.judge.name}: {outcome.stored:,} of {outcome.asked:,} verdicts are there. "
                + (outcome.stopped or f"{outcome.unanswered:,} requests were not answered; the same command goes on.")
            )
