"""LoRA training on a GPU: a 7B-shaped base in bfloat16, rank 512 on q_proj and v_proj, real Alpaca and Dolly rows.

    python -m bench.training.gpu_training [BASE] [FRACTION] [DEVICE]

Four trials one after the other, then the same four packed into one pass through the base, each on FRACTION of the train
rows (batch 16, one epoch, 512 tokens). One JSON line: memory, tokens a second, the hours that 100 trials on the paper's
53,610 rows and two epochs would take at that speed, and the ratio of packed to sequential. BASE is the 7B-shaped model
of bench.gpu where not given; any other is for trying the script."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.common import say
from bench.training.base import study_splits
from tuning.types import Hyperparameters, Trained, TrialError

RANK, TRIALS, BATCH = 512, 4, 16
PAPER_ROWS, PAPER_EPOCHS, PAPER_TRIALS = 53_610, 2, 100  # round 2 of arXiv 2312.00949


def hypers() -> list[Hyperparameters]:
    """They differ in what may differ in a pack."""
    rates = [1e-4 * 2**n for n in range(TRIALS)]
    return [Hyperparameters(rank=RANK, alpha=float(RANK), dropout=0.0, lr=lr, batch=BATCH, epochs=1) for lr in rates]


def figures(done: list[Trained | TrialError], rows: int) -> dict[str, Any]:
    """Of four trials. `seconds` hold training and validation. Raises the first failure."""
    for outcome in done:
        if isinstance(outcome, TrialError):
            raise SystemExit(f"a trial failed: {outcome}")
    trained = [outcome for outcome in done if isinstance(outcome, Trained)]
    seconds = sum(trial.seconds for trial in trained)
    tokens = sum(trial.compute.backward for trial in trained)
    return {
        "seconds": seconds,
        "train_tokens_per_second": tokens / seconds,
        "peak_gb": max(trial.peak_bytes for trial in trained) / 1e9,
        "micro_batch": min(trial.micro_batch for trial in trained),
        "hours_of_100_trials": PAPER_TRIALS * PAPER_EPOCHS * PAPER_ROWS / rows * seconds / len(trained) / 3600,
        "losses": [trial.validation.mean for trial in trained],
    }


def main(base: str | None = None, fraction: str = "1", device: str = "cuda") -> None:
    from harness.models.checkpoint import resolve
    from tuning.training.train import Trainer
    from tuning.training.train_settings import TrainSettings

    if base is None:
        from bench.gpu import model_7b

        base = str(model_7b())
    splits = study_splits()
    rows = round(len(splits.train) * float(fraction))
    settings = TrainSettings(device=device, dtype="bfloat16", micro_batch=BATCH)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(resolve(base), splits, settings)
        places = [Path(folder) / str(n) for n in range(2 * TRIALS)]
        trainer.train(hypers()[0], 0.05, 0, Path(folder) / "warm")  # kernels, caches
        alone: list[Trained | TrialError] = [
            trainer.train(hyper, float(fraction), 0, to) for hyper, to in zip(hypers(), places, strict=False)
        ]
        packed = trainer.train_packed(hypers(), float(fraction), [0] * TRIALS, places[TRIALS:])
    one, many = figures(alone, rows), figures(packed, rows)
    say(
        bench="gpu training",
        base=Path(base).name,
        device=_name(device),
        rank=RANK,
        rows=rows,
        packed_ratio=one["seconds"] / many["seconds"],
        sequential=one,
        packed=many,
    )


def _name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else device


if __name__ == "__main__":
    main(*sys.argv[1:])
