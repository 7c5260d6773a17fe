"""`python` for shell scripts: a command line in a process of a forkserver (tests/forkserver.py), whose socket is the
first argument. Imports little, so that it starts in some milliseconds."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any


def ask(place: str, job: dict[str, Any], ends: Sequence[int]) -> socket.socket:
    """The connection on which the process's id and then its exit code come, a line each. `ends`: its standard input,
    output and error."""
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(place)
    socket.send_fds(channel, [b"\n"], list(ends))
    channel.sendall(json.dumps(job).encode() + b"\n")
    return channel


def job_of(command: Sequence[object], environment: dict[str, str], folder: str, new_session: bool) -> dict[str, Any]:
    words = [str(word) for word in command]
    return {"command": words, "environment": environment, "folder": folder, "new_session": new_session}


def main(place: str, *command: str) -> None:
    with ask(place, job_of(command, dict(os.environ), os.getcwd(), False), (0, 1, 2)) as channel:
        lines = channel.makefile()
        pid = int(lines.readline())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda got, _: os.kill(pid, got))
        code = int(lines.readline())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
