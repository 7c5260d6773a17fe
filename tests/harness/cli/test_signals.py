"""SIGTERM and SIGHUP, sent to real processes: every command ends as by Ctrl-C, and its children with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import forkserver
from tests.harness.servers import HANG, Server, serving
from tests.judges.judging.test_judge import store_of
from tuning.store import Store

ROOT = Path(__file__).resolve().parents[3]

PIPES: dict[str, Any] = {"stdout": forkserver.PIPE, "stderr": forkserver.PIPE}
IGNORING = """
import signal
from harness.cli.main import main

signal.signal(signal.SIGHUP, signal.SIG_IGN)
main()
"""


@contextmanager
def started(*words: object, start: Sequence[str] = ("-m", "harness")) -> Iterator[forkserver.Process]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = forkserver.Process(["-P", *start, *words], **PIPES, env=environment, new_session=True)
    guard = threading.Timer(120, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        process.kill()
        process.communicate()


class Hanging:
    """A server that answers four questions, and no more."""

    def __init__(self, text: str) -> None:
        self.text, self.answers, self.hangs = text, 0, threading.Event()
        self._lock = threading.Lock()

    def __call__(self, path: str, body: dict[str, Any]) -> Any:
        if path.endswith("/models"):
            return {"data": [{"id": "m"}]}
        with self._lock:
            self.answers += 1
            if self.answers > 4:
                self.hangs.set()
                return HANG
        return {"choices": [{"message": {"content": self.text}, "finish_reason": "stop"}]}


def ended(process: forkserver.Process) -> tuple[int, str]:
    _, errors = process.communicate(timeout=60)
    return process.wait(), errors


def commands(tmp_path: Path) -> dict[str, Callable[[Server], list[object]]]:
    db = tmp_path / "s.duckdb"
    served = ("--served-name", "m", "--db", db)
    return {
        "judge": lambda s: [
            *("judge", "--models", "a,b", "--judge", "m", "--base-url", s.url, "--concurrency", 1, "--db", db)
        ],
        "answer": lambda s: ["answer", "--model", s.url, "--prompts", "sample", *served],
        "run": lambda s: [
            *("run", "--model", s.url, "--tasks", "drop", "--data", "sample", "--chat", "--concurrency", 1, *served)
        ],
    }


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("judge", signal.SIGTERM),
        ("judge", signal.SIGHUP),
        ("judge", signal.SIGINT),
        ("answer", signal.SIGTERM),
        ("run", signal.SIGTERM),
    ],
)
def test_a_command_that_waits_for_a_server_ends_with_what_it_has(tmp_path, name, number):
    store_of(tmp_path)
    hanging = Hanging("[[A]]")
    with serving(hanging) as server, started(*commands(tmp_path)[name](server)) as process:
        assert hanging.hangs.wait(100)
        process.send_signal(number)
        if number != signal.SIGINT:
            process.send_signal(number)  # to the process and to its group: the second changes nothing
        code, errors = ended(process)
    assert code == 128 + number, errors
    assert "Traceback" not in errors
    assert "are stored; the same command goes on" in errors
    store = Store(tmp_path / "s.duckdb")
    if name == "judge":
        assert [row.verdict for row in store.comparisons()] == ["first"] * 4


def test_a_signal_that_is_inherited_as_ignored_stays_so(tmp_path):
    """As under nohup."""
    store_of(tmp_path)
    hanging = Hanging("[[A]]")
    words = commands(tmp_path)["judge"]
    with serving(hanging) as server, started(*words(server), start=("-c", IGNORING)) as process:
        assert hanging.hangs.wait(100)
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 143


@pytest.mark.parametrize("whole_group", [False, True])
def test_the_board_ends_and_its_server_with_it(tmp_path, whole_group):
    store_of(tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with started("board", "--db", tmp_path / "s.duckdb", "--port", port) as process:
        assert process.stderr
        assert f":{port}" in process.stderr.readline()
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGTERM)
        code, errors = ended(process)
    assert (code, errors) == (143, "harness: Stopped.\n")
    _, running = psutil.wait_procs(children, 10)  # the resource tracker ends at the end of its pipe, after its parent
    assert not running


@pytest.mark.parametrize("parallel", [1, 2])
def test_a_search_ends_and_its_workers_with_it(tmp_path, parallel):
    db = tmp_path / "s.duckdb"
    words = ("tune", "--model", "tiny", "--data", "sample", "--budget", 500, "--optimizer", "random", "--no-rungs")
    short = ("--sizes", "24,8,8", "--set", "batch=8", "--set", "epochs=1")  # trials, so that the first ends soon
    with started(*words, *short, "--parallel", parallel, "--db", db) as process:
        folder = tmp_path / "s.duckdb.studies"
        while process.poll() is None and not list(folder.glob("*/*/*/adapter_config.json")):
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= (parallel if parallel > 1 else 0)
        os.killpg(process.pid, signal.SIGTERM)
        code, errors = ended(process)
    assert code == 143, errors
    assert "Traceback" not in errors
    assert "trials" in errors
    assert "the same command goes on" in errors
    _, running = psutil.wait_procs(children, 10)  # the resource tracker ends at the end of its pipe, after its parent
    assert not running
    (study,) = Store(db).studies()
    assert study.status == "stopped"
    assert all(trial.state != "failed" for trial in Store(db).trials(study.id))
