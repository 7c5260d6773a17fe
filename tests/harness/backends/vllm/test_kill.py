"""SIGKILL in the middle of a run on vLLM: no process stays, and the same command goes on: `make test-vllm`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("vllm", reason="vLLM is in an environment of its own: make test-vllm")

import psutil

from harness.backends.vllm.engine import CALLS, GPU_CALLS
from harness.results import Store
from tests.harness.backends import contract
from tests.harness.runs import ROOT, lines

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(1800)]


def test_a_killed_run_computes_no_more_than_the_window_again(tmp_path, request) -> None:
    try:
        rows = str(request.getfixturevalue("shared_data"))
    except pytest.skip.Exception:
        rows = "sample"
    folder = contract.make(tmp_path / "model")
    db, log = tmp_path / "s.duckdb", tmp_path / "log"
    tasks = "mmlu" if rows == "sample" else ",".join(f"mmlu:{s}" for s in contract.SUBJECTS)
    words = ["run", "--model", folder, "--backend", "vllm", "--tasks", tasks, "--data", rows, "--db", db]
    command = [sys.executable, "-P", "-m", "tests.harness.backends.vllm.child"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(log: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, str(log), *map(str, words)], env=environment, cwd=tmp_path)

    import torch

    at_once = GPU_CALLS if torch.cuda.is_available() else CALLS["cpu"]
    first = start(log)
    children: set[psutil.Process] = set()
    while lines(log, "answer") < min(at_once + 64, 2 * at_once):
        assert first.poll() is None
        children |= set(psutil.Process(first.pid).children(recursive=True))
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert len(children) >= 2, "the engine's processes, and the guard"
    _gone, alive = psutil.wait_procs(children, timeout=20)
    assert alive == [], "no process holds memory that the next run wants"
    store = Store(db)
    (left,) = store.runs()
    kept, computed = len(store.answered(left.id, "mmlu")), lines(log, "answer")
    assert kept > 0
    assert computed - kept <= at_once

    again = tmp_path / "again"
    assert start(again).wait() == 0
    (ended,) = store.runs()
    assert (ended.id, ended.status) == (left.id, "finished")
    whole = len(store.answered(left.id, "mmlu"))
    assert lines(again, "answer") == whole - kept
    print(f"\n{computed} answers computed, {kept} kept, {whole - kept} asked on going on, of {whole}")
