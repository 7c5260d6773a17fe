"""LoRA training against what a user would run instead: python -m bench.training.peers [MODEL,MODEL] [ROUNDS] [SCALE]

Ours, peft with transformers' Trainer, and TRL's packing (bench/training/sides.py), whole processes in turn on one
thread each. MODEL is `small`, the model of bench.common, or `gemma`, Gemma 3 270M where `make real` has made it. Rows
are those of .real/rows (seven tenths Alpaca, the others Dolly), or the bundled sample's. SCALE multiplies their number.

Seconds are the processor's, of the whole process, so that a shared machine counts for little; tokens are the rows' own,
without padding. Losses of Trainer's steps are compared with ours. TRL's steps hold other rows: of its first pass the
loss is compared with what ours is of the same rows. TRL stands in .venv-trl (`make bench`); where it is absent, its
line is left out."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import common, real_model
from tuning.types import Hyperparameters

ROWS = real_model.HOME / "rows"
TRL = common.ROOT / ".venv-trl" / "bin" / "python"
ALPACA, MAX_TOKENS, SEED = 0.7, 256, 0
MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
HYPER = Hyperparameters(rank=8, alpha=16.0, dropout=0.0, lr=3e-4, target_modules=MODULES, epochs=1, batch=8)
SPARE = 32  # rows that are drawn beyond those that are trained: of some the prompt alone is too long
SIZES = {"small": (160, 8), "gemma": (48, 4)}  # rows in all, and in a pass of Trainer
WANTED = {"trainer": 2.0, "trl": 1.2}
LESS_MEMORY = {"small": 1.0, "gemma": 2 / 3}  # of Trainer's peak
EQUAL = 1e-5  # nats


def job(name: str, scale: float) -> dict[str, Any]:
    """What one side is given: rows as instructions and as tokens, in the order of our steps."""
    from data.instruction_rows import sources
    from harness.models.checkpoint import resolve
    from harness.prompting.row_templates import Choice, prepare
    from harness.prompting.row_tokens import encode
    from tuning.training.training_schedule import batches

    folder = common.model() if name == "small" else real_model.OUT
    count, rows_a_pass = SIZES[name]
    count = HYPER.batch * max(2, round(scale * count / HYPER.batch))
    tokenizer, template = prepare(resolve(str(folder)), Choice("alpaca", ""), False)
    drawn = _drawn(sources.load(ROWS if ROWS.is_dir() else "sample").rows, count + SPARE)
    encoded = encode(tokenizer, drawn, MAX_TOKENS, template)[0]
    learnt = [pair for pair in zip(drawn, encoded, strict=True) if pair[1].responses]
    count = min(count, len(learnt) // HYPER.batch * HYPER.batch)
    instructions, encoded = [row for row, _ in learnt[:count]], [row for _, row in learnt[:count]]
    rows = [
        {
            "input_ids": list(row.ids),
            "labels": [token if place in set(row.learnt) else -100 for place, token in enumerate(row.ids)],
        }
        for row in encoded
    ]
    order = [place for step in batches(count, HYPER.batch, HYPER.epochs, random.Random(SEED)) for place in step]
    return {
        "model": str(folder),
        "instructions": [asdict(row) for row in instructions],
        "rows": [rows[place] for place in order],
        "rows_a_pass": rows_a_pass,
        "hyper": HYPER.to_dict(),
        "seed": SEED,
        "settings": {"max_tokens": MAX_TOKENS},
    }


def _drawn(rows: Sequence[Any], count: int) -> list[Any]:
    rng = random.Random(SEED)
    alpaca, others = ([row for row in rows if (row.source == "alpaca") is wanted] for wanted in (True, False))
    drawn = rng.sample(alpaca, min(len(alpaca), round(ALPACA * count)))
    drawn += rng.sample(others, min(len(others), count - len(drawn)))
    return rng.sample(drawn, len(drawn))


def side(name: str, job: Path) -> dict[str, Any]:
    """One whole process: what it wrote, its seconds, and the most memory that it had."""
    out = job.with_name(f"{name}.json")
    python = str(TRL) if name == "trl" else sys.executable
    environment = {**common.environment(), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(common.ROOT)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [python, "-m", "bench.training.sides", name, str(job), str(out)],
        cwd=common.ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"training with {name} ended with {process.returncode}")
    return {
        **json.loads(out.read_text("utf-8")),
        "processor": usage.ru_utime + usage.ru_stime,
        "clock": time.perf_counter() - began,
        "peak_gb": usage.ru_maxrss * 1024 / 1e9,
    }


def loss_of(job: dict[str, Any], first: dict[str, Any]) -> float:
    """The base's mean loss of the rows that TRL's first pass held, as ours has it."""
    from harness.models.checkpoint import resolve
    from harness.models.loading import load_model
    from harness.prompting.row_tokens import Tokens
    from tuning.training.likelihood import likelihood

    ids, labels, positions = (first[key][0] for key in ("input_ids", "labels", "position_ids"))
    starts = [place for place, position in enumerate(positions) if position == 0]
    rows = []
    for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
        prompt = sum(label == -100 for label in labels[start:end])
        rows.append(Tokens(tuple(ids[start:end]), ((prompt, end - start),)))
    return likelihood(load_model(resolve(job["model"]), "float32", "cpu"), rows)[0].mean


def measure(name: str, rounds: int, scale: float) -> None:
    folder = common.WORK / "training-peers"
    folder.mkdir(parents=True, exist_ok=True)
    given, file = job(name, scale), folder / "job.json"
    file.write_text(json.dumps(given), encoding="utf-8")
    peers = [peer for peer in WANTED if peer != "trl" or TRL.exists()]
    if len(peers) < len(WANTED):
        sys.stderr.write(f"TRL is left out: there is no {TRL.relative_to(common.ROOT)}.\n")
    done: dict[str, list[dict[str, Any]]] = {who: [] for who in ("ours", *peers)}
    for _ in range(rounds):
        for who in done:
            done[who].append(side(who, file))
    mine = done["ours"]
    for peer in peers:
        theirs = done[peer]
        if peer == "trainer":
            differences = [abs(a - b) for a, b in zip(mine[0]["losses"], theirs[0]["losses"], strict=True)]
        else:
            differences = [abs(loss_of(given, theirs[0]["first"]) - theirs[0]["losses"][0])]
        memory = [_median(side, "peak_gb") for side in (mine, theirs)]
        common.tell(
            f"training {name} {peer}",
            at_least=WANTED[peer],
            ours=[run["processor"] for run in mine],
            peer=[run["processor"] for run in theirs],
            clock={"ours": [run["clock"] for run in mine], "peer": [run["clock"] for run in theirs]},
            tokens=sum(len(row["input_ids"]) for row in given["rows"]),
            steps_ratio=_median(theirs, "steps") / _median(mine, "steps"),
            peak_gb=dict(zip(("ours", "peer"), memory, strict=True)),
            memory_holds=memory[0] <= memory[1] * (LESS_MEMORY[name] if peer == "trainer" else 1),
            loss_difference=max(differences),
            losses_equal=max(differences) <= EQUAL,
        )


def _median(runs: Sequence[dict[str, Any]], figure: str) -> float:
    return statistics.median(run[figure] for run in runs)


def main(models: str = "small", rounds: str = "2", scale: str = "1") -> None:
    for name in models.split(","):
        if name == "gemma" and not real_model.OUT.exists():
            sys.stderr.write("Gemma 3 270M is left out: `make real` makes it.\n")
            continue
        measure(name, int(rounds), float(scale))


if __name__ == "__main__":
    main(*sys.argv[1:])
