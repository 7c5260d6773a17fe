"""The loop of a study: ask, look up, train, record, tell.

Everything that is decided (which trial has which number, who goes on from a rung, what an optimizer is told) is a
function of the recorded results in the order of proposal. Resume is therefore this same loop, run from its beginning
with a fresh optimizer: what the ledger knows is told at once, and what it lacks is trained.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import IncompleteError, StoreError, UsageError
from tuning.objectives.objectives import Measure
from tuning.search import failures, rungs
from tuning.search.search_progress import SearchProgress
from tuning.search.worker_pool import WorkerPool
from tuning.search.workers import Batch, Job, Reply, reply_to
from tuning.store import AttemptRow, TrialRow
from tuning.store.rows import Source
from tuning.study.ledger import Ledger
from tuning.types import Hyperparameters, Measured, Optimizer, Phase, Point, Step

if TYPE_CHECKING:
    from tuning.study.space import Space

Ending = Literal["budget", "optimizer", "halted"]
LOOK = 0.5  # seconds between two looks for what people ask of a running study


class Halted(Exception):
    """No further job was to begin."""


@dataclass(slots=True)
class Search:
    """`start` are the points that come first, by label; each is trained, and told where the space holds it."""

    space: Space
    defaults: Hyperparameters
    start: Sequence[tuple[str, Hyperparameters]]
    optimizer: Optimizer
    ledger: Ledger
    pool: WorkerPool
    objectives: Sequence[Measure]
    constraints: Sequence[Measure]
    folder: Path  # of the study's adapters
    budget: int  # distinct trials
    keep: int = 5  # adapters
    packed: int = 1  # trials of a block trained together over one pass through the base
    may_start: Callable[[], bool] = lambda: True
    settled: Callable[[TrialRow], None] = lambda trial: None
    progress: SearchProgress = field(default_factory=SearchProgress)
    names: Sequence[str] = ()  # of the objectives, for people
    _looked: float = -math.inf

    def run(self) -> Ending:
        """To the end of the budget, of what the optimizer has to propose, or of `may_start`. Raises what a job or the
        store could not go on with; whatever was finished is recorded."""
        try:
            ending = self._search()
            self._stop_if_all_fail(1)
            self._whole()
        except Halted:
            ending = "halted"
        except BaseException:
            with suppress(StoreError):  # what went wrong is said already
                self.ledger.settle(self.ledger.failed)
                self.ledger.flush()
            raise
        self.ledger.flush()
        return ending

    def _stop_if_all_fail(self, few: int = failures.FEW) -> None:
        """IncompleteError where every trial, and few at least, failed for one reason that the next would meet too."""
        attempts = self.ledger.attempts.values()
        if reason := failures.one_reason(attempts, few):
            raise IncompleteError(failures.sentence(reason, len({a.trial for a in attempts})))

    def _search(self) -> Ending:
        ledger = self.ledger
        ledger.store.forget_half(ledger.study)
        self._advance(ledger.start([self._first(label, hyper) for label, hyper in self.start], self.budget))
        self._advance([trial for trial in ledger.unsettled if trial.source == "enqueued"])
        while ledger.started < self.budget or ledger.unsettled:
            enqueued = self._enqueued()
            points = self.optimizer.ask()
            hypers = [self.space.hyperparameters(point, self.defaults) for point in points]
            asked = ledger.start([(h, p, "optimizer", "") for h, p in zip(hypers, points, strict=True)], self.budget)
            self._advance([*enqueued, *asked])
            if not points:
                return "optimizer"
            if any(trial is None for trial in asked):
                break
            self.optimizer.tell([ledger.outcome(trial.number) for trial in asked if trial])
        return "budget"

    def _first(self, label: str, hyper: Hyperparameters) -> tuple[Hyperparameters, Point, Source, str]:
        return hyper, self.space.point(hyper, self.defaults) or {}, "start", label

    def _enqueued(self) -> list[TrialRow | None]:
        """Points that people asked for since the last look, as trials."""
        ledger = self.ledger
        if time.monotonic() - self._looked < LOOK:
            return []
        self._looked = time.monotonic()
        points = ledger.store.enqueued(ledger.study)[: max(0, self.budget - ledger.started)]
        wanted = [(self.space.hyperparameters(point, self.defaults), point) for point in points]
        return ledger.start([(h, point, "enqueued", "") for h, point in wanted], self.budget, points)

    def _advance(self, group: Sequence[TrialRow | None]) -> None:
        """Train what a group lacks, rung by rung, and settle it."""
        ledger = self.ledger
        fresh = {t.number: t for t in group if t is not None and ledger.trials[t.number - 1].state == "running"}
        if not fresh:
            return
        going = numbers = sorted(fresh)
        for rung, fraction in enumerate(ledger.fractions):
            if rung:
                going = ledger.going_on(rung - 1, going, numbers)
            batches = [going[at : at + self.packed] for at in range(0, len(going), self.packed)]
            lacking = [batch for batch in batches if any(not self._known(n, fraction) for n in batch)]
            self._train([[self._job(fresh[n], fraction) for n in batch] for batch in lacking])
        for trial in ledger.settle([fresh[number] for number in numbers]):
            self.settled(trial)
        ledger.drop(self.keep)

    def _known(self, number: int, fraction: float) -> bool:
        return (number, "search", fraction, self.ledger.seed) in self.ledger.attempts

    def _whole(self) -> None:
        """With rungs: the best by estimate are trained on all rows, and the best of these is the study's best."""
        ledger = self.ledger
        if not ledger.finals:
            return
        done = {trial for trial, purpose, _, seed in ledger.attempts if purpose == "final" and seed == ledger.seed}
        wanted = [t for t in ledger.promising() if ledger.whole(t.number) is None and t.number not in done]
        self._train([[self._job(trial, ledger.fractions[-1], "final")] for trial in wanted])
        ledger.drop(self.keep)

    def _job(self, trial: TrialRow, fraction: float, purpose: Literal["search", "final"] = "search") -> Job:
        from tuning.study.ledger import hyper_of

        to = self.folder / f"trial-{trial.number:04d}" / f"{purpose}-{fraction:g}-seed{self.ledger.seed}"
        hyper = rungs.shrunk(hyper_of(trial.hyperparameters), fraction)
        return Job(trial.number, hyper, fraction, self.ledger.seed, to, purpose)

    def _train(self, batches: Sequence[Batch]) -> None:
        """Of a batch of which a part is known (it was cut off while it was recorded), all is trained as it was, and
        what lacks is recorded: companions decide the numbers that dropout draws."""
        left = {job for batch in batches for job in batch}

        def on_reply(job: Job, reply: Reply) -> None:
            left.discard(job)
            if (job.trial, job.purpose, job.fraction, job.seed) not in self.ledger.attempts:
                self.progress.measuring(job)
                attempt = record(self.ledger, job, reply, self.objectives, self.constraints)
                self.progress.ended(job, attempt, self.names)
                self._stop_if_all_fail()

        note = lambda text: self.ledger.store.note(self.ledger.study, text)  # noqa: E731
        self.pool.run(batches, self._on_progress, on_reply, self.may_start, note)
        if left:
            raise Halted

    def _on_progress(self, job: Job, message: Step | Phase) -> None:
        if isinstance(message, Step):
            self.ledger.step(job, message)
        self.progress.follow(job, message)


def record(
    ledger: Ledger, job: Job, reply: Reply, objectives: Sequence[Measure], constraints: Sequence[Measure]
) -> AttemptRow:
    """Measure what a job gave and commit it. An objective that cannot be measured, or is no number, fails the attempt;
    raises what stops the study."""
    if reply.stop is not None:
        raise reply.stop
    if reply.trained is None:
        return ledger.record(job, reply, (), ())
    measured = Measured(reply.trained, reply.adapter_bytes)
    try:
        values = tuple(float(measure(measured)) for measure in objectives)
        limits = tuple(float(measure(measured)) for measure in constraints)
    except Exception as error:
        failure = reply_to(error)
        if failure.stop is not None:
            raise failure.stop from error
        return ledger.record(job, reply, (), (), f"its objective cannot be measured: {failure.failed}")
    if not all(-1e300 < number < 1e300 for number in (*values, *limits)):
        return ledger.record(job, reply, (), (), f"its objectives are no finite numbers: {values}")
    return ledger.record(job, reply, values, limits)


def check_point(space: Space, point: Point) -> None:
    """UsageError where a point that a person wrote is none of the space."""
    try:
        space.check(point)
    except UsageError as error:
        raise UsageError(f"{error} The space is {', '.join(space.names)}.") from error
