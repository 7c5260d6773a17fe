"""HumanEval, 40 problems, 256 new tokens, greedy, Gemma 3 270M (`make real`): `harness run` against lm-eval's `hf`,
whole processes in turn. Ours runs the programs too; the peer only writes them, for it would run them unguarded. The
peer's batch size is the quickest of four that `python -m bench.humaneval search` tries."""

from __future__ import annotations

import sys
from typing import Any

from bench import common, real_model

ITEMS, NEW_TOKENS = 40, 256
BATCH_SIZES = (4, 8, 16, 40)
BATCH_SIZE = "16"
DB = common.WORK / "humaneval.duckdb"


def main(rounds: int = 1) -> None:
    folder = real_model.gemma()
    runs: list[dict[str, Any]] = []
    samples: dict[str, Any] = {}
    cpu: dict[str, list[float]] = {}

    def mine() -> float:
        limits = ("--limit", str(ITEMS), "--max-new-tokens", str(NEW_TOKENS), "--dtype", "float32")
        seconds, run = common.ours("humaneval", DB, *limits, of=folder)
        runs.append(run)
        return seconds

    def theirs() -> float:
        seconds, peer_samples = common.peer(
            "humaneval", ["humaneval"], BATCH_SIZE, str(ITEMS), str(NEW_TOKENS), of=folder
        )
        samples.update(peer_samples)
        return seconds

    ours, peers = common.in_turn(rounds, mine, theirs, cpu)
    run = runs[-1]
    common.tell(
        "humaneval",
        at_least=4,
        ours=ours,
        peer=peers,
        **{name: run["tokens"][name] for name in ("asked", "computed", "generated")},
        **texts(run["run"], samples["humaneval"]),
        seconds=run["seconds"],
        cpu=cpu,
    )


def texts(run: str, samples: list[dict[str, Any]]) -> dict[str, Any]:
    """How many problems there are, and those to which the two wrote something else."""
    from tuning.store import Store

    answers = {r.item: r.text for r in Store(DB).responses(run, "humaneval")}
    others = [item for sample in samples if answers[item := f"HumanEval/{sample['id']}"] != sample["said"][0][0]]
    return {"items": len(answers), "other_texts": others}


if __name__ == "__main__":
    if sys.argv[1:] == ["search"]:
        common.search_batch("humaneval", ["humaneval"], "8", str(NEW_TOKENS), of=real_model.gemma(), sizes=BATCH_SIZES)
    else:
        main(*map(int, sys.argv[1:]))
