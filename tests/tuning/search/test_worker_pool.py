"""Batches shared out among workers that die, or that there is no room for."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from tuning.search.worker_pool import WorkerPool
from tuning.search.workers import Batch, Child, Job, NoRoomError, OnPhase, OnProgress, Reply, Worker, WorkerDiedError
from tuning.types import Hyperparameters

HYPER = Hyperparameters(8, 16.0, 0.0, 1e-3)


class Fake:
    def __init__(self, work: Callable[[Batch], None] = lambda jobs: None) -> None:
        self.work = work

    def begin(self, on_phase: OnPhase) -> Reply:
        return Reply()

    def run(self, jobs: Batch, on_progress: OnProgress) -> list[Reply]:
        self.work(jobs)
        return [Reply(adapter_bytes=job.trial) for job in jobs]

    def close(self) -> None: ...


def batches(*sizes: int) -> list[list[Job]]:
    numbers = iter(range(1, 100))
    return [[Job(next(numbers), HYPER, 1.0, 0, Path("nowhere")) for _ in range(size)] for size in sizes]


def done(make: Callable[[int], Worker], workers: int, *sizes: int) -> tuple[list[int], list[int], list[str]]:
    """The trials that ended well, those that failed, and the notes."""
    well: list[int] = []
    failed: list[int] = []
    notes: list[str] = []

    def reply(job: Job, said: Reply) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert said.failed or said.adapter_bytes == job.trial
        (failed if said.failed else well).append(job.trial)

    pool = WorkerPool(make, workers)
    pool.run(batches(*sizes), lambda job, step: None, reply, lambda: True, notes.append)
    return sorted(well), failed, notes


@pytest.mark.parametrize("workers", [1, 3])
def test_a_batch_that_a_worker_died_of_is_done_one_by_one(workers: int) -> None:
    """The job that kills has failed; its companions have not."""

    def work(jobs: Batch) -> None:
        if any(job.trial == 3 for job in jobs):
            raise WorkerDiedError("its process ended with signal SIGKILL")

    well, failed, notes = done(lambda number: Fake(work), workers, 1, 3, 2)
    assert well == [1, 2, 4, 5, 6]
    assert failed == [3]
    (note,) = notes
    assert "trained again: trial 2, 3, 4" in note


def test_fewer_workers_do_it_where_there_is_no_room_for_all() -> None:
    """Nothing waits for a worker that cannot be had, and no trial fails of it."""

    def make(number: int) -> Worker:
        if number:
            raise NoRoomError("There is no room.")
        return Fake()

    well, failed, notes = done(make, 3, *[1] * 12)
    assert well == list(range(1, 13))
    assert failed == []
    assert [note.split(". ")[1] for note in notes] == ["The study goes on with 2.", "The study goes on with 1."]


def test_the_job_of_a_worker_that_went_with_its_node_is_done_by_another() -> None:
    made: list[int] = []

    def make(number: int) -> Worker:
        made.append(number)
        if number == 1 and made.count(1) > 1:
            raise NoRoomError("There is no room.")
        return Fake(died if number == 1 else lambda jobs: None)

    def died(jobs: Batch) -> None:
        raise WorkerDiedError("ActorDiedError on the cluster")

    well, failed, _ = done(make, 2, *[1] * 8)
    assert well == list(range(1, 9))
    assert failed == []


@pytest.mark.parametrize("workers", [1, 2])
def test_no_room_at_all_is_an_error(workers: int) -> None:
    def make(number: int) -> Worker:
        raise NoRoomError("There is no room.")

    with pytest.raises(NoRoomError, match="no room"):
        done(make, workers, 1, 1)


def test_a_worker_is_closed_by_two_threads_in_turn() -> None:
    """By who ends all workers, and by who met the end of this one: two at once closed one pipe twice (EBADF)."""
    child = Child.__new__(Child)
    child._closing = threading.Lock()
    child._process = create_autospec(subprocess.Popen, instance=True)
    second = threading.Thread(target=child.close)
    waiting: list[bool] = []

    class Pipe:
        def close(self) -> None:
            if not waiting:
                waiting.append(True)
                second.start()
                second.join(0.05)
                waiting[0] = second.is_alive()

    child._pipe = Pipe()  # type: ignore[assignment]
    child.close()
    second.join()
    assert waiting == [True]
