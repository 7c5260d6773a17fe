"""Several adapters of one base: one `harness run` of all against one of each, whole processes.

LoRA of rank 8 on every linear module of the measurements' model, with random weights large enough to change answers.
What must be equal is compared: texts and letters, and log-probabilities (1e-5 apart at most). Seconds of the processor
(`cpu`) stand beside those of the clock, because a shared machine takes from the latter. On vLLM the single runs serve
their adapter live too. `bytes` is the most memory that a single run, and the run of all, had in use at once.

`python -m bench.adapters [transformers|vllm] [how many]`"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

from bench import common

TASKS = "mmlu:anatomy,bbh:navigate"
ASKED = ("--limit", "20", "--max-new-tokens", "32")
ENGINE = {"vllm": ("--gpu-memory", "0.2")}  # on a CPU, of the main memory: vLLM's own default takes all but 8%
ENOUGH = 0.5  # of the time of the single runs
ROUNDING = 1e-5  # of a log-probability


def main(backend: str = "transformers", count: int = 8) -> None:
    folders = adapters(count)
    stores = {name: common.WORK / f"adapters-{backend}-{name}.duckdb" for name in ("alone", "together")}
    for store in stores.values():
        store.unlink(missing_ok=True)
    alone = [measured(stores["alone"], backend, "--model", str(folder)) for folder in folders]
    seconds, cpu, document = measured(stores["together"], backend, *named(folders))
    runs = document["runs"]
    apart = differences(stores["alone"], stores["together"])
    if apart["other_answers"] or apart["logprobs_apart"] > ROUNDING:
        raise SystemExit(f"the runs are not those of the adapters alone: {apart}")
    common.tell(
        "adapters" if backend == "transformers" else f"{backend} adapters",
        at_most=ENOUGH,
        ours=[seconds],
        peer=[sum(one for one, _, _ in alone)],
        cpu={"ours": cpu, "peer": sum(one for _, one, _ in alone)},
        adapters=count,
        bytes={"ours": peak(runs), "peer": peak([run for _, _, run in alone])},
        **apart,
        loading=[run["seconds"]["loading"] for run in runs],
        loading_alone=[run["seconds"]["loading"] for _, _, run in alone],
    )


def named(folders: list[Path]) -> list[str]:
    return [word for folder in folders for word in ("--model", str(folder))]


def adapters(count: int) -> list[Path]:
    """Made at the first call."""
    folders = [common.WORK / "adapters" / f"adapter-{number}" for number in range(1, count + 1)]
    for number, folder in enumerate(folders):
        if not (folder / "adapter_model.safetensors").exists():
            _make(folder, number)
    return folders


def _make(folder: Path, seed: int) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from harness.models.checkpoint import resolve
    from harness.models.training_record import write_record

    torch.manual_seed(seed)
    base = common.model()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear")
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if ".lora_B." in name:
                    parameter.copy_(torch.randn_like(parameter) * 0.05)
        model.save_pretrained(folder)
    write_record(folder, resolve(str(base)).digest)


def measured(db: Path, backend: str, *models: str) -> tuple[float, float, dict[str, Any]]:
    """Seconds of the clock and of the processor of a whole process, and its document."""
    command = [sys.executable, "-P", "-m", "harness", "run", *models, "--tasks", TASKS, *ASKED]
    command += ENGINE.get(backend, ())
    command += [
        "--data",
        str(common.DATA),
        "--db",
        str(db),
        "--backend",
        backend,
        "--lora",
        "live",
        "--fresh",
        "--json",
    ]
    before = common.cpu_seconds()
    seconds, output = common.timed(command)
    return seconds, common.cpu_seconds() - before, json.loads(output)


def peak(runs: list[dict[str, Any]]) -> int:
    return max(run["peak_bytes"] for run in runs)


def differences(alone: Path, together: Path) -> dict[str, Any]:
    """How many answers there are, and how many of them are other texts or letters; the largest difference of a
    log-probability."""
    from harness.results import Store

    one, other = Store(alone), Store(together)
    answers = other_answers = 0
    apart = 0.0
    for run in other.runs():
        twin = one.find(run.identity)
        if twin is None:
            raise SystemExit(f"{run.name} has another identity alone")
        for task in (task.task for task in other.tasks(run.id)):
            pairs = list(zip(one.responses(twin.id, task), other.responses(run.id, task), strict=True))
            letters = zip(one.samples(twin.id, task), other.samples(run.id, task), strict=True)
            answers += len(pairs)
            other_answers += sum(a.text != b.text for a, b in pairs) + sum(a.answer != b.answer for a, b in letters)
            values = [abs(p - q) for a, b in pairs for p, q in zip(a.logprobs, b.logprobs, strict=True)]
            apart = max([apart, *values])
    return {"answers": answers, "other_answers": other_answers, "logprobs_apart": apart}


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:]))  # type: ignore[arg-type]
