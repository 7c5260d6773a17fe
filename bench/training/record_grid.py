"""Records the complete grid of `tuning/search/recorded/tiny_grid.csv`: every point, with two seeds, on the embedded
model and the bundled instruction sample. One process, one thread (OMP_NUM_THREADS=1).

    python -m bench.training.record_grid [MINUTES]

stops after that many minutes; the same command goes on, and the last one writes the file."""

from __future__ import annotations

import csv
import os
import platform
import random
import sys
import tempfile
import time
from itertools import product
from pathlib import Path

from bench import common
from data.instruction_rows import sources
from data.instruction_split import split
from harness.models.checkpoint import resolve
from tuning.search import blackbox
from tuning.training.train import Trainer
from tuning.types import Hyperparameters, TrialError

SEEDS = (0, 1)
DEFAULTS = Hyperparameters(rank=8, alpha=16, dropout=0.0, lr=1e-3, epochs=1.0, batch=4)
FRACTION = 0.4  # of the train rows: a trial takes about a second
PART = common.WORK / "tiny_grid.part.csv"


def main(minutes: float = 1e9) -> None:
    until = time.monotonic() + 60 * minutes
    trainer = Trainer(resolve("tiny"), split(sources.load("sample").rows))
    base = trainer.evaluate(None).mean
    rows = _known()
    wanted = list(product(SEEDS, blackbox.GRID.points()))
    random.Random(0).shuffle(wanted)  # what is there when this is stopped is a fair part of all
    PART.parent.mkdir(exist_ok=True)
    with PART.open("a", newline="", encoding="utf-8") as file, tempfile.TemporaryDirectory() as folder:
        for seed, point in wanted:
            key = (str(seed), blackbox.GRID.key(point))
            if key in rows:
                continue
            if time.monotonic() > until:
                break
            hyper = blackbox.GRID.hyperparameters(point, DEFAULTS)
            began = time.process_time()
            try:
                done = trainer.train(hyper, FRACTION, seed, Path(folder, f"{len(rows)}"))
                losses = [f"{done.validation.mean:.7g}", f"{done.train_loss:.7g}"]
            except TrialError:
                losses = ["", ""]
            rows[key] = [seed, *point.values(), *losses, f"{time.process_time() - began:.3g}"]
            csv.writer(file).writerow(rows[key])
            file.flush()
    print(f"{len(rows)} of {len(wanted)} trainings are recorded")
    if len(rows) == len(wanted):
        _write(
            [rows[str(seed), blackbox.GRID.key(point)] for seed, point in product(SEEDS, blackbox.GRID.points())], base
        )


def _known() -> dict[tuple[str, str], list[object]]:
    if not PART.exists():
        return {}
    with PART.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if len(row) == len(blackbox.GRID_COLUMNS)]
    names = blackbox.GRID.names
    return {(row[0], blackbox.GRID.key(dict(zip(names, map(float, row[1:]), strict=False)))): list(row) for row in rows}


def _write(rows: list[list[object]], base: float) -> None:
    import peft
    import torch
    import transformers

    notes = (
        "LoRA on the embedded model tiny, trained on the bundled instruction sample; "
        "made by bench/training/record_grid.py",
        f"validation and train loss in nats a response token; the base's validation loss is {base:.7g}",
        f"otherwise: {FRACTION:g} of the train rows, {DEFAULTS.epochs:g} epoch, batch {DEFAULTS.batch}, "
        f"{', '.join(DEFAULTS.target_modules)}",
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, 1 thread, Python {platform.python_version()}, "
        f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}",
    )
    new = blackbox.TINY_GRID.with_suffix(".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {note}\n" for note in notes)
        csv.writer(file, lineterminator="\n").writerows([blackbox.GRID_COLUMNS, *rows])
    os.replace(new, blackbox.TINY_GRID)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
