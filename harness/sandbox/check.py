"""The side of the sandbox that is outside: a process of ours that runs trusted checks, one after another.

Started by `harness/sandbox/runner.py` as `python -P -m harness.sandbox.check`. A line of JSON comes in for a job,
a line goes out for its verdict. For each job a sandbox of its own runs the program; the check calls it
through a stand-in. The next sandbox starts while the last verdict is on its way.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import signal
from typing import Any

from harness.sandbox.cell import CandidateError, Cell, FaultError, UnavailableError, command

REASON_LENGTH = 300


def judge(cell: Cell, job: dict[str, Any]) -> tuple[bool, str]:
    """Run the check against the program in the cell. The reason is one short line."""

    def on_alarm(*_: object) -> None:
        cell.fault = cell.fault or "timed out"
        cell.kill()
        raise FaultError

    def candidate(*arguments: Any, **keywords: Any) -> Any:
        return cell.call(arguments, keywords)

    def check() -> str:
        random.seed(0)  # a check that draws its cases draws the same ones each time
        try:
            cell.call(job["program"], job["entry_point"], math.ceil(job["timeout"]) + 1)
            names: dict[str, Any] = {}
            for part in (job["helpers"], job["check"]):
                exec(compile(part, "<check>", "exec", dont_inherit=True), names)  # noqa: S102 - the benchmark's own
                names[job["entry_point"]] = candidate
            names["check"](candidate)
            return "passed"
        except FaultError:
            raise
        except CandidateError as error:
            return f"error: {error}"
        except BaseException as error:
            try:
                return f"failed: {type(error).__name__}: {error}".removesuffix(": ")
            except ValueError:  # Python does not print integers that are very long
                return f"failed: {type(error).__name__}"

    signal.signal(signal.SIGALRM, on_alarm)
    reason = ""
    try:
        try:
            # again and again, for a check that catches everything in a loop
            signal.setitimer(signal.ITIMER_REAL, job["timeout"], 0.5)
            reason = check()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except FaultError:
        pass
    if cell.fault:
        reason = cell.fault if cell.fault == "timed out" else f"error: {cell.fault}"
    first = (reason.splitlines() or [""])[0]
    return reason == "passed", first[:REASON_LENGTH]


def main() -> None:
    """Jobs from standard input until it ends; a check that prints, prints nowhere."""
    # they are for the process that started this one: a program that they end would count as one that failed
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    jobs, verdicts = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(null, standard)
    arguments: list[str] = []
    ahead: Cell | None = None
    for line in jobs:
        try:
            if not arguments:
                arguments, identity = command()
            cell, ahead = _ready(ahead, arguments, identity), None
            passed, reason = judge(cell, json.loads(line))
            cell.kill()
            with contextlib.suppress(UnavailableError):
                ahead = Cell(arguments, identity)
            cell.close()
            verdict = {"passed": passed, "reason": reason}
        except UnavailableError as error:
            verdict = {"unavailable": str(error)}
        verdicts.write(json.dumps(verdict).encode() + b"\n")
        verdicts.flush()
    if ahead:
        with contextlib.suppress(UnavailableError):
            ahead.wait_ready()
            ahead.close()


def _ready(ahead: Cell | None, arguments: list[str], identity: dict[str, Any]) -> Cell:
    """A cell that waits for its program: the one that was started ahead, where it came up."""
    if ahead:
        with contextlib.suppress(UnavailableError):
            ahead.wait_ready()
            return ahead
    cell = Cell(arguments, identity)
    cell.wait_ready()
    return cell


if __name__ == "__main__":
    main()
