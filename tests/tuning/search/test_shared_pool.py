"""Searches that come one after the other have one pool, as long as it is the same trainer."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.tuning.fakes import FakeTrainer
from tuning.search.shared_pool import end_workers, shared, sharing
from tuning.search.worker_pool import WorkerPool
from tuning.search.workers import Local


class Pools:
    """What was made and what was closed, by number."""

    def __init__(self) -> None:
        self.made: list[WorkerPool] = []
        self.closed: list[int] = []

    def ask(self, log: str = "", workers: int = 1) -> WorkerPool:
        setup: Any = partial(FakeTrainer, log=log)
        number = len(self.made)

        def make() -> WorkerPool:
            pool = WorkerPool(lambda _: Local(setup), workers)
            pool.close = lambda: self.closed.append(number)  # type: ignore[method-assign]
            self.made.append(pool)
            return pool

        return shared(setup, (workers,), make)


def test_the_same_trainer_has_one_pool_until_the_end() -> None:
    pools = Pools()
    with sharing():
        for _ in range(3):
            pool = pools.ask(workers=2)
            assert pool.size == 2
            pool.close()
        assert (len(pools.made), pools.closed) == (1, [])
    assert pools.closed == [0]


@pytest.mark.parametrize("other", [{"log": "other"}, {"workers": 2}])
def test_another_trainer_or_other_workers_have_another(other: dict[str, Any]) -> None:
    """The first is closed before: two bases may not fit."""
    pools = Pools()
    with sharing():
        pools.ask()
        pools.ask(**other)
        assert (len(pools.made), pools.closed) == (2, [0])


def test_the_end_of_training_ends_what_is_kept() -> None:
    pools = Pools()
    with sharing():
        pools.ask()
        end_workers()
        assert pools.closed == [0]


def interrupted(pools: Pools) -> None:
    with sharing():
        pools.ask()
        raise KeyboardInterrupt


def test_an_error_ends_what_is_kept() -> None:
    pools = Pools()
    with pytest.raises(KeyboardInterrupt):
        interrupted(pools)
    assert pools.closed == [0]


def test_alone_each_has_its_own() -> None:
    pools = Pools()
    pools.ask().close()
    pools.ask()
    end_workers()
    assert (len(pools.made), pools.closed) == (2, [0])
