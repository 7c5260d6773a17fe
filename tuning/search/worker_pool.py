"""Workers at work: batches shared out among them, and one that dies replaced."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tuning.search.workers import (
    Batch,
    Child,
    Job,
    Local,
    NoRoomError,
    OnPhase,
    OnProgress,
    Reply,
    Setup,
    Worker,
    WorkerDiedError,
)


@dataclass(frozen=True, slots=True)
class _Task:
    jobs: Batch
    again: bool = False  # a worker that had it died


_Ended = list[Reply] | WorkerDiedError | NoRoomError


class WorkerPool:
    """One or several workers, and jobs shared out among them. `make(n)` makes the n-th worker when it is needed."""

    def __init__(self, make: Callable[[int], Worker], size: int = 1) -> None:
        self._make, self.size = make, size
        self._numbers = set(range(size))  # of the workers that there is room for
        self._workers: dict[int, Worker] = {}
        self._closed = False

    def begin(self, on_phase: OnPhase) -> None:
        """Have a worker load its base before any trial. Raises what refuses every trial; a worker that dies of it is
        met again by the trials, which say so."""
        worker = self._worker(0)
        try:
            refusal = worker.begin(on_phase).stop
        except WorkerDiedError:
            self._workers.pop(0, worker).close()
            return
        if refusal is not None:
            raise refusal

    def run(
        self,
        batches: Sequence[Batch],
        on_progress: OnProgress,
        on_reply: Callable[[Job, Reply], None],
        may_start: Callable[[], bool],
        note: Callable[[str], None],
    ) -> None:
        """Do the batches, in order where there is one worker. Everything is told on the caller's thread. No further one
        begins once `may_start` says no; those under way are ended and told. An error of a callback, or Ctrl-C,
        leaves at once: `close` ends what is under way. NoRoomError where there is room for no worker at all."""
        waiting = deque(_Task(jobs) for jobs in batches)
        free, busy = deque(sorted(self._numbers)), 0
        events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

        def ended(number: int, task: _Task, how: _Ended) -> None:
            if isinstance(how, NoRoomError):
                self._numbers.discard(number)
                if not self._numbers:
                    raise how
                note(f"{how} The study goes on with {len(self._numbers)}.")
                waiting.appendleft(task)
                return
            free.append(number)  # last, so that workers that live come before one that has to be made anew
            if isinstance(how, WorkerDiedError) and not task.again:
                which = ", ".join(str(job.trial) for job in task.jobs)
                note(f"a worker died at {task.jobs[0].fraction:.0%} of the rows ({how}); trained again: trial {which}")
                waiting.extendleft(_Task([job], again=True) for job in reversed(task.jobs))
                return
            if isinstance(how, WorkerDiedError):
                how = [Reply(failed=f"two workers died: {how}")] * len(task.jobs)
            for job, reply in zip(task.jobs, how, strict=True):
                on_reply(job, reply)

        def work(number: int, task: _Task) -> None:
            try:
                how = self._try(number, task.jobs, lambda job, news: events.put(partial(on_progress, job, news)))
            except BaseException as error:  # carried to the caller's thread
                stop = error if isinstance(error, Exception) else RuntimeError(repr(error))
                how = [Reply(stop=stop)] * len(task.jobs)
            events.put(partial(ended, number, task, how))
            events.put(leave)

        def leave() -> None:
            nonlocal busy
            busy -= 1

        while waiting or busy:
            while waiting and free and may_start():
                number, task = free.popleft(), waiting.popleft()
                if self.size == 1:
                    ended(number, task, self._try(number, task.jobs, on_progress))
                    continue
                busy += 1
                threading.Thread(target=work, args=(number, task), daemon=True).start()
            if not busy:
                return
            events.get()()

    def _try(self, number: int, jobs: Batch, on_progress: OnProgress) -> _Ended:
        if self._closed:
            raise RuntimeError("the workers were ended")
        try:
            worker = self._worker(number)
        except NoRoomError as error:
            return error
        try:
            return worker.run(jobs, on_progress)
        except WorkerDiedError as error:
            self._workers.pop(number, worker).close()
            return error

    def _worker(self, number: int) -> Worker:
        return self._workers.get(number) or self._workers.setdefault(number, self._make(number))

    def close(self) -> None:
        """End all workers and what they do. May be called twice."""
        self._closed = True
        for number in list(self._workers):
            self._workers.pop(number).close()


def local_pool(setup: Setup, parallel: int, device: str) -> WorkerPool:
    """One worker in this process, or `parallel` processes: one a GPU, or sharing the cores of this machine."""
    if parallel == 1:
        return WorkerPool(lambda _: Local(setup))
    gpus = _gpus() if device == "cuda" else 0
    threads = str(max(1, (os.cpu_count() or 1) // parallel))

    def make(number: int) -> Worker:
        if gpus:
            return Child(setup, {"CUDA_VISIBLE_DEVICES": str(number % gpus)})
        return Child(setup, {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads)})

    return WorkerPool(make, parallel)


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()
