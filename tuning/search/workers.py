"""Who trains: this process, child processes with a base each, or (cluster.py) actors of Ray.

A worker does one batch of jobs at a time, and says what came of each. A batch has one job, or several that are trained
packed, over one pass through the base. A job that cannot end well fails its trial. A worker that dies is replaced, and
its jobs are done once more, each alone; when one dies again, its trial has failed. The study goes on. One that cannot
even begin, for want of a package say, is no trial's fault and stops the study.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from data.sources import DataError
from harness import signals
from harness.errors import HarnessError, MissingError
from tuning.types import Hyperparameters, Likelihood, Phase, Step, Trained, TrialError

if TYPE_CHECKING:
    from tuning.store.rows import Purpose
    from tuning.training.train import Trainer

Setup = Callable[[], "Trainer"]  # can be pickled: functools.partial of a module's function


@dataclass(frozen=True, slots=True)
class Job:
    """One training; or, where `hyper` is None, a measurement of the base alone."""

    trial: int
    hyper: Hyperparameters | None
    fraction: float
    seed: int
    to: Path
    purpose: Purpose = "search"
    test: bool = False  # measure on the test rows too


@dataclass(frozen=True, slots=True)
class Reply:
    trained: Trained | None = None
    test: Likelihood | None = None
    adapter_bytes: int = 0
    failed: str = ""  # why the trial cannot end well
    stop: Exception | None = None  # why no trial can: the study stops with this error


OnProgress = Callable[[Job, Step | Phase], None]
OnPhase = Callable[[Phase], None]


class WorkerDiedError(Exception):
    """The message says how."""


class NoRoomError(HarnessError):
    """There is no place where a further worker could run."""

    exit_code = MissingError.exit_code


def cannot_begin(how: str) -> MissingError:
    return MissingError(
        f"A worker ended with {how} before it could begin; what it said stands above. No trial has failed of this: put "
        "right what it lacks, and the same command goes on."
    )


Batch = Sequence[Job]  # of one purpose and fraction


class Worker(Protocol):
    def begin(self, on_phase: OnPhase) -> Reply:
        """Load the base and look at the rows. `stop` says what refuses every trial; what else failed is met again by
        the trials."""
        ...

    def run(self, jobs: Batch, on_progress: OnProgress) -> list[Reply]:
        """A reply a job, in their order. WorkerDiedError when the worker is no more."""
        ...

    def close(self) -> None: ...


def perform(trainer: Trainer, jobs: Batch, on_progress: OnProgress) -> list[Reply]:
    """Do a batch with a trainer; every error becomes a reply."""
    if len(jobs) == 1:
        return [_guarded(lambda: _one(trainer, jobs[0], on_progress))]
    for job in jobs:
        _clear(job)
    trainer.on_phase = partial(_phase_of, jobs, on_progress)
    hypers = [job.hyper for job in jobs if job.hyper is not None]
    try:
        trained = trainer.train_packed(
            hypers,
            jobs[0].fraction,
            [job.seed for job in jobs],
            [job.to for job in jobs],
            lambda place, step: on_progress(jobs[place], step),
        )
    except Exception:  # whoever of them it was: alone, each has its own reply
        return [_guarded(partial(_one, trainer, job, on_progress)) for job in jobs]
    return [_guarded(partial(_measured, trainer, *pair, on_progress)) for pair in zip(jobs, trained, strict=True)]


def _phase_of(jobs: Batch, on_progress: OnProgress, phase: Phase) -> None:
    for job in jobs if phase.place is None else [jobs[phase.place]]:
        on_progress(job, phase)


def _one(trainer: Trainer, job: Job, on_progress: OnProgress) -> Reply:
    trainer.on_phase = partial(_phase_of, [job], on_progress)
    if job.hyper is None:
        return Reply(test=trainer.evaluate(None, "test"))
    _clear(job)
    trained = trainer.train(job.hyper, job.fraction, job.seed, job.to, lambda step: on_progress(job, step))
    return _measured(trainer, job, trained, on_progress)


def _clear(job: Job) -> None:
    shutil.rmtree(job.to, ignore_errors=True)  # of a training that was killed
    job.to.parent.mkdir(parents=True, exist_ok=True)


def _measured(trainer: Trainer, job: Job, trained: Trained | TrialError, on_progress: OnProgress) -> Reply:
    if isinstance(trained, TrialError):
        return Reply(failed=str(trained))
    trainer.on_phase = partial(_phase_of, [job], on_progress)
    test = trainer.evaluate(trained.adapter, "test") if job.test else None
    size = sum(file.stat().st_size for file in trained.adapter.glob("*.safetensors"))
    return Reply(trained, test, size)


def _guarded(work: Callable[[], Reply]) -> Reply:
    try:
        return work()
    except Exception as error:
        return reply_to(error)


def reply_to(error: Exception) -> Reply:
    """Whether an error stops the study (errors for people, a full disk) or costs its trial, and no more."""
    if isinstance(error, HarnessError | DataError):
        return Reply(stop=error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        return Reply(stop=error)
    if isinstance(error, TrialError):
        return Reply(failed=str(error))
    if isinstance(error, MemoryError):
        return Reply(failed="out of memory")
    return Reply(failed=f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")


class Local:
    """Trains in this process."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._trainer: Trainer | None = None

    def begin(self, on_phase: OnPhase) -> Reply:
        def begun() -> Reply:
            self._trainer = self._trainer or self._setup()
            self._trainer.on_phase = on_phase
            self._trainer.require()
            return Reply()

        return _guarded(begun)

    def run(self, jobs: Batch, on_progress: OnProgress) -> list[Reply]:
        try:
            self._trainer = self._trainer or self._setup()
        except (HarnessError, DataError) as error:
            return [Reply(stop=error)] * len(jobs)
        return perform(self._trainer, jobs, on_progress)

    def close(self) -> None:
        if self._trainer is not None:
            self._trainer.close()
            self._trainer = None


