"""A process that has the heavy imports behind it and forks for each command of a case: what each start costs is saved.

`python -m tests.cases.warm SOCKET` serves. `python -S warm.py SOCKET harness WORDS …`, or `… SCRIPT.py WORDS …`, has a
command run there with its own streams, folder and environment, and ends with its exit code.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

LONGEST = 1 << 17  # bytes of a command with its environment
KIND = socket.SOCK_SEQPACKET


def ask(place: str, words: list[str]) -> NoReturn:
    """This process's streams go to the one that runs the command."""
    job = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX, KIND) as connection:
        connection.connect(place)
        socket.send_fds(connection, [json.dumps(job).encode()], [0, 1, 2])
        code = int(connection.recv(LONGEST) or b"70")
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)


def serve(place: str) -> None:
    """Until standard input ends."""
    from harness.models import loading

    with loading._lean_imports():
        from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: F401
    import datasets  # noqa: F401
    import duckdb  # noqa: F401
    import lm_eval.tasks  # noqa: F401

    with socket.socket(socket.AF_UNIX, KIND) as server:
        server.bind(place)
        server.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
            connection, _ = server.accept()
            message, streams, _, _ = socket.recv_fds(connection, LONGEST, 3)
            worker = os.fork()
            if worker == 0:
                server.close()
                _run(json.loads(message), streams)
            for stream in streams:
                os.close(stream)
            with connection:
                ended = os.pidfd_open(worker)
                if ended not in select.select([ended, connection.fileno()], [], [])[0]:
                    os.kill(worker, 9)  # who asked has gone
                os.close(ended)
                code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
                connection.send(str(code).encode(), socket.MSG_NOSIGNAL)


def _run(job: dict[str, Any], streams: list[int]) -> NoReturn:
    from harness import signals
    from harness.cli.main import run_command

    code = 70
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.environ.clear()
        os.environ.update(job["environment"])
        os.chdir(job["folder"])
        first, *words = job["words"]
        if first == "harness":
            signals.install()
            code = run_command(words)
        else:
            code = _script(first, words)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _script(path: str, words: list[str]) -> int:
    import runpy

    sys.argv = [path, *words]
    sys.path[:0] = [str(Path(path).parent), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    runpy.run_path(path, run_name="__main__")
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 2:
        ask(sys.argv[1], sys.argv[2:])
    serve(sys.argv[1])
    os._exit(0)  # without the seconds that unloading all of it takes
