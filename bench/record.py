"""Figures that are written as soon as they are known, and the processes that find them.

For measurements on a machine that may be taken away: what was measured until then is in the file.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench import common

GRACE = 5.0  # seconds between asking a process to end and ending it


class Record:
    """The JSON file of one machine's figures: a name for each step. What the file holds already stays."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.figures: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.exists() else {}

    def note(self, name: str, figures: dict[str, Any]) -> None:
        """Write it down, whole or not at all, and say it in a line."""
        self.figures[name] = figures
        self.out.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.out.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.figures, indent=2) + "\n", encoding="utf-8")
        temporary.replace(self.out)
        sys.stdout.write(f"{name}: {json.dumps({k: v for k, v in figures.items() if k not in ('said', 'failed')})}\n")
        sys.stdout.flush()


def step(
    command: Sequence[str], limit: float | None = None, on_line: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """A process: seconds, how it ended, its standard output, and the end of its standard error where it failed.

    `limit` in seconds: it and its children are asked to end then, and ended soon after. `on_line` is told each line of
    standard output when it comes."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command,
            cwd=common.ROOT,
            env=common.environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        late = threading.Event()
        timers = [] if limit is None else _timers(process, limit, late)
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                on_line(line)
            process.wait()
        finally:
            for timer in timers:
                timer.cancel()
            _end(process, signal.SIGKILL)  # whatever it left behind
        errors.seek(0)
        wrong = errors.read()
    shown = ["python", *command[1:]] if command[0] == sys.executable else command
    record = {
        "command": " ".join(shown),
        "seconds": round(time.perf_counter() - began, 1),
        "exit_code": process.returncode,
    }
    if late.is_set():
        record["ended_after"] = limit
    return {**record, "said": "".join(lines)} if process.returncode == 0 else {**record, "failed": wrong[-3000:]}


def _timers(process: subprocess.Popen[str], limit: float, late: threading.Event) -> list[threading.Timer]:
    def ask() -> None:
        late.set()
        _end(process, signal.SIGTERM)

    timers = [
        threading.Timer(limit, ask),
        threading.Timer(limit + GRACE, _end, (process, signal.SIGKILL)),
    ]
    for timer in timers:
        timer.daemon = True
        timer.start()
    return timers


def _end(process: subprocess.Popen[str], by: signal.Signals) -> None:
    """The process group of `process`, which it was started as the leader of."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, by)
