"""lm-eval's own `hf` model on the same tasks, rows and weights.

python -m bench.published.peer TASK FOLDER MODEL LIMIT OUT; limit 0 is all items."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

BATCH_SIZE = 8


def main(task: str, folder: str, model: str, limit: str, out: str) -> None:
    import lm_eval
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=folder, include_defaults=False)
    began = time.perf_counter()
    results = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": model, "dtype": "float32"},
        tasks=[task],
        task_manager=manager,
        batch_size=BATCH_SIZE,
        device="cpu",
        limit=int(limit) or None,
        log_samples=True,
        bootstrap_iters=0,
    )
    samples = {sample["doc_id"]: [float(pair[0][0]) for pair in sample["resps"]] for sample in results["samples"][task]}
    scores = {name.partition(",")[0]: value for name, value in results["results"][task].items() if name != "alias"}
    document = {"seconds": time.perf_counter() - began, "logprobs": samples, "scores": scores}
    Path(out).write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
