"""Everything that needs a GPU and vLLM, in order, as docs/gpu.md has it: python -m bench.gpu [OUT.json]

Each step is a process of its own; what it took and found goes into the file as soon as it is known, so that a machine
that is taken away leaves what was measured. A step that fails is written down with its last lines, and the next runs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import common
from bench.record import Record, step

SHAPE_7B = {  # LLaMA-2-7B's
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
}
SUITE = "mmlu,bbh,drop,humaneval"


def model_7b() -> Path:
    """7B-shaped, random weights, bfloat16, with the measurements' tokenizer; 13 GB on disk."""
    folder = common.WORK / "7b"
    if not (folder / "tokenizer.json").exists():
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(common.model())
        ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
        random_llama({**SHAPE_7B, **ids}, "cuda", "bfloat16").save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def random_llama(shape: Mapping[str, Any], device: str, dtype: str) -> Any:
    """A Llama with random weights that are made on the device."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.device(device):
            return LlamaForCausalLM(LlamaConfig(**shape))
    finally:
        torch.set_default_dtype(usual)


def card() -> dict[str, Any]:
    """SystemExit where there is none."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("There is no GPU here; these measurements are of one. (On a CPU: make test-vllm.)")
    return {
        "device": torch.cuda.get_device_name(),
        "devices": torch.cuda.device_count(),
        "memory_gb": round(torch.cuda.get_device_properties(0).total_memory / 1e9, 1),
        "cuda": torch.version.cuda,
    }


def device() -> dict[str, Any]:
    import torch
    import transformers
    import vllm

    return {
        **card(),
        "vllm": vllm.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def measured(tasks: str, backend: str, *options: str) -> dict[str, Any]:
    """One `harness run` of the 7B-shaped model on the real rows."""
    db = common.WORK / "gpu.duckdb"
    command = [sys.executable, "-P", "-m", "harness", "run", "--model", str(model_7b()), "--data", str(common.DATA)]
    record = step([*command, "--tasks", tasks, "--backend", backend, "--db", str(db), "--fresh", "--json", *options])
    if "said" in record:
        run = json.loads(record.pop("said"))
        spent = run["seconds"].get("model", 0.0)
        record |= {"tokens": run["tokens"], "run_seconds": run["seconds"], "scores": len(run["scores"])}
        if spent:
            record["computed_tokens_per_second"] = round(
                (run["tokens"]["computed"] + run["tokens"]["generated"]) / spent
            )
    return record


def main(out: Path) -> None:
    common.WORK.mkdir(exist_ok=True)
    out.unlink(missing_ok=True)
    record = Record(out)
    record.note("machine", device())
    note = record.note
    note("parity", step([sys.executable, "-m", "pytest", "-m", "vllm", "-s", "-q", "tests/harness/backends"]))
    note("fewer tokens than lm-eval", step([sys.executable, "-m", "bench.vllm_mmlu"]))
    note("mmlu, vllm", measured("mmlu", "vllm"))
    note("mmlu, transformers", measured("mmlu", "transformers"))
    note("whole suite, vllm", measured(SUITE, "vllm"))
    note("training", step([sys.executable, "-m", "bench.training.gpu_training"]))
    if record.figures["machine"]["devices"] > 1:
        many = str(record.figures["machine"]["devices"])
        note("mmlu, tensor parallel", measured("mmlu", "vllm", "--tensor-parallel", many))
        note("mmlu, data parallel", measured("mmlu", "vllm", "--data-parallel", many))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else common.WORK / "gpu.json")
