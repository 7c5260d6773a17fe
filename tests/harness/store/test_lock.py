"""The lock: readers together, writers alone, nobody starved, the dead let go."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.results import Store
from harness.store import lock
from harness.store.lock import locked
from tests.harness.results import make


@pytest.fixture
def room(tmp_path: Path) -> Path:
    return tmp_path / "s.duckdb"


def waiting(pid: int) -> bool:
    """The kernel has this process in a lock's queue."""
    lines = Path("/proc/locks").read_text().splitlines()
    return any("->" in line and f" {pid} " in line for line in lines)


def until_waiting(pid: int) -> None:
    end = time.monotonic() + 60
    while not waiting(pid):
        assert time.monotonic() < end, "it never came to wait"
        time.sleep(0.005)


def test_readers_are_together_and_writers_alone(room: Path) -> None:
    inside: list[str] = []
    seen: list[tuple[str, ...]] = []
    note = threading.Lock()
    together = threading.Barrier(2)

    def visit(exclusive: bool) -> None:
        name = "writer" if exclusive else "reader"
        for _ in range(100):
            with locked(room, exclusive=exclusive):
                with note:
                    inside.append(name)
                    seen.append(tuple(inside))
                time.sleep(0.001)  # let another come in, if the lock lets it
                with note:
                    inside.remove(name)

    def meet() -> None:
        with locked(room, exclusive=False):
            together.wait(timeout=60)  # both are inside

    pair = [threading.Thread(target=meet) for _ in range(2)]
    crowd = [threading.Thread(target=visit, args=(exclusive,)) for exclusive in (True, True, False, False)]
    for group in (pair, crowd):  # a writer between the two that meet would keep them apart
        for thread in group:
            thread.start()
        for thread in group:
            thread.join()
    assert not together.broken
    assert all(len(names) == 1 for names in seen if "writer" in names)
    assert len(seen) == 400


def test_waiting_in_the_room_one_is_in_would_never_end(room: Path) -> None:
    with locked(room, exclusive=False), pytest.raises(RuntimeError, match="never end"), locked(room, exclusive=True):
        pass
    with locked(room, exclusive=True):
        pass


@pytest.mark.parametrize("exclusive", [True, False])
def test_nobody_is_starved(room: Path, exclusive: bool) -> None:
    """Four that are in the room all the time, by turns; one of the other kind comes in twenty times."""
    stop = threading.Event()

    def crowd() -> None:
        while not stop.is_set():
            with locked(room, exclusive=exclusive):
                time.sleep(0.01)  # their visit

    threads = [threading.Thread(target=crowd) for _ in range(4)]
    for thread in threads:
        thread.start()
    waits = []
    try:
        for _ in range(20):
            with locked(room, exclusive=not exclusive) as seconds:
                waits.append(seconds)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    print(f"waited {sum(waits) / 20 * 1000:.0f} ms on average, {max(waits) * 1000:.0f} ms at most")
    # a visit of each of the four, or a few more on a busy machine
    assert sum(waits) / 20 < 0.5
    assert max(waits) < 3


@pytest.mark.parametrize("crowd", ["exclusive", "shared"])
def test_processes_are_not_starved(room: Path, crowd: str) -> None:
    store = Store(room)
    made = make.stored(store, 0)
    others = [make.child("loop", room, crowd, 60) for _ in range(3)]
    try:
        for other in others:
            assert other.stdout
            assert other.stdout.readline() == "looping\n"
        before = store.waited
        for number in range(5):
            if crowd == "shared":
                store.record(made.id, [make.response(made.id, str(number))])
            else:
                store.answered(made.id, "mmlu")
        assert store.waited - before < 15
        assert all(other.poll() is None for other in others)  # they were there all the time
    finally:
        for other in others:
            make.end(other)


def test_ctrl_c_ends_the_wait(room: Path) -> None:
    store = Store(room)
    make.stored(store, 0)
    with store.read():
        waiter = make.child("wait", room)
        try:
            until_waiting(waiter.pid)
            waiter.send_signal(signal.SIGINT)
            out, errors = waiter.communicate(timeout=60)
        finally:
            make.end(waiter)
    assert out == "waiting\ninterrupted\n", errors
    assert store.info()["runs"] == 1


@pytest.mark.parametrize("how", ["shared", "exclusive"])
def test_a_killed_process_has_let_go(room: Path, how: str) -> None:
    store = Store(room)
    make.stored(store, 0)
    holder = make.child("hold", room, how, stdin=-1)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    waiter = make.child("wait", room)
    try:
        until_waiting(waiter.pid)
        make.end(holder)
        out, _ = waiter.communicate(timeout=60)
    finally:
        make.end(holder)
        make.end(waiter)
    assert out == "waiting\ngot it\n"


def test_a_lease_is_for_one(room: Path) -> None:
    store = Store(room)
    other = make.child("lease", room, "abc", stdin=-1)
    try:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match=rf"abc is held by process {other.pid} on {os.uname().nodename}"):
            store.lease("abc").__enter__()
        with store.lease("def"):
            pass
    finally:
        make.end(other)
    assert room.with_name("s.duckdb.run-abc.lock").exists()  # it had no time to tidy up
    with store.lease("abc"), pytest.raises(StoreError, match=f"process {os.getpid()}"), store.lease("abc"):
        pass
    assert list(room.parent.iterdir()) == []  # nothing stays behind


def test_a_lease_is_let_go_on_an_error(room: Path) -> None:
    store = Store(room)
    with pytest.raises(ZeroDivisionError), store.lease("abc"):
        _ = 1 / 0
    with store.lease("abc"):
        pass


def test_a_lease_on_a_file_that_has_gone_is_none(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our opening the file and locking it, its last holder may have removed it."""
    store = Store(room)
    opened: list[int] = []

    def late(path: Path, flags: int) -> int:
        descriptor = real(path, flags)
        if not opened:
            path.unlink()
        opened.append(descriptor)
        return descriptor

    real = lock._opened
    monkeypatch.setattr(lock, "_opened", late)
    with store.lease("abc"), pytest.raises(StoreError, match="held"), store.lease("abc"):
        pass
    assert len(opened) == 3
    assert list(room.parent.iterdir()) == []


@pytest.mark.timeout(60)
def test_a_forked_child_holds_nothing(room: Path) -> None:
    """Data loaders fork: a worker that outlives a killed run must not keep its lease."""
    store = Store(room)
    make.stored(store, 0)
    ready, ending = os.pipe(), os.pipe()
    with store.lease("abc"), store.read():
        pid = os.fork()
        if pid == 0:
            os.write(ready[1], b"x")
            os.read(ending[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
    try:
        with store.lease("abc"):
            store.update(store.runs()[0].id, status="finished")  # nor the room
    finally:
        os.write(ending[1], b"x")
        os.waitpid(pid, 0)


def test_one_store_under_two_names(room: Path) -> None:
    make.stored(Store(room), 0)
    link = room.with_name("link.duckdb")
    link.symlink_to(room)
    assert len(Store(link).runs()) == 1
    assert not room.with_name("link.duckdb.lock").exists()
    with Store(link).lease("abc"), pytest.raises(StoreError, match="held"), Store(room).lease("abc"):
        pass
