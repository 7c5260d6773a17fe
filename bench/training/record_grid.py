"""Records the complete grid of `tuning/search/recorded/tiny_grid.csv`: every point, with two seeds, on the embedded
model and the bundled instruction sample; or, in `tiny_grid_rungs.csv`, what the trainings with seed 0 give at the rungs
below all rows. One process, one thread (OMP_NUM_THREADS=1).

    python -m bench.training.record_grid [whole|rungs] [MINUTES]

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
from tuning.search.rungs import shrunk
from tuning.training.train import Trainer
from tuning.types import Hyperparameters, TrialError

SEEDS = {"whole": (0, 1), "rungs": (0,)}
DEFAULTS = Hyperparameters(rank=8, alpha=16, dropout=0.0, lr=1e-3, epochs=1.0, batch=4)
FRACTION = 0.4  # of the train rows: a trial takes about a second
FILES = {"whole": blackbox.TINY_GRID, "rungs": blackbox.TINY_GRID_RUNGS}
COLUMNS = {"whole": blackbox.GRID_COLUMNS, "rungs": blackbox.RUNG_COLUMNS}


def main(what: str = "whole", minutes: float | str = 1e9) -> None:
    until = time.monotonic() + 60 * float(minutes)
    trainer = Trainer(resolve("tiny"), split(sources.load("sample").rows))
    base = trainer.evaluate(None).mean
    rows = _known(what)
    wanted = list(product(SEEDS[what], blackbox.GRID.points()))
    random.Random(0).shuffle(wanted)  # what is there when this is stopped is a fair part of all
    part = _part(what)
    part.parent.mkdir(exist_ok=True)
    with part.open("a", newline="", encoding="utf-8") as file, tempfile.TemporaryDirectory() as folder:
        for seed, point in wanted:
            key = (str(seed), blackbox.GRID.key(point))
            if key in rows:
                continue
            if time.monotonic() > until:
                break
            hyper = blackbox.GRID.hyperparameters(point, DEFAULTS)
            measured = _whole if what == "whole" else _rungs
            rows[key] = [seed, *point.values(), *measured(trainer, hyper, seed, Path(folder, f"{len(rows)}"))]
            csv.writer(file).writerow(rows[key])
            file.flush()
    print(f"{len(rows)} of {len(wanted)} trainings are recorded")
    if len(rows) == len(wanted):
        wanted = list(product(SEEDS[what], blackbox.GRID.points()))
        _write(what, [rows[str(seed), blackbox.GRID.key(point)] for seed, point in wanted], base)


def _whole(trainer: Trainer, hyper: Hyperparameters, seed: int, to: Path) -> list[str]:
    """Validation loss, train loss and seconds."""
    began = time.process_time()
    try:
        done = trainer.train(hyper, FRACTION, seed, to)
        losses = [f"{done.validation.mean:.7g}", f"{done.train_loss:.7g}"]
    except TrialError:
        losses = ["", ""]
    return [*losses, f"{time.process_time() - began:.3g}"]


def _rungs(trainer: Trainer, hyper: Hyperparameters, seed: int, to: Path) -> list[str]:
    """The validation loss at each rung, as a search with rungs trains it."""
    losses = []
    for fraction in blackbox.RUNGS:
        try:
            done = trainer.train(shrunk(hyper, fraction), FRACTION * fraction, seed, to.with_suffix(f".{fraction:g}"))
            losses.append(f"{done.validation.mean:.7g}")
        except TrialError:
            losses.append("")
    return losses


def _part(what: str) -> Path:
    return common.WORK / f"{FILES[what].stem}.part.csv"


def _known(what: str) -> dict[tuple[str, str], list[object]]:
    if not _part(what).exists():
        return {}
    with _part(what).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if len(row) == len(COLUMNS[what])]
    names = blackbox.GRID.names
    return {(row[0], blackbox.GRID.key(dict(zip(names, map(float, row[1:]), strict=False)))): list(row) for row in rows}


def _write(what: str, rows: list[list[object]], base: float) -> None:
    import peft
    import torch
    import transformers

    of = "and train loss" if what == "whole" else f"at rungs of {', '.join(f'{rung:.0%}' for rung in blackbox.RUNGS)}"
    notes = (
        "LoRA on the embedded model tiny, trained on the bundled instruction sample; "
        "made by bench/training/record_grid.py",
        f"validation loss {of} in nats a response token; the base's validation loss is {base:.7g}",
        f"otherwise: {FRACTION:g} of the train rows, {DEFAULTS.epochs:g} epoch, batch {DEFAULTS.batch}, "
        f"{', '.join(DEFAULTS.target_modules)}",
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, 1 thread, Python {platform.python_version()}, "
        f"torch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}",
    )
    new = FILES[what].with_suffix(".new")
    with new.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {note}\n" for note in notes)
        csv.writer(file, lineterminator="\n").writerows([COLUMNS[what], *rows])
    os.replace(new, FILES[what])


if __name__ == "__main__":
    main(*sys.argv[1:])
