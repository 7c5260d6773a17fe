"""MMLU, five shots, on vLLM: `harness run` against lm-eval's `vllm` backend, whole processes in turn.

    .venv-vllm/bin/python -m bench.vllm_mmlu [ITEMS]

The tokens that went through the model come from vLLM's own counters in both. The model is a small one with random
weights: what is measured is what is asked of vLLM, and how."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench import common

SUBJECTS = ("abstract_algebra", "global_facts")
FEWER = 5.0  # times, at least
WINDOW = 2048
SHAPE = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4}
SHAPE |= {"num_key_value_heads": 4, "max_position_embeddings": WINDOW, "vocab_size": 16_000}


def model() -> Path:
    """The measurements' tokenizer on a model that one core computes in a minute."""
    folder = common.WORK / "vllm-model"
    if not (folder / "tokenizer.json").exists():
        import torch
        from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

        tokenizer = AutoTokenizer.from_pretrained(common.model())
        torch.manual_seed(0)
        ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
        LlamaForCausalLM(LlamaConfig(**{**common.SHAPE, **SHAPE, **ids})).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def ours(out: Path, items: int) -> None:
    """One run, in this process: letters, and vLLM's count."""
    from harness import backends
    from harness.evaluation.planning import Options
    from harness.evaluation.run import run
    from tuning.store import Store

    db = common.WORK / "vllm-mmlu.duckdb"
    tasks = ",".join(f"mmlu:{s}" for s in SUBJECTS)
    options = Options(
        model=str(model()), tasks=tasks, db=str(db), data=str(common.DATA), limit=items, backend="vllm", fresh=True
    )
    made: list[Any] = []

    def make(plan: Any) -> tuple[Any, list[str]]:
        backend, warnings = backends.make(plan.options.backend, plan.model, plan.settings)
        made.append(backend)
        return backend, warnings

    result = run(options, make=make)
    letters = {s.item: s.answer for s in Store(db).samples(result.run.id, "mmlu")}
    _write(out, letters, dict(result.run.totals["seconds"])["model"])
    made[0].close()


def peer(out: Path, items: int) -> None:
    """The same rows through lm-eval."""
    import lm_eval

    from tests.harness.tasks.lm_eval_bridge import lm_eval_local

    tasks: list[Any] = [lm_eval_local.lm_eval_mmlu_task(common.DATA, name) for name in SUBJECTS]
    arguments = {"pretrained": str(model()), "dtype": "float32", "max_model_len": WINDOW, "enforce_eager": True}
    from lm_eval.models.vllm_causallms import VLLM

    engine = VLLM(**arguments, disable_log_stats=False)
    began = time.perf_counter()
    results = lm_eval.simple_evaluate(model=engine, tasks=tasks, limit=items, log_samples=True, bootstrap_iters=0)
    seconds = time.perf_counter() - began
    letters = {}
    for task, rows in results["samples"].items():
        for row in rows:
            values = [response[0][0] for response in row["resps"]]
            letters[f"{task.removeprefix('mmlu_')}/{row['doc_id']}"] = "ABCD"[values.index(max(values))]
    _write(out, letters, seconds)


def _write(out: Path, letters: dict[str, str], model_seconds: float) -> None:
    from tests.harness.backends.vllm.counters import computed

    out.write_text(json.dumps({"letters": letters, "tokens": computed(), "model": model_seconds}), encoding="utf-8")


def main(items: int = 100) -> None:
    model()
    figures, seconds = {}, {}
    for who in ("ours", "peer"):
        out = common.WORK / f"vllm-{who}.json"
        out.unlink(missing_ok=True)
        command = [sys.executable, "-m", "bench.vllm_mmlu", who, str(out), str(items)]
        seconds[who], _ = common.timed(command)
        figures[who] = json.loads(out.read_text(encoding="utf-8"))
    letters = figures["ours"]["letters"]
    assert letters.keys() == figures["peer"]["letters"].keys()
    fewer = figures["peer"]["tokens"] / figures["ours"]["tokens"]
    common.tell(
        "vllm mmlu",
        at_least=1.0,
        ours=[seconds["ours"]],
        peer=[seconds["peer"]],
        fewer_tokens=fewer,
        fewer_holds=fewer >= FEWER,
        tokens={who: figures[who]["tokens"] for who in figures},
        model_seconds={who: figures[who]["model"] for who in figures},
        items=len(letters),
        other_letters=sum(letters[i] != figures["peer"]["letters"][i] for i in letters),
    )


if __name__ == "__main__":
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    if sys.argv[1:2] in (["ours"], ["peer"]):
        {"ours": ours, "peer": peer}[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:]))
