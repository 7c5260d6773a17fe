"""Processes that begin with the heavy imports done. A server imports them once and forks one for each command line,
which saves the seconds that each import of torch takes.

A forked process is a process of its own, as one that is started is: it has its own id, gets its own signals, ends with
its own exit code, and runs the same command line. It differs in what is imported already; a test of what a start
imports or costs starts a fresh one.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from tests.forked_python import ask, job_of

ROOT = Path(__file__).resolve().parent.parent
PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL


class Process:
    """Of subprocess.Popen, what the tests use. `command` is what this Python is called with: options, then
    -m MODULE, -c CODE or a file, and arguments."""

    def __init__(
        self,
        command: Sequence[object],
        *,
        stdin: int | IO[Any] | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        new_session: bool = False,
    ) -> None:
        ends, self.files = [], []
        for number, wanted in enumerate((stdin, stdout, stderr)):
            end, file = _stream(number, wanted)
            ends.append(end)
            self.files.append(file)
        self.stdin, self.stdout, self.stderr = self.files
        job = job_of(command, dict(os.environ if env is None else env), str(cwd or Path.cwd()), new_session)
        self.returncode: int | None = None
        self._channel = ask(address(), job, ends)
        for end in ends:
            os.close(end)
        self._answers = self._channel.makefile()
        self.pid = int(self._answers.readline())

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.files:
            if file:
                file.close()
        self.wait()

    def poll(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs."""
        return self.returncode if self._ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def _ended(self, timeout: float | None) -> bool:
        if self.returncode is None and select.select([self._channel], [], [], timeout)[0]:
            self.returncode = int(self._answers.readline())
            self._answers.close()
            self._channel.close()
        return self.returncode is not None

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that stands on standard output and error, then its end."""
        said = ["", ""]

        def read(number: int, file: IO[str]) -> None:
            said[number] = file.read()

        if self.stdin:
            self.stdin.close()
        outputs = [(number, file) for number, file in enumerate((self.stdout, self.stderr)) if file]
        readers = [threading.Thread(target=read, args=output, daemon=True) for output in outputs]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return said[0], said[1]


def _stream(number: int, wanted: int | IO[Any] | None) -> tuple[int, IO[Any] | None]:
    """The descriptor that the process gets, and our end of a pipe."""
    if wanted == PIPE:
        reading, writing = os.pipe()
        theirs, ours = (reading, writing) if number == 0 else (writing, reading)
        return theirs, open(ours, "w" if number == 0 else "r", encoding="utf-8", errors="replace")
    if wanted == DEVNULL:
        return os.open(os.devnull, os.O_RDWR), None
    if wanted is None:
        return os.dup(number), None
    return os.dup(wanted if isinstance(wanted, int) else wanted.fileno()), None


@functools.cache
def address() -> str:
    """The socket of this process's server, which is started at the first call and ends with this process."""
    place = str(Path(tempfile.mkdtemp(prefix="forkserver-")) / "socket")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-P", "-m", "tests.forkserver", place]
    server = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, env=environment, start_new_session=True)
    atexit.register(_end, server, place)
    assert server.stdout
    assert server.stdout.readline() == b"ready\n"
    return place


def _end(server: subprocess.Popen[bytes], place: str) -> None:
    server.communicate()  # closes its standard input
    Path(place).unlink()
    Path(place).parent.rmdir()


# the server


# What most command lines need. Nothing here reads its settings from the environment when it is imported, as `datasets`
# does, or starts a thread.
HEAVY = (
    "duckdb",
    "peft",
    "scipy.stats",
    "streamlit",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
    "harness.cli.main",
    "leaderboard.app.shell",
)


def _serve(place: str) -> list[str]:
    """Returns only in a forked process, with its command line."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        gc.freeze()
        os.write(1, b"ready\n")
        while True:
            watched: list[int | socket.socket] = [0, listener]
            readable, _, _ = select.select(watched, [], [])
            if 0 in readable:  # who started us has ended
                os._exit(0)
            channel, _ = listener.accept()
            if os.fork() == 0:
                break
            channel.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, ends, _, _ = socket.recv_fds(channel, 1, 3)
    job = json.loads(channel.makefile().readline())
    pid = os.fork()
    if pid:
        _report(channel, pid, ends)
    channel.close()
    _become(job, ends)
    command: list[str] = job["command"]
    return command


def _report(channel: socket.socket, pid: int, ends: Sequence[int]) -> NoReturn:
    for end in (0, 1, 2, *ends):
        os.close(end)
    channel.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    channel.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(job: dict[str, Any], ends: Sequence[int]) -> None:
    if job["new_session"]:
        os.setsid()
    else:
        os.setpgid(0, 0)  # what is sent to its group is not for the server
    for number, end in enumerate(ends):
        os.dup2(end, number)
        os.close(end)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in os.environ
    tempfile.tempdir = None
    more = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [folder for folder in more if folder and folder not in sys.path]


def _execute(command: list[str]) -> NoReturn:
    """As `python COMMAND`. The process ends without Python's tidying up, which waits for threads that a fork lacks."""
    code = 1
    try:
        _program(command)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _program(command: list[str]) -> None:
    words = list(command)
    while words[0] == "-P":
        words.pop(0)
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = words
        if "-P" not in command:
            sys.path.insert(0, str(Path(words[0]).resolve().parent))
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    if os.fork():  # the server is nobody's child: tests look at a process's children, and end them
        os._exit(0)
    for name in HEAVY:
        importlib.import_module(name)
    _execute(_serve(sys.argv[1]))
