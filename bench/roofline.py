"""How far a figure is from what the machine can do: its roofline (Williams et al. 2009).

The peaks are measured on the machine in the same run: operations a second of large matrix products, and bytes a second
of copying more than caches hold, read and written ones (as STREAM counts them, McCalpin 1995). Of a run, what cannot be
left out: the operations of each distinct token once, and the weights' way through memory once, and once more for each
token of the longest text. The longer of the two times is its bound.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import common
from bench.gpu_short import operations

SIZE, TIMES = 2048, 3  # of square matrices; products that are timed together
COPIED = 2**28  # bytes


def main() -> None:
    import torch

    common.say(
        bench="roofline",
        threads=torch.get_num_threads(),
        operations_per_second={
            figures["dtype"]: figures["peak_operations_per_second"]
            for figures in operations.figures("cpu", SIZE, TIMES)
        },
        bytes_per_second=bandwidth(),
    )


def bandwidth(size: int = COPIED) -> float:
    """Bytes a second of copying `size` bytes, the best of five."""
    import torch

    source, target = (torch.ones(size // 4) for _ in range(2))
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        target.copy_(source)
        seconds.append(time.perf_counter() - began)
    return 2 * size / min(seconds)


def least(folder: Path, db: Path, run: str, task: str) -> dict[str, float]:
    """Of a task of a run in float32, `operations` and `bytes` that no way of computing it can leave out. `folder` is
    the model's."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from harness.estimate.model_size import ModelSize
    from tuning.store import Store

    with torch.device("meta"):
        size = ModelSize.of(AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)))
    responses = list(Store(db).responses(run, task))
    prompts = AutoTokenizer.from_pretrained(folder)([r.shared + r.own for r in responses]).input_ids
    spans = [*common.distinct_spans(prompts)]
    # the last token of a text is not looked at again
    spans += [(len(ids), len(ids) + max(0, r.generated - 1)) for ids, r in zip(prompts, responses, strict=True)]
    tokens = sum(end - start for start, end in spans)
    pairs = sum(end * (end + 1) - start * (start + 1) for start, end in spans) / 2
    reads = sum(max(1, r.generated) for r in responses)
    longest = max((r.generated for r in responses), default=0)
    return {
        "operations": size.forward(tokens, pairs, reads),
        "bytes": 4.0 * (size.blocks + size.head) * max(1, longest),
    }


def share(figures: Mapping[str, Any], peaks: Mapping[str, Any], seconds: float) -> float | None:
    """What part of `seconds` the bound of these figures in float32 is; None where they have none."""
    if "operations" not in figures:
        return None
    computing = figures["operations"] / peaks["operations_per_second"]["float32"]
    moving = figures["bytes"] / peaks["bytes_per_second"]
    return max(computing, moving) / seconds


if __name__ == "__main__":
    main()