class Child:
    """A process of its own, which loads the base once. MissingError where it cannot begin."""

    def __init__(self, setup: Setup, environment: dict[str, str] | None = None) -> None:
        self._pipe, theirs = Pipe()
        self._closing = threading.Lock()
        command = [sys.executable, "-P", "-m", "tuning.search.workers", str(theirs.fileno())]
        own = {**os.environ, **(environment or {})}
        self._process = subprocess.Popen(
            signals.shielded(command),
            pass_fds=[theirs.fileno()],
            env=own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        try:
            self._pipe.send(setup)
            self._pipe.recv()
        except (EOFError, OSError):
            raise cannot_begin(self._how()) from None

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, on_phase: OnPhase) -> Reply:
        with self._alive():
            self._pipe.send(())
            while isinstance(message := self._pipe.recv(), Phase):
                on_phase(message)
            reply: Reply = message
            return reply

    def run(self, jobs: Batch, on_progress: OnProgress) -> list[Reply]:
        with self._alive():
            self._pipe.send(jobs)
            while not isinstance(message := self._pipe.recv(), list):
                on_progress(*message)
            return message

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):
            raise WorkerDiedError(f"its process ended with {self._how()}") from None

    def _how(self) -> str:
        code = self._process.wait()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def close(self) -> None:
        """May be called twice, and by two threads: by who ends all workers, and by who met the end of this one."""
        with self._closing:
            self._process.kill()
            self._process.wait()
            self._pipe.close()


def serve(descriptor: int) -> None:
    """The child's side: take jobs until the other end closes."""
    signals.ignore()  # Ctrl-C and SIGTERM are the parent's affair, and it ends us
    pipe: Connection[Any, Any] = Connection(descriptor)
    with suppress(EOFError, OSError):
        worker = Local(pipe.recv())
        pipe.send(None)  # it could begin
        while True:
            jobs = pipe.recv()
            pipe.send(worker.run(jobs, lambda *message: pipe.send(message)) if jobs else worker.begin(pipe.send))


if __name__ == "__main__":
    from tuning.search import workers  # by its name, so that what is sent back can be unpickled

    workers.serve(int(sys.argv[1]))
