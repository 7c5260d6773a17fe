"""Sessions of fake studies in processes of their own, to be killed.

A nursery has the heavy imports behind it and forks a process for each session: seconds saved with every one.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", "tests.tuning.child"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, stdin=-1, stdout=-1, text=True, env=environment)
        atexit.register(self.close)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def start(self, folder: Path, **job: Any) -> int:
        """Begin a session; gives its process's id. Standard error goes to `folder`/err."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"folder": str(folder), **job}) + "\n")
        self.process.stdin.flush()
        return int(self._said())

    def ended(self) -> int:
        """Wait for the session's end; its exit code, negative for a signal."""
        return int(self._said())

    def kill_when(self, pid: int, happened: Callable[[], bool]) -> int:
        """SIGKILL once it happens, or see it end before; the exit code."""
        while not happened() and not _is_zombie(pid):
            time.sleep(0.001)  # polls a file that another process writes
        os.kill(pid, signal.SIGKILL)
        return self.ended()

    def run(self, folder: Path, **job: Any) -> int:
        self.start(folder, **job)
        return self.ended()

    def _said(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@functools.cache
def nursery() -> Nursery:
    return Nursery()


def _nurse() -> None:
    from contextlib import redirect_stdout

    with redirect_stdout(sys.stderr):
        import duckdb  # noqa: F401
        import optuna  # noqa: F401
        import pandas  # noqa: F401
        import pyarrow  # noqa: F401
        import scipy.stats  # noqa: F401
        from nni.algorithms.hpo.tpe_tuner import TpeTuner  # noqa: F401

    from tests.tuning import fakes  # noqa: F401
    from tuning.study import session  # noqa: F401

    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _session(job)
        print(pid, flush=True)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # so that who is about to kill it still finds it
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _session(job: dict[str, Any]) -> None:
    from harness.cli.main import _explain
    from tests.tuning import fakes
    from tuning.study import session

    folder = Path(job["folder"])
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    faults = {int(rank): fault for rank, fault in job.get("faults", {}).items()}
    setup = fakes.setup(job.get("log", ""), faults, **job.get("more", {}))
    code = 0
    try:
        session.run(fakes.options(folder, **job.get("options", {})), setup=setup)
    except BaseException as error:  # as `harness` would say it
        code = _explain(error, [])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _nurse()
