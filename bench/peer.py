"""lm-evaluation-harness on the same rows, model and dtype, as one process: `python -m bench.peer …`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.common import DATA
from tests.harness.tasks.lm_eval_bridge import lm_eval_local


def main(benchmark: str, names: str, model: str, out: str, batch_size: str, limit: str = "", tokens: str = "") -> None:
    import lm_eval

    built: list[Any] = []
    for name in names.split(","):
        if benchmark == "mmlu":
            built.append(lm_eval_local.lm_eval_mmlu_task(DATA, name))
        else:
            built.append(_generating(benchmark, name, int(tokens)))
    results = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": model, "dtype": "float32"},
        tasks=built,
        batch_size=batch_size,
        device="cpu",
        limit=int(limit) if limit else None,
        log_samples=True,
        bootstrap_iters=0,
    )
    samples = {
        task: [{"id": s["doc_id"], "said": s["resps"], "prompt": s["arguments"][0][0]} for s in rows]
        for task, rows in results["samples"].items()
    }
    Path(out).write_text(json.dumps(samples), encoding="utf-8")


def _generating(benchmark: str, name: str, tokens: int) -> Any:
    """lm-eval's task with so many new tokens."""
    if benchmark == "humaneval":
        task = lm_eval_local.lm_eval_humaneval_task(DATA)
    else:
        task = lm_eval_local.lm_eval_bbh_task(DATA, name)
    task.config.generation_kwargs["max_gen_toks"] = tokens
    return task


if __name__ == "__main__":
    main(*sys.argv[1:])
