"""One process of a data-parallel trial. `torchrun` and `accelerate launch` can start it as well:
-m tuning.training.data_parallel_worker JOB, where JOB is the file that `data_parallel.launch` writes."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tuning.types import Hyperparameters, Step, TrialError


def main(file: str) -> None:
    """One process. What goes wrong in one is said by that one; the launcher ends the others."""
    from accelerate import PartialState

    from data.instruction_split import Splits
    from data.instructions import from_dict
    from harness.models.checkpoint import resolve
    from tuning.training.train import Trainer
    from tuning.training.train_settings import TrainSettings

    job = json.loads(Path(file).read_text(encoding="utf-8"))
    settings = TrainSettings(**job["settings"])
    workers = PartialState(cpu=settings.device.startswith("cpu"))
    parts = {name: tuple(from_dict(row) for row in job["splits"][name]) for name in ("train", "validation", "test")}
    about = (job["splits"]["digests"], tuple(job["splits"]["notes"]))
    splits = Splits(parts["train"], parts["validation"], parts["test"], *about)
    given, revision, remote_code = job["model"]
    trainer = Trainer(
        resolve(given, revision=revision, trust_remote_code=remote_code),
        splits,
        replace(settings, device=str(workers.device), processes=1),
        workers,
    )
    hyper = Hyperparameters.from_dict(job["hyper"])

    def step(done: Step) -> None:
        _say("step", asdict(done))

    first = workers.is_main_process
    if first:
        trainer.on_phase = lambda phase: _say("phase", asdict(phase))
    try:
        trained = trainer.train(hyper, job["fraction"], job["seed"], Path(job["to"]), step if first else None)
    except TrialError as error:
        if first:
            _say("failed", str(error))
    else:
        if first:
            _say("trained", {**asdict(trained), "adapter": ""})
    workers.destroy_process_group()


def _say(kind: str, value: Any) -> None:
    sys.stdout.write(json.dumps({"kind": kind, "value": value}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
