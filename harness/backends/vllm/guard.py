"""Ends an engine's processes when ours was killed: `python -P -m harness.backends.vllm.guard PID`.

vLLM's engine core is a process of its own that does not notice when the one that started it is killed with SIGKILL,
and goes on holding the GPU's memory, which the resumed run then lacks. So this one notes, each second, which processes
are ours; when we are gone, or close its standard input (a forked engine may hold that open), it kills what is left. A
process that was there before it, a notebook's own for example, is none of the engine's.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys


def start() -> subprocess.Popen[bytes]:
    """Start a guard over this process; when this returns, it is watching. It ends with us, or when its standard input
    is closed."""
    command = [sys.executable, "-P", "-m", "harness.backends.vllm.guard", str(os.getpid())]
    # a session of its own: Ctrl-C is not for it
    made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert made.stdout
    made.stdout.readline()
    made.stdout.close()
    return made


def main(pid: int) -> None:
    import psutil

    try:
        ours = psutil.Process(pid)
        before = set(ours.children(recursive=True))  # this process among them
    except psutil.NoSuchProcess:
        return
    children: set[psutil.Process] = set()
    announced = False
    while True:
        try:
            if ours.status() == psutil.STATUS_ZOMBIE:
                break
            children |= set(ours.children(recursive=True)) - before
        except psutil.NoSuchProcess:
            break
        if not announced:
            announced = bool(os.write(1, b"watching\n"))
        if select.select([0], [], [], 1.0)[0] and not os.read(0, 1):
            break
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):  # psutil knows a number that was given to another process
            child.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]))
