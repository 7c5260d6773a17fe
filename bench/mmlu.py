"""MMLU, five shots, ten whole subjects: `harness run` against lm-eval's `hf`, whole processes in turn.

The subjects (1,591 items) are middling and small ones, so that the peer is done in minutes. `bound` is what reuse
can give at most: tokens asked over distinct tokens. The peer's batch size is the quickest of those that
`python -m bench.mmlu search` tries. Model time is also measured on two subjects with Gemma 3 270M, where `make real`
has fetched it; `python -m bench.mmlu real` measures that alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench import common, real_model, roofline

SUBJECTS = (
    "abstract_algebra", "anatomy", "astronomy", "college_chemistry", "computer_security",
    "conceptual_physics", "logical_fallacies", "marketing", "sociology", "world_religions",
)  # fmt: skip
BATCH_SIZE = "4"
DB = common.WORK / "mmlu.duckdb"
REAL_SUBJECTS = ("abstract_algebra", "anatomy")
REAL_DB = common.WORK / "mmlu-real.duckdb"


def main(rounds: int = 1) -> None:
    common.model()
    runs: list[dict[str, Any]] = []
    samples: dict[str, Any] = {}
    cpu: dict[str, list[float]] = {}

    def mine() -> float:
        seconds, run = common.ours(",".join(f"mmlu:{s}" for s in SUBJECTS), DB)
        runs.append(run)
        return seconds

    def theirs() -> float:
        seconds, peer_samples = common.peer("mmlu", SUBJECTS, BATCH_SIZE)
        samples.update(peer_samples)
        return seconds

    plain = [common.plain_forward()]
    ours, peers = common.in_turn(rounds, mine, theirs, cpu)
    plain.append(common.plain_forward())
    run = runs[-1]
    tokens = run["tokens"]
    distinct = common.distinct_of(DB, run["run"], "mmlu")
    common.tell(
        "mmlu",
        at_least=9,
        bound=tokens["asked"] / distinct,
        ours=ours,
        peer=peers,
        asked=tokens["asked"],
        computed=tokens["computed"],
        distinct=distinct,
        **letters(run["run"], samples),
        **roofline.least(common.model(), DB, run["run"], "mmlu"),
        seconds=run["seconds"],
        cpu=cpu,
    )
    model_time("model time", runs, plain, DB, common.model())
    if real_model.OUT.exists():
        real()


def real(rounds: int = 1) -> None:
    """Model time of Gemma 3 270M."""
    runs: list[dict[str, Any]] = []
    plain: list[float] = []
    for _ in range(rounds + 1):
        tasks = ",".join(f"mmlu:{s}" for s in REAL_SUBJECTS)
        _, run = common.ours(tasks, REAL_DB, "--dtype", "float32", of=real_model.OUT)
        runs.append(run)
        plain.append(common.plain_forward(real_model.OUT))
    model_time("model time 270M", runs, plain, REAL_DB, real_model.OUT)


def model_time(bench: str, runs: list[dict[str, Any]], plain: list[float], db: Path, folder: Path) -> None:
    """Ours beside one plain forward pass, whose seconds a token `plain` has, over as many distinct tokens."""
    run = runs[-1]["run"]
    distinct = common.distinct_of(db, run, "mmlu", of=folder)
    common.tell(
        bench,
        at_most=1.15,
        ours=[r["seconds"]["model"] for r in runs],
        peer=[distinct * seconds for seconds in plain],
        tokens=distinct,
        **roofline.least(folder, db, run, "mmlu"),
    )


def letters(run: str, samples: dict[str, Any]) -> dict[str, int]:
    """How many items there are, and on how many the two chose another letter."""
    from tuning.store import Store

    answers = {s.item: s.answer for s in Store(DB).samples(run, "mmlu")}
    other = 0
    for subject in SUBJECTS:
        for sample in samples[f"mmlu_{subject}"]:
            values = [response[0][0] for response in sample["said"]]
            other += answers[f"{subject}/{sample['id']}"] != "ABCD"[values.index(max(values))]
    return {"items": len(answers), "other_letters": other}


if __name__ == "__main__":
    if sys.argv[1:] == ["search"]:
        common.search_batch("mmlu", SUBJECTS[:2])
    elif sys.argv[1:] == ["real"]:
        real()
    else:
        main(*map(int, sys.argv[1:]))
