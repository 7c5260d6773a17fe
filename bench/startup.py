"""From command to first stored answer, against `import torch, transformers` and loading the same model.

Also: planning and tokenising all 14,042 MMLU requests, against lm-eval building and tokenising the same."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import common

LOAD = (
    "import torch, transformers; from transformers import AutoModelForCausalLM as M; "
    "import sys; M.from_pretrained(sys.argv[1]).eval()"
)


def main(rounds: int = 5) -> None:
    folder = str(common.model())
    common.ours("mmlu:anatomy", common.WORK / "startup.duckdb", "--limit", "1")  # rows and digests are cached now
    mine, plain = common.in_turn(rounds, first_answer, lambda: common.timed([sys.executable, "-c", LOAD, folder])[0])
    common.tell("startup", at_most=1.5, ours=mine, peer=plain)
    planning()


def first_answer() -> float:
    """Seconds until the run says that its first answers are stored; it is stopped then."""
    command = [sys.executable, "-P", "-m", "harness", "run", "--model", str(common.model()), "--data", str(common.DATA)]
    command += ["--tasks", "mmlu", "--db", str(common.WORK / "startup.duckdb"), "--fresh"]
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=common.ROOT, stderr=subprocess.PIPE, text=True, env=common.environment())
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("mmlu: ") and not line.startswith("mmlu: 0 "):
            break
    seconds = time.perf_counter() - began
    child.kill()
    child.wait()
    return seconds


def planning() -> None:
    """In one process each: from rows to token ids of every request."""
    from lm_eval.models.huggingface import HFLM  # imported and loaded before the clock starts

    from harness.tasks.mmlu import Mmlu  # noqa: F401

    lm = HFLM(pretrained=str(common.model()), device="cpu", dtype="float32")
    tokens: dict[str, int] = {}

    def timed(name: str, work: Callable[[], int]) -> float:
        began = time.perf_counter()
        tokens[name] = work()
        return time.perf_counter() - began

    ours, peers = common.in_turn(1, lambda: timed("ours", _plan_ours), lambda: timed("peer", lambda: _plan_theirs(lm)))
    assert tokens["ours"] == tokens["peer"], "the same tokens"
    common.tell("planning", at_least=10, ours=ours, peer=peers, tokens=tokens["ours"])


def _plan_ours() -> int:
    from transformers import AutoTokenizer

    from data.benchmarks import load
    from harness.backends.transformers.prefix_tree import Row, plan
    from harness.prompting.tokens import Encoder
    from harness.tasks.mmlu import Mmlu
    from harness.types import Choice

    encoder = Encoder(AutoTokenizer.from_pretrained(common.model()), 100_000)
    task = Mmlu(load(Mmlu.rows, common.DATA))
    requests = [task.requests(item)[0] for item in task.items()]
    choices = [r for r in requests if isinstance(r, Choice)]
    prompts = encoder.prompts([r.prompt for r in choices], [1] * len(choices))
    for prompt, request in zip(prompts, choices, strict=True):
        for option in request.options:
            encoder.continuation(prompt, option)
    plan([Row(p.ids, 1, n) for n, p in enumerate(prompts)], 4096)
    return sum(len(p.ids) for p in prompts)


def _plan_theirs(lm: Any) -> int:
    """As lm-eval does before its first forward pass: contexts and requests by task, then pairs of ids."""
    from tests.harness.tasks.lm_eval_bridge import lm_eval_local

    total = 0
    for subject in lm_eval_local.mmlu_subjects(common.DATA):
        task = lm_eval_local.lm_eval_mmlu_task(common.DATA, subject)
        task.build_all_requests(rank=0, world_size=1)
        for n, instance in enumerate(task.instances):
            context, _ = lm._encode_pair(*instance.args)
            total += len(context) if n % 4 == 0 else 0
    return total


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
