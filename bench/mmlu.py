"""MMLU, five shots, ten whole subjects: `harness run` against lm-eval's `hf`, whole processes in turn.

The subjects (1,591 items) are middling and small ones, so that the peer is done in minutes. `bound` is what reuse
can give at most: tokens asked over distinct tokens. The peer's batch size is the quickest of those that
`python -m bench.mmlu search` tries."""

from __future__ import annotations

import sys
from typing import Any

from bench import common

SUBJECTS = (
    "abstract_algebra", "anatomy", "astronomy", "college_chemistry", "computer_security",
    "conceptual_physics", "logical_fallacies", "marketing", "sociology", "world_religions",
)  # fmt: skip
BATCH_SIZE = "4"
DB = common.WORK / "mmlu.duckdb"


def main(rounds: int = 1) -> None:
    common.model()
    runs: list[dict[str, Any]] = []
    samples: dict[str, Any] = {}
    plain: list[float] = []

    def mine() -> float:
        seconds, run = common.ours(",".join(f"mmlu:{s}" for s in SUBJECTS), DB)
        runs.append(run)
        plain.append(common.plain_forward())
        return seconds

    def theirs() -> float:
        seconds, peer_samples = common.peer("mmlu", SUBJECTS, BATCH_SIZE)
        samples.update(peer_samples)
        return seconds

    ours, peers = common.in_turn(rounds, mine, theirs)
    run = runs[-1]
    tokens = run["tokens"]
    distinct = common.distinct_of(DB, run["run"], "mmlu")
    common.tell(
        "mmlu",
        at_least=tokens["asked"] / distinct,
        bound=tokens["asked"] / distinct,
        ours=ours,
        peer=peers,
        asked=tokens["asked"],
        computed=tokens["computed"],
        distinct=distinct,
        **letters(run["run"], samples),
        seconds=run["seconds"],
    )
    common.tell(
        "model time",
        at_most=1.5,
        ours=[r["seconds"]["model"] for r in runs],
        peer=[distinct * seconds for seconds in plain],
        tokens=distinct,
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
    else:
        main(*map(int, sys.argv[1:]))
