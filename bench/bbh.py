"""BBH, three-shot chain of thought, five real tasks, 64 and 256 new tokens, greedy: `harness run` against lm-eval's
`hf`, whole processes in turn. The first 40 items of each task, so that the peer is done in minutes. The peer's
batch size is the quickest of those that `python -m bench.bbh search` tries."""

from __future__ import annotations

import sys
from typing import Any

from bench import common

TASKS = ("boolean_expressions", "date_understanding", "navigate", "object_counting", "web_of_lies")
ITEMS = 40
NEW_TOKENS = (64, 256)
BATCH_SIZE = "16"
DB = common.WORK / "bbh.duckdb"


def main(rounds: int = 1) -> None:
    common.model()
    for tokens in NEW_TOKENS:
        measure(tokens, rounds)


def measure(new_tokens: int, rounds: int) -> None:
    runs: list[dict[str, Any]] = []
    samples: dict[str, Any] = {}
    cpu: dict[str, list[float]] = {}

    def mine() -> float:
        limits = ("--limit", str(ITEMS), "--max-new-tokens", str(new_tokens))
        seconds, run = common.ours(",".join(f"bbh:{name}" for name in TASKS), DB, *limits)
        runs.append(run)
        return seconds

    def theirs() -> float:
        seconds, peer_samples = common.peer("bbh", TASKS, BATCH_SIZE, str(ITEMS), str(new_tokens))
        samples.update(peer_samples)
        return seconds

    ours, peers = common.in_turn(rounds, mine, theirs, cpu)
    run = runs[-1]
    tokens = run["tokens"]
    distinct = common.distinct_of(DB, run["run"], "bbh")
    common.tell(
        f"bbh {new_tokens}",
        at_least=6,
        bound=tokens["asked"] / distinct,
        ours=ours,
        peer=peers,
        asked=tokens["asked"],
        computed=tokens["computed"],
        distinct=distinct,
        generated=tokens["generated"],
        **texts(run["run"], samples),
        seconds=run["seconds"],
        cpu=cpu,
    )


def texts(run: str, samples: dict[str, Any]) -> dict[str, Any]:
    """How many items there are, and those to which the two said something else."""
    from tuning.store import Store

    answers = {r.item: r.text for r in Store(DB).responses(run, "bbh")}
    others = [
        f"{name}/{sample['id']}"
        for name in TASKS
        for sample in samples[f"bbh_cot_fewshot_{name}"]
        if answers[f"{name}/{sample['id']}"] != sample["said"][0][0]
    ]
    return {"items": len(answers), "other_texts": others}


if __name__ == "__main__":
    if sys.argv[1:] == ["search"]:
        for new_tokens in NEW_TOKENS:
            common.search_batch("bbh", TASKS, "16", str(new_tokens))
    else:
        main(*map(int, sys.argv[1:]))
