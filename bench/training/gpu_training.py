"""LoRA training on a GPU: a 7B-shaped base in bfloat16, rank 512 on q_proj and v_proj, real Alpaca and Dolly rows.

    python -m bench.training.gpu_training [BASE] [FRACTION] [DEVICE]

Four trials one after the other, then the same four packed into one pass through the base, each on FRACTION of the train
rows (batch 16, one epoch, 512 tokens). One JSON line: memory, tokens a second, the hours that 100 trials on the paper's
53,610 rows and two epochs would take at that speed, and the ratio of packed to sequential. BASE is the 7B-shaped model
of bench.gpu where not given; any other is for trying the script."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common import say
from bench.training.base import study_splits
from tuning.types import Hyperparameters, Phase, Step, Trained, TrialError

if TYPE_CHECKING:
    from tuning.training.train import Trainer

RANK, TRIALS, BATCH = 512, 4, 16
PAPER_ROWS, PAPER_EPOCHS, PAPER_TRIALS = 53_610, 2, 100  # round 2 of arXiv 2312.00949


def hypers(
    rank: int = RANK, trials: int = TRIALS, batch: int = BATCH, modules: tuple[str, ...] = ("q_proj", "v_proj")
) -> list[Hyperparameters]:
    """They differ in what may differ in a pack."""
    first = Hyperparameters(rank, float(rank), 0.0, lr=1e-4, target_modules=modules, epochs=1, batch=batch)
    return [replace(first, lr=first.lr * 2**n) for n in range(trials)]


class Stopwatch:
    """When each step of each trial had ended, and the tokens until then. The first step pays for what is made once."""

    def __init__(self, trainer: Trainer) -> None:
        self._tokens: dict[int, int] = {}
        self._seen: dict[int, list[tuple[float, int]]] = {}
        trainer.on_phase = self._on_phase

    def _on_phase(self, phase: Phase) -> None:
        if phase.name == "training":
            self._tokens[phase.place or 0] = phase.tokens

    def on_step(self, place: int, step: Step) -> None:
        self._seen.setdefault(place, []).append((time.perf_counter(), self._tokens[place]))

    def rate(self) -> float | None:
        """Tokens a second of all places together, without their first step; None where there was one step."""
        rates = [
            (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0]) for seen in self._seen.values() if len(seen) > 1
        ]
        return sum(rates) if rates else None


def alone(trainer: Trainer, trials: Sequence[Hyperparameters], fraction: float, folder: Path) -> dict[str, Any]:
    """Figures of the trials one after the other, on `fraction` of the trainer's rows."""
    rates, done = [], []
    for number, hyper in enumerate(trials):
        watch = Stopwatch(trainer)
        done.append(trainer.train(hyper, fraction, 0, folder / str(number), partial(watch.on_step, 0)))
        rates.append(watch.rate())
    known = [rate for rate in rates if rate is not None]
    return {
        "step_tokens_per_second": sum(known) / len(known) if known else None,
        **figures(done, round(len(trainer.splits.train) * fraction)),
    }


def together(trainer: Trainer, trials: Sequence[Hyperparameters], fraction: float, folder: Path) -> dict[str, Any]:
    """The same of the trials packed into one pass through the base."""
    watch = Stopwatch(trainer)
    places = [folder / f"packed-{number}" for number in range(len(trials))]
    done = trainer.train_packed(trials, fraction, [0] * len(trials), places, watch.on_step)
    return {
        "step_tokens_per_second": watch.rate(),
        **figures(done, round(len(trainer.splits.train) * fraction)),
    }


def figures(done: Sequence[Trained | TrialError], rows: int) -> dict[str, Any]:
    """Of several trials. `seconds` hold all of a trial: attaching, training, validation, writing. Raises the first
    failure."""
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
    trainer = Trainer(resolve(base), splits, settings)
    with tempfile.TemporaryDirectory() as folder:
        trainer.train(hypers()[0], 0.05, 0, Path(folder) / "warm")  # kernels, caches
        one, many = (part(trainer, hypers(), float(fraction), Path(folder)) for part in (alone, together))
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
