"""Ten plans, and what then happened: is the real time in the range that `--plan` prints, and memory within 15%?

    python -P -m bench.plans [NAME …]

Each plan is asked for, and done, as a whole process. Five runs and five searches: the embedded model, the random model
of common.py and a smaller one; scored letters, generated texts, programs, log-likelihoods, files of one's own;
different ranks, rungs, packed trials, more rows. OMP_NUM_THREADS is 1 for both where PLANS_THREADS does not say
otherwise: on a machine that others use, threads that wait for each other make times that nobody can foretell. The rows
of docs/plans.md come from here; `load` is the machine's before and after.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.common import DATA, ROOT, WORK, environment, model, say
from harness.estimate.ranges import Range, size_text, time_range_text, time_text

FOLDER = WORK / "plans"
MEMORY = 0.15
SMALL = {"hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 6, "num_attention_heads": 4}
TUNE = ("tune", "--data", "sample", "--optimizer", "random")
PLANS: dict[str, tuple[str, ...]] = {
    "run MMLU, two subjects": (
        "run",
        "--model",
        "{model}",
        "--data",
        "{data}",
        "--tasks",
        "mmlu:anatomy,mmlu:virology",
    ),
    "run BBH, 32 new tokens": (
        *("run", "--model", "{model}", "--data", "{data}", "--tasks", "bbh:navigate,bbh:web_of_lies"),
        *("--limit", "40", "--max-new-tokens", "32"),
    ),
    "run HumanEval, tiny": ("run", "--model", "tiny", "--data", "sample", "--tasks", "humaneval"),
    "run a file of questions": ("run", "--model", "{small}", "--tasks", "file:{questions}"),
    "run a file of continuations": ("run", "--model", "{model}", "--tasks", "file:{continuations}"),
    "tune tiny, rungs": (*TUNE, "--model", "tiny", "--budget", "8", "--sizes", "160,60,40"),
    "tune tiny, packed": (
        *(*TUNE, "--model", "tiny", "--budget", "6", "--sizes", "100,40,40"),
        *("--no-rungs", "--packed", "3", "--set", "epochs=2"),
    ),
    "tune small, no rungs": (*TUNE, "--model", "{small}", "--budget", "5", "--sizes", "48,24,24", "--no-rungs"),
    "tune 42 M, rungs": (*TUNE, "--model", "{model}", "--budget", "6", "--sizes", "60,24,24", "--set", "epochs=1"),
    "tune small, nomad, more rows": (
        *("tune", "--data", "sample", "--optimizer", "nomad", "--model", "{small}", "--budget", "6"),
        *("--sizes", "240,60,60", "--set", "epochs=1"),
    ),
}


def small() -> Path:
    """A smaller random model with the tokenizer of the other."""
    folder = WORK / "small"
    if not (folder / "model.safetensors").exists():
        import torch
        from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

        torch.manual_seed(0)
        config = LlamaConfig(vocab_size=16_000, num_key_value_heads=4, bos_token_id=1, eos_token_id=2, **SMALL)
        LlamaForCausalLM(config).save_pretrained(folder)
        AutoTokenizer.from_pretrained(model()).save_pretrained(folder)
    return folder


def files() -> dict[str, Path]:
    """Test files of one's own, from real rows."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = (DATA / "piqa" / "dev.jsonl").read_text(encoding="utf-8").splitlines()[:150]
    rows = [json.loads(line) for line in lines]
    questions = [{"question": r["goal"], "choices": [r["sol1"], r["sol2"]], "answer": r["sol1"]} for r in rows]
    continuations = [{"prompt": r["goal"] + "\n", "continuation": r["sol1"]} for r in rows]
    made = {}
    for name, content in (("questions", questions), ("continuations", continuations)):
        made[name] = FOLDER / f"{name}.jsonl"
        made[name].write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    return made


def harness(*words: str) -> dict[str, Any]:
    """The document that a command prints."""
    threads = os.environ.get("PLANS_THREADS", "1")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "harness", *words, "--json"],
        cwd=ROOT,
        env={**environment(), "OMP_NUM_THREADS": threads},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"harness {' '.join(words[:6])} … ended with {done.returncode}")
    return json.loads(done.stdout)


def measure(name: str, places: dict[str, str]) -> dict[str, Any]:
    folder = FOLDER / "stores"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    words = [word.format(**places) for word in PLANS[name]] + ["--db", str(folder / "s.duckdb")]
    before = os.getloadavg()[0]
    planned = harness(*words, "--plan")
    document = harness(*words)
    outcome = document["estimate"] if "run" in document else document["study"]["estimate"]
    seconds, took = Range.read(planned["seconds"]), outcome["took_seconds"]
    memory = planned["memory_bytes"] / outcome["took_bytes"] - 1
    shown = f"{time_range_text(seconds)} | {time_text(took)}"
    shown += f" | {size_text(planned['memory_bytes'])} | {size_text(outcome['took_bytes'])}"
    return {
        "plan": name,
        "row": f"| {name} | {shown} |",
        "inside": seconds.low <= took <= seconds.high,
        "memory_holds": abs(memory) <= MEMORY,
        "planned": seconds.to_dict(),
        "took": took,
        "memory_off": memory,
        "measured": planned["measured_seconds"],
        "load": [before, os.getloadavg()[0]],
    }


def main() -> None:
    made = files()
    places = {"model": model(), "small": small(), "data": DATA, **made}
    lines = []
    for name in sys.argv[1:] or PLANS:
        lines.append(measure(name, {key: str(place) for key, place in places.items()}))
        say(**lines[-1])
    inside, held = (sum(line[key] for line in lines) for key in ("inside", "memory_holds"))
    say(bench="plans", plans=len(lines), time_inside=inside, memory_within=held)


if __name__ == "__main__":
    main()
