"""Trials of studies/real.toml on one device: a search of it at a smaller budget, and nothing of what comes after."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.common import ROOT, say
from harness.progress import Progress

FILE = ROOT / "studies" / "real.toml"
BUDGET = 20
PACKAGES = {"nomad": "PyNomad", "nni-tpe": "nni"}  # of optimizers, what they are made of


class Told(Progress):
    """Says what each task gave when it has ended: a trial's line is out before the next begins."""

    def end(self, task: str, result: str = "") -> None:
        if result:
            say(task=task, result=result)


def figures(
    model: Path | str, rows: Path | str, db: Path, device: str = "cuda", budget: int = BUDGET, **changes: Any
) -> Iterator[dict[str, Any]]:
    """One search by the first optimizer of the file whose package is here; `changes` are other options of the file."""
    from tuning.pipeline.study_file import read
    from tuning.study import session

    given = {"model": str(model), "data": str(rows), "db": str(db), "device": device, "budget": budget, **changes}
    file = read(FILE, given)
    optimizer = next(name for name in file.searches.optimizers if find_spec(PACKAGES.get(name, "tuning")))
    options = file.search(optimizer, file.searches.seeds[0])
    result = session.run(options, Told())
    attempts = list(result.ledger.attempts.values())
    seconds = sum(attempt.seconds for attempt in attempts)
    losses = [loss for attempt in attempts if (loss := attempt.validation_loss) is not None]
    yield {
        "optimizer": optimizer,
        "trials": len(result.ledger.trials),
        "trainings": len(attempts),
        "failed": sum(attempt.failed for attempt in attempts),
        "seconds": seconds,
        "train_tokens_per_second": sum(attempt.backward_tokens for attempt in attempts) / seconds,
        "peak_gb": max(attempt.peak_bytes for attempt in attempts) / 1e9,
        "best_validation_loss": min(losses, default=None),
    }
