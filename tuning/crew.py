"""Workers at work: batches shared out among them, and one that dies replaced."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence

from tuning.types import Step
from tuning.workers import Batch, Child, Job, Local, OnStep, Reply, Setup, Worker, WorkerDiedError


class Crew:
    """One or several workers, and jobs shared out among them. `make(n)` makes the n-th worker when it is needed."""

    def __init__(self, make: Callable[[int], Worker], size: int = 1) -> None:
        self._make, self.size = make, size
        self._workers: dict[int, Worker] = {}
        self._closed = False

    def run(
        self,
        batches: Sequence[Batch],
        on_step: OnStep,
        on_reply: Callable[[Job, Reply], None],
        may_start: Callable[[], bool],
        note: Callable[[str], None],
    ) -> None:
        """Do the batches, in order where there is one worker. Everything is told on the caller's thread. No further one
        begins once `may_start` says no; those under way are ended and told. An error of a callback, or Ctrl-C,
        leaves at once: `close` ends what is under way."""
        waiting = deque(batches)
        if self.size == 1:
            while waiting and may_start():
                jobs = waiting.popleft()
                for job, reply in zip(jobs, self._do(0, jobs, on_step, note), strict=True):
                    on_reply(job, reply)
            return
        events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        free, busy = deque(range(self.size)), 0

        def work(number: int, jobs: Batch) -> None:
            def tell(job: Job, step: Step) -> None:
                events.put(lambda: on_step(job, step))

            try:
                replies = self._do(number, jobs, tell, lambda text: events.put(lambda: note(text)))
            except BaseException as error:  # carried to the caller's thread
                stop = error if isinstance(error, Exception) else RuntimeError(repr(error))
                replies = [Reply(stop=stop)] * len(jobs)
            events.put(lambda: done(number, jobs, replies))

        def done(number: int, jobs: Batch, replies: Sequence[Reply]) -> None:
            nonlocal busy
            busy -= 1
            free.append(number)
            for job, reply in zip(jobs, replies, strict=True):
                on_reply(job, reply)

        while waiting or busy:
            while waiting and free and may_start():
                busy += 1
                threading.Thread(target=work, args=(free.popleft(), waiting.popleft()), daemon=True).start()
            if not busy:
                return
            events.get()()

    def _do(self, number: int, jobs: Batch, on_step: OnStep, note: Callable[[str], None]) -> list[Reply]:
        try:
            return self._try(number, jobs, on_step)
        except WorkerDiedError as error:
            which = ", ".join(str(job.trial) for job in jobs)
            note(f"a worker died at {jobs[0].fraction:.0%} of the rows ({error}); trained again: trial {which}")
        replies = []
        for job in jobs:
            try:
                replies += self._try(number, [job], on_step)
            except WorkerDiedError as error:
                replies.append(Reply(failed=f"two workers died: {error}"))
        return replies

    def _try(self, number: int, jobs: Batch, on_step: OnStep) -> list[Reply]:
        if self._closed:
            raise RuntimeError("the workers were ended")
        worker = self._workers.get(number) or self._workers.setdefault(number, self._make(number))
        try:
            return worker.run(jobs, on_step)
        except WorkerDiedError:
            self._workers.pop(number, worker).close()
            raise

    def close(self) -> None:
        """End all workers and what they do. May be called twice."""
        self._closed = True
        for number in list(self._workers):
            self._workers.pop(number).close()


def local_crew(setup: Setup, parallel: int, device: str) -> Crew:
    """One worker in this process, or `parallel` processes: one a GPU, or sharing the cores of this machine."""
    if parallel == 1:
        return Crew(lambda _: Local(setup))
    gpus = _gpus() if device == "cuda" else 0
    threads = str(max(1, (os.cpu_count() or 1) // parallel))

    def make(number: int) -> Worker:
        if gpus:
            return Child(setup, {"CUDA_VISIBLE_DEVICES": str(number % gpus)})
        return Child(setup, {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", threads)})

    return Crew(make, parallel)


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()
