"""LoRA training on a base: trials one after the other, then the same trials packed into one pass. `seconds` hold all of
a trial; a step's tokens a second leave out attaching, validation, writing, and the first step.

The 7B-shaped base has random weights that are made on the card: nothing of its 13 GB goes through a disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.gpu import random_llama
from bench.gpu_short.operations import weights
from bench.training.gpu_training import alone, hypers, together
from data.instruction_rows import sources
from data.instruction_split import PAPER_MIX, Sizes, Splits, split

RANKS = (8, 64, 512)
MODULES = (
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
)  # all linear layers of both bases
BATCH = 16
MAX_TOKENS = 256  # as studies/real.toml has it
SOME = 4  # times as many rows are read as are trained on: their near copies go


def splits(rows: Path | str, train: int, validation: int = 16, mix: dict[str, float] | None = PAPER_MIX) -> Splits:
    """So many rows, of the first of each source."""
    every = sources.load(rows).rows
    some = [
        row
        for source in dict.fromkeys(row.source for row in every)
        for row in [one for one in every if one.source == source][: SOME * (train + validation)]
    ]
    return split(some, 0, Sizes(train, validation, 0), mix)


def figures(
    base: str,
    rows: Splits,
    trials: int,
    shape: dict[str, Any] | None = None,
    device: str = "cuda",
    dtype: str = "bfloat16",
    ranks: Sequence[int] = RANKS,
) -> Iterator[dict[str, Any]]:
    """Of each rank, alone and packed. `base` is a checkpoint; with `shape`, a Llama of that configuration takes its
    place, with its tokenizer."""
    from harness.models.checkpoint import resolve
    from tuning.training.train import Trainer
    from tuning.training.train_settings import TrainSettings

    settings = TrainSettings(device=device, dtype=dtype, micro_batch=BATCH, max_tokens=MAX_TOKENS)
    trainer = Trainer(resolve(base), rows, settings)
    if shape is not None:
        trainer.model = random_llama(shape, device, dtype)
    inside, output = weights(trainer.model)
    shapes = [m.weight.shape for n, m in trainer.model.named_modules() if n.rpartition(".")[2] in MODULES]
    tokens = sum(len(row.ids) for row in trainer.rows.part("train"))
    responses = sum(row.responses for row in trainer.rows.part("train"))
    for rank in ranks:
        adapter = rank * sum(sum(shape) for shape in shapes)
        # Of a weight and token: 2 forward, 2 for the gradient by its input, and for an adapter's weights 2 for their
        # own; the output embedding is reached by the response tokens alone. Attention is left out.
        operations = 4 * inside + 6 * adapter + 4 * output * responses / tokens
        with tempfile.TemporaryDirectory() as folder:
            for name, part in (("alone", alone), ("packed", together)):
                figures = part(trainer, hypers(rank, trials, BATCH, MODULES), 1.0, Path(folder))
                yield {
                    "trials": f"{trials} {name}",
                    "weights": inside + output,
                    "adapter_weights": adapter,
                    "dtype": dtype,
                    "rank": rank,
                    "rows": len(rows.train),
                    "operations_per_second": operations * (figures["step_tokens_per_second"] or 0),
                    **figures,
                }
