"""What workers tell of their jobs, as a row a job; and a row of all, with the best so far and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.progress import SILENT, Progress
from harness.progress.task import about, span
from tuning.search.time_left import seconds_left
from tuning.types import Phase, Step

if TYPE_CHECKING:
    from tuning.search.workers import Job
    from tuning.store import AttemptRow
    from tuning.store.rows import Purpose

SMOOTH = 0.9  # of the mean loss stays with each step
LOOK = 1.0  # seconds between two estimates of the time left
UNITS = {"training": "steps"}  # of phases; others count rows
PREPARING = "preparing"


@dataclass(slots=True)
class _Running:
    """A job under way."""

    began: float
    phase: Phase
    phase_began: float
    loss: float = 0.0  # a mean that forgets, and its weight
    weight: float = 0.0
    sharing: float = 1.0  # jobs that its worker does at once, where they are packed
    whole: float | None = None  # seconds that all its training will have taken; None while too little of it is done
    measuring: float | None = None  # since when

    def take(self, step: Step) -> None:
        self.loss = SMOOTH * self.loss + (1 - SMOOTH) * step.loss
        self.weight = SMOOTH * self.weight + (1 - SMOOTH)

    @property
    def detail(self) -> str:
        return f"loss {self.loss / self.weight:.4g}" if self.weight and self.phase.name == "training" else ""

    def look(self, now: float) -> None:
        done, gone = self.phase.done, now - self.phase_began
        if self.phase.name == "training" and done and gone >= LOOK:
            self.whole = gone * self.phase.total / done


class SearchProgress:
    """`name` is that of the row of all. Nothing here is stored, and nothing decides anything."""

    def __init__(
        self, progress: Progress = SILENT, name: str = "trials", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._progress, self._name, self._clock = progress, name, clock
        self._running: dict[Job, _Running] = {}
        self._done = self._total = 0
        self._detail = ""
        self._plan: tuple[int, Sequence[float], int] = (0, (), 1)  # trials, rungs, workers
        self._seconds: dict[float, list[float]] = {}  # of trainings that are done, by rung
        self._count: dict[float, int] = {}
        self._after = self._finals = 0  # trainings after the search, and how many of them there may be
        self._purpose: Purpose = "search"
        self._looked = -LOOK

    def expect(
        self,
        trials: int,
        fractions: Sequence[float],
        workers: int,
        attempts: Sequence[AttemptRow],
        purpose: Purpose = "search",
        finals: int = 0,
    ) -> None:
        """What will be trained, and what is done of it; `finals` of them on all rows after a search with rungs."""
        self._plan, self._purpose, self._finals = (trials, fractions, workers), purpose, finals
        for attempt in attempts:
            self._measured(attempt, attempt.seconds)

    def overall(self, done: int, total: int, best: tuple[int, float, bool] | None = None) -> None:
        """Trials that are done; `best` is a trial's number, its value, and whether that is an estimate."""
        self._done, self._total = done, total
        if best is not None:
            number, value, estimated = best
            self._detail = f"best {'about ' if estimated else ''}{value:.4f} (trial {number})"
        self._overall()

    def over(self, best: tuple[int, float, bool] | None) -> None:
        """Nothing more is trained."""
        self._plan = (0, (), 1)
        self.overall(self._done, self._total, best)

    @contextmanager
    def preparing(self) -> Iterator[Callable[[Phase], None]]:
        """What is done before any trial, to the end of the block."""
        try:
            yield lambda phase: self._progress.update(PREPARING, phase.done, phase.total, phase=phase.name)
        finally:
            self._progress.end(PREPARING)

    def follow(self, job: Job, message: Step | Phase) -> None:
        now = self._clock()
        running = self._running.setdefault(job, _Running(now, Phase(""), now))
        if isinstance(message, Step):
            running.take(message)
            tokens = running.phase.tokens
            message = Phase("training", message.step, message.steps, tokens)
        if message.name != running.phase.name or message.done < running.phase.done:
            running.phase_began = now
        running.phase = message
        running.look(now)
        running.sharing = max(running.sharing, len(self._running) / self._plan[2])
        self._progress.update(
            title(job),
            message.done,
            message.total,
            phase=message.name,
            unit=UNITS.get(message.name, "rows") if message.total else "",
            detail=running.detail,
            tokens=message.tokens,
        )
        if now - self._looked >= LOOK:
            self._overall()

    def measuring(self, job: Job) -> None:
        """Its objectives, after the training."""
        if job in self._running:
            self._running[job].measuring = self._clock()
        self._progress.update(title(job), phase="measuring the objectives")

    def ended(self, job: Job, attempt: AttemptRow, objectives: Sequence[str]) -> None:
        now = self._clock()
        running = self._running.pop(job, None) or _Running(now, Phase(""), now)
        trained = now if running.measuring is None else running.measuring
        self._measured(attempt, max(attempt.seconds, (trained - running.began) / running.sharing) + now - trained)
        self._progress.end(title(job), result_of(attempt, objectives, now - running.began))

    def _measured(self, attempt: AttemptRow, seconds: float) -> None:
        if attempt.purpose == self._purpose:
            self._count[attempt.fraction] = self._count.get(attempt.fraction, 0) + 1
        else:
            self._after += 1
        if seconds and not attempt.failed:
            self._seconds.setdefault(attempt.fraction, []).append(seconds)

    def _overall(self) -> None:
        self._looked = self._clock()
        self._progress.update(self._name, self._done, self._total, detail=self._detail, left=self._left())

    def _left(self) -> str:
        """Of the search; "" while nothing was measured."""
        trials, fractions, workers = self._plan
        if not fractions:
            return ""
        now = self._clock()
        gone, seconds = 0.0, {fraction: list(known) for fraction, known in self._seconds.items()}
        for job, running in self._running.items():
            gone += (now - running.began) / running.sharing
            if running.whole is not None and not self._seconds.get(job.fraction):
                whole = max(running.whole, now - running.began)
                seconds.setdefault(job.fraction, []).append(whole / running.sharing)
        estimate = seconds_left(trials, fractions, seconds, self._count, self._after, self._finals)
        if estimate is None or not estimate[1]:
            return ""
        low, high = (max(1.0, (work - gone) / workers) for work in estimate)
        return about(low, high)


def title(job: Job) -> str:
    """ "trial 3 (30% of the rows, rank 8, alpha 16, lr 0.0002)"."""
    if job.hyper is None:
        return "the base"
    rows = [f"{job.fraction:.0%} of the rows"] if job.fraction < 1 else []
    seed = [f"seed {job.seed}"] if job.test else []
    hyper = [f"{name} {getattr(job.hyper, name):.4g}" for name in ("rank", "alpha", "lr")]
    return f"trial {job.trial} ({', '.join((*rows, *seed, *hyper))})"


def result_of(attempt: AttemptRow, objectives: Sequence[str], seconds: float) -> str:
    """ "loss 1.2345 in 3 min 20 s", with the other objectives."""
    if attempt.failed:
        return f"failed: {attempt.reason}"
    values: Mapping[str, float] = dict(zip(objectives, attempt.objectives, strict=False))
    more = [f"{name} {value:.4f}" for name, value in values.items() if name not in ("validation", "seconds")]
    loss = [f"loss {attempt.validation_loss:.4f}"] if attempt.validation_loss is not None else []
    if attempt.test_nats:
        loss.append(f"test loss {sum(attempt.test_nats) / max(1, sum(attempt.test_tokens)):.4f}")
    return f"{', '.join((*loss, *more))} in {span(seconds)}"
