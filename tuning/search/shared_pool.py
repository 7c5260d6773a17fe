"""One pool of workers for searches and finalists that are trained one after the other on the same base and rows: who
is next finds both loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from tuning.search.worker_pool import WorkerPool
from tuning.search.workers import Batch, Job, OnPhase, OnProgress, Reply, Setup


class _Lent(WorkerPool):
    """A pool whose workers stay when it is closed."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool, self.size = pool, pool.size

    def begin(self, on_phase: OnPhase) -> None:
        self._pool.begin(on_phase)

    def run(
        self,
        batches: Sequence[Batch],
        on_progress: OnProgress,
        on_reply: Callable[[Job, Reply], None],
        may_start: Callable[[], bool],
        note: Callable[[str], None],
    ) -> None:
        self._pool.run(batches, on_progress, on_reply, may_start, note)

    def close(self) -> None: ...


class _Keeper:
    def __init__(self) -> None:
        self._pool: WorkerPool | None = None
        self._known: Any = None

    def lend(self, known: Any, make: Callable[[], WorkerPool]) -> WorkerPool:
        if self._pool is None or known != self._known:
            self.close()  # before the next base is loaded
            self._pool, self._known = make(), known
        return _Lent(self._pool)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
        self._pool = self._known = None


_keeper: ContextVar[_Keeper | None] = ContextVar("keeper", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Within the block a pool stays until one with another trainer or other workers is asked for, or the block ends."""
    keeper = _Keeper()
    token = _keeper.set(keeper)
    try:
        yield
    finally:
        _keeper.reset(token)
        keeper.close()


def end_workers() -> None:
    """Free what the kept workers hold, a GPU's memory too: nothing is trained for a while."""
    if keeper := _keeper.get():
        keeper.close()


def shared(setup: Setup, workers: tuple[Any, ...], make: Callable[[], WorkerPool]) -> WorkerPool:
    """The pool that is kept where it has the same trainer and `workers` (whatever tells how many, and where), or a new
    one. Outside `sharing` always a new one."""
    keeper = _keeper.get()
    if keeper is None or not isinstance(setup, partial):
        return make()
    return keeper.lend((setup.func, setup.args, setup.keywords, workers), make)
