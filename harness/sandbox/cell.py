"""One sandbox for one program: how it is made, spoken to and ended."""

from __future__ import annotations

import contextlib
import ctypes
import json
import marshal
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness.sandbox import program as inside
from harness.sandbox.syscalls import filter_program

START_LIMIT = 30.0  # seconds that a sandbox may take to start on a busy machine
NOBODY = 65534
TMP_SIZE = 16 << 20  # bytes
# A place that nobody's uid can reach, in a mount namespace of this process alone; nothing here needs /sys.
REACHABLE = "/sys"


class UnavailableError(Exception):
    """No sandbox can be made here: not a verdict on any program."""


class FaultError(BaseException):
    """The program is gone or its wall was breached: no check may go on, whatever it catches."""


class CandidateError(Exception):
    """An exception that was raised inside the program."""


def command() -> tuple[list[str], dict[str, Any]]:
    """bubblewrap's command line, and as whom to start it.

    Inside there are the system's libraries, the interpreter and its standard library, a small /tmp and
    /dev/null; no packages, no /proc, no network. As root, bubblewrap is started as nobody (a limit on the
    number of processes does not hold for root), who may not be able to reach the interpreter: it is mounted
    where nobody can."""
    prefix = Path(sys.base_prefix).resolve()
    python = Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
    source, identity = prefix, {}
    if os.geteuid() == 0:
        _mount_here(prefix, REACHABLE)
        source, identity = Path(REACHABLE), {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    arguments = ["bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
    arguments += ["--new-session", "--clearenv", "--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL"]
    for name in ("lib", "lib32", "lib64"):
        if os.path.islink(f"/{name}"):
            arguments += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
        else:
            arguments += ["--ro-bind-try", f"/{name}", f"/{name}"]
        arguments += ["--ro-bind-try", f"/usr/{name}", f"/usr/{name}"]
    for part in {python.relative_to(prefix), Path("lib")}:
        if prefix / part != Path("/usr/lib"):
            arguments += ["--ro-bind", str(source / part), str(prefix / part)]
    # This project may be installed among the packages, with its sample of programs and the answers.
    for library in {prefix / "lib", Path("/usr/lib")}:
        for packages in library.glob("python3*/*-packages"):
            arguments += ["--size", "4096", "--tmpfs", str(packages), "--remount-ro", str(packages)]
    arguments += ["--size", str(TMP_SIZE), "--tmpfs", "/tmp", "--dev-bind", "/dev/null", "/dev/null"]
    arguments += ["--remount-ro", "/", "--chdir", "/tmp", "--setenv", "PYTHONHASHSEED", "0"]
    # Compiled here once, not in each sandbox.
    code = marshal.dumps(compile(Path(inside.__file__).read_bytes(), "<sandbox>", "exec", dont_inherit=True))
    start = f"import marshal; exec(marshal.loads({code!r}))"
    arguments += [str(python), "-P", "-s", "-S", "-B", "-X", "utf8", "-c", start]
    return arguments, identity


def _mount_here(folder: Path, target: str) -> None:
    """Bind `folder` to `target`, seen by this process and its children only."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_mounts, bind, recursive, private = 0x20000, 0x1000, 0x4000, 1 << 18
    if (
        libc.unshare(new_mounts)
        or libc.mount(b"none", b"/", None, recursive | private, None)
        or libc.mount(os.fsencode(folder), target.encode(), None, bind | recursive, None)
    ):
        problem = os.strerror(ctypes.get_errno())
        raise UnavailableError(f"root may not make a mount namespace here ({problem}); run as an ordinary user")


class Cell:
    """One sandbox for one program."""

    def __init__(self, command: list[str], identity: dict[str, Any]) -> None:
        info, info_end = os.pipe()
        given = [info_end]
        options = ["--info-fd", str(info_end)]
        if denied := filter_program():
            denied_end, writing = os.pipe()
            os.write(writing, denied)  # far less than a pipe holds
            os.close(writing)
            given.append(denied_end)
            options += ["--seccomp", str(denied_end)]
        try:
            self._process = subprocess.Popen(
                [command[0], *options, *command[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=given,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                cwd="/",
                **identity,
            )
        except OSError as error:
            os.close(info)
            raise UnavailableError(f"bubblewrap could not be started: {error}") from None
        finally:
            for descriptor in given:
                os.close(descriptor)
        self._streams = [self._process.stdin, self._process.stdout, self._process.stderr]
        self._requests, self._replies, self._errors = (stream.fileno() for stream in self._streams if stream)
        self._info: int | None = info
        self._init: int | None = None  # a descriptor of the sandbox's first process
        self.fault = ""

    def wait_ready(self) -> None:
        """Until the interpreter inside waits for its program. UnavailableError when it never does."""
        poll = select.poll()
        poll.register(self._replies, select.POLLIN)
        answer = self._receive() if poll.poll(START_LIMIT * 1000) else b""
        if answer != inside.READY:
            self._process.kill()
            output = os.read(self._errors, 4096).decode("utf-8", "replace").strip()
            self.close()
            raise UnavailableError(output.splitlines()[-1] if output else "bubblewrap did not start its program")
        assert self._info is not None
        self._init = os.pidfd_open(json.loads(os.read(self._info, 4096))["child-pid"])

    def call(self, *values: Any) -> Any:
        """The program's answer. CandidateError when it raised, FaultError when it is gone."""
        if self.fault:
            raise FaultError
        try:
            request = memoryview(inside.frame(inside.encode(values)))
            while request:
                request = request[os.write(self._requests, request) :]
            answer = self._receive()
        except BrokenPipeError:
            answer = b""
        if not answer:
            raise self._broken("the program ended before it answered")
        try:
            value = inside.decode(answer[1:])
        except (ValueError, TypeError, RecursionError, OverflowError):
            raise self._broken("the program wrote over its answers") from None
        if answer[:1] == inside.RAISED and isinstance(value, str):
            raise CandidateError(value)
        if answer[:1] != inside.RETURNED:
            raise self._broken("the program wrote over its answers")
        return value

    def _broken(self, fault: str) -> FaultError:
        self.fault = self.fault or fault
        return FaultError(self.fault)

    def _receive(self) -> bytes:
        """A frame, or nothing where there is no whole one."""
        size = int.from_bytes(self._exactly(4), "big")
        if size > inside.LONGEST_FRAME:
            raise self._broken("the program wrote over its answers")
        return self._exactly(size)

    def _exactly(self, count: int) -> bytes:
        pieces, missing = [], count
        while missing:
            piece = os.read(self._replies, missing)
            if not piece:
                return b""
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def kill(self) -> None:
        """End everything inside: with its first process goes the whole process namespace."""
        if self._init is None:
            self._process.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init, signal.SIGKILL)

    def close(self) -> None:
        """Kill, and wait until nothing of it is left: bubblewrap outside ends after its namespace has."""
        self.kill()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in self._streams:
            if stream:
                stream.close()
        for descriptor in (self._info, self._init):
            if descriptor is not None:
                os.close(descriptor)
        self._info = self._init = None
