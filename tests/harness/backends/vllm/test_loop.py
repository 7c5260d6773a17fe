"""The thread that drives vLLM's engine, over a stand-in; and the guard that ends its processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from harness.backends.vllm.loop import Loop
from harness.errors import ModelError
from tests.harness.runs import ROOT


class Engine:
    """Answers a call with its ids, once `held` is set; those with [-1] fail, those with [-2] never end."""

    def __init__(self) -> None:
        self.begun, self.cancelled, self.ended = 0, 0, threading.Event()
        self.closed = False

    async def generate(self, prompt: Any, params: Any, number: str, lora_request: Any = None) -> Any:
        self.begun += 1
        ids = prompt["prompt_token_ids"]
        try:
            if ids == [-2]:
                await asyncio.get_running_loop().create_future()
            await asyncio.sleep(0)
            if ids == [-1]:
                raise RuntimeError("the engine is dead")
            yield SimpleNamespace(ids=None)  # unfinished
            yield SimpleNamespace(ids=ids, lora=lora_request)
        except asyncio.CancelledError:
            self.cancelled += 1
            self.ended.set()
            raise

    def shutdown(self) -> None:
        self.closed = True


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop(Engine, 8, lambda error: f"stopped: {error}")
    yield made
    made.close()


def calls(n: int) -> Iterator[Any]:
    return ((k, [k], None, "lora") for k in range(n))


def test_each_call_is_answered_by_its_last_output_and_no_more_than_the_window_is_out(loop) -> None:
    drawn, yielded = 0, 0

    def counted() -> Iterator[Any]:
        nonlocal drawn
        for call in calls(100):
            drawn += 1
            assert drawn - yielded <= 8
            yield call

    found: dict[int, Any] = {}
    for batch in loop.ask(counted()):
        assert len(batch) <= 2  # a fourth of the window
        found.update(batch)
        yielded += len(batch)
    assert {key: output.ids for key, output in found.items()} == {k: [k] for k in range(100)}
    assert all(output.lora == "lora" for output in found.values())


def test_an_engine_that_dies_is_an_error(loop) -> None:
    with pytest.raises(ModelError, match="stopped: the engine is dead"):
        list(loop.ask([(0, [-1], None, None)]))


def test_leaving_cancels_what_is_under_way(loop) -> None:
    engine = loop.engine
    found = loop.ask([(0, [0], None, None), (1, [-2], None, None)])
    next(found)
    found.close()
    assert engine.ended.wait(20)
    assert engine.cancelled == 1
    assert list(loop.ask(calls(3)))  # and it can be asked again


def test_closing_ends_the_engine_the_thread_and_the_guard() -> None:
    loop = Loop(Engine, 8, str)
    engine, guard = loop.engine, loop._guard
    assert guard.poll() is None
    loop.close()
    loop.close()
    assert engine.closed
    assert guard.poll() is not None
    assert not loop._thread.is_alive()


def test_an_engine_that_does_not_start_leaves_nothing() -> None:
    before = set(psutil.Process().children())

    def fails() -> Any:
        raise ValueError("no such model")

    with pytest.raises(ValueError, match="no such model"):
        Loop(fails, 8, str)
    assert set(psutil.Process().children()) == before
    assert not [t for t in threading.enumerate() if t.name == "vllm"]


PARENT = """
import subprocess, sys
from harness.backends.vllm import guard
reads = [sys.executable, "-c", "import sys; sys.stdin.read()"]
before = subprocess.Popen(reads, stdin=int(sys.argv[1]), stdout=subprocess.DEVNULL)
watching = guard.start()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(before.pid, child.pid, watching.pid, flush=True)
sys.stdin.read()
"""


def test_the_guard_ends_what_a_killed_process_leaves() -> None:
    """And not what was there before the guard."""
    reading, writing = os.pipe()
    words = [sys.executable, "-c", PARENT, str(reading)]
    parent = subprocess.Popen(words, stdin=-1, stdout=-1, cwd=ROOT, pass_fds=[reading])
    os.close(reading)
    assert parent.stdout
    before, child, guard = (psutil.Process(int(pid)) for pid in parent.stdout.readline().split())
    waits = guard.num_ctx_switches().voluntary
    while guard.num_ctx_switches().voluntary < waits + 2:  # it looks each second: by then it has seen the child
        with pytest.raises(psutil.TimeoutExpired):
            child.wait(0.1)
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    _gone, alive = psutil.wait_procs([child, guard], timeout=20)
    assert alive == []
    assert before.is_running()
    os.close(writing)
    psutil.wait_procs([before], timeout=20)
