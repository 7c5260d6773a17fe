"""Data-parallel training of one trial: `launch` starts the processes, data_parallel_worker.py is what each runs.

Each process takes its part of every optimizer batch and gradients are added up. The loss is over the response tokens
of the whole batch, so the number of processes changes results by rounding (and by dropout's numbers) only. The first
process writes and reports.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.types import Compute, Hyperparameters, Likelihood, Phase, Step, Trained, TrialError

if TYPE_CHECKING:
    from data.instruction_split import Splits
    from harness.models.checkpoint import Checkpoint
    from tuning.training.train_settings import TrainSettings

_WORKER = "tuning.training.data_parallel_worker"
_LAUNCHER = ("torch.distributed.run", "--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1")


def launch(
    checkpoint: Checkpoint,
    splits: Splits,
    settings: TrainSettings,
    hyper: Hyperparameters,
    fraction: float,
    seed: int,
    to: Path,
    on_step: Callable[[Step], None] | None = None,
    on_phase: Callable[[Phase], None] = lambda phase: None,
) -> Trained:
    """`Trainer.train` on `settings.processes` processes, which load the base for themselves. TrialError where
    one of them says so, or dies."""
    mixed = replace(splits.mixed(hyper.mix), pool={})
    job = {
        "model": [checkpoint.given, checkpoint.revision or None, checkpoint.remote_code],
        "splits": asdict(mixed),
        "settings": asdict(settings),
        "hyper": replace(hyper, mix=None).to_dict(),
        "fraction": fraction,
        "seed": seed,
        "to": str(to.absolute()),
    }
    with tempfile.TemporaryDirectory(prefix="harness-trial-") as folder:
        file, errors = Path(folder) / "job.json", Path(folder) / "errors.txt"
        file.write_text(json.dumps(job), encoding="utf-8")
        command = [sys.executable, "-P", "-m", *_LAUNCHER, f"--nproc-per-node={settings.processes}"]
        with (
            errors.open("w", encoding="utf-8") as stderr,
            subprocess.Popen(
                [*command, "-m", _WORKER, str(file)],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                encoding="utf-8",
                start_new_session=True,
            ) as child,
        ):
            try:
                result = _follow(child, to, on_step, on_phase)
            finally:
                _end(child)
        if result is None:
            last = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise TrialError(f"a process of the data-parallel trial ended with {child.returncode}: {' | '.join(last)}")
    if isinstance(result, TrialError):
        raise result
    return result


def _follow(
    child: subprocess.Popen[str],
    to: Path,
    on_step: Callable[[Step], None] | None,
    on_phase: Callable[[Phase], None],
) -> Trained | TrialError | None:
    """Read what the first process says, to its end."""
    assert child.stdout is not None
    result: Trained | TrialError | None = None
    for line in child.stdout:
        try:
            message = json.loads(line)
            kind, value = message["kind"], message["value"]
        except (ValueError, KeyError, TypeError):
            continue  # a library's own word
        if kind == "step" and on_step is not None:
            on_step(Step(**value))
        elif kind == "phase":
            on_phase(Phase(**value))
        elif kind == "failed":
            result = TrialError(value)
        elif kind == "trained":
            result = _trained(value, to)
    child.wait()
    return result


def _end(child: subprocess.Popen[str]) -> None:
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)  # the launcher and all it started
        child.wait()


def _trained(value: dict[str, Any], to: Path) -> Trained:
    validation = value["validation"]
    rows = tuple((nats, tokens) for nats, tokens in validation["rows"])
    changed = {
        "adapter": to,
        "validation": Likelihood(validation["total"], validation["tokens"], rows),
        "compute": Compute(**value["compute"]),
        "warnings": tuple(value["warnings"]),
    }
    return Trained(**{**value, **changed})
