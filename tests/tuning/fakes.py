"""A trainer without a model: its loss is a formula of the hyperparameters, its adapter a small file.

`fault` names what it does wrong at hyperparameters of a rank; `log` is a file that gets a line for each training that
begins and ends, so that tests count them over processes.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tuning.search.workers import Setup
from tuning.study import session
from tuning.study.definition import Plan
from tuning.study.options import Options
from tuning.study.session import Result
from tuning.types import Compute, Hyperparameters, Likelihood, Step, Trained, TrialError

TOKENS = 10


def loss_of(hyper: Hyperparameters, fraction: float, seed: int) -> float:
    """Best near lr 1e-3 and rank 32; worse with fewer rows; a little noise of the seed."""
    away = (math.log10(hyper.lr) + 3) ** 2 + 0.05 * (math.log2(hyper.rank) - 5) ** 2
    noise = 0.002 * math.sin(1e3 * hyper.alpha + 77 * seed + 13 * math.log(hyper.lr))
    return 1 + 0.2 * away + 0.3 * (1 - fraction) + noise + hyper.dropout * 0.1


@dataclass
class FakeTrainer:
    log: str = ""
    faults: dict[int, str] = field(default_factory=dict)  # by rank
    steps: int = 3
    warnings: tuple[str, ...] = ()

    def require(self) -> None: ...

    def train(
        self,
        hyper: Hyperparameters,
        fraction: float,
        seed: int,
        to: Path,
        on_step: Callable[[Step], None] | None = None,
    ) -> Trained:
        self._say("start", hyper, fraction, seed)
        loss = loss_of(hyper, fraction, seed)
        for number in range(1, self.steps + 1):
            if on_step:
                on_step(Step(number, self.steps, loss + 1 / number, hyper.lr))
        fault = self.faults.get(hyper.rank, "")
        if fault == "trial":
            raise TrialError("the loss is not finite")
        if fault == "raise":
            raise KeyError("an evaluation that raises")
        if fault == "nan":
            loss = math.nan
        if fault == "memory":
            raise MemoryError
        if fault == "abort" or (fault == "abort once" and _first(self.log + ".aborted")):
            os.abort()
        if fault == "disk":
            raise OSError(28, "No space left on device", str(to))
        to.mkdir(parents=True)
        (to / "adapter_model.safetensors").write_bytes(b"x" * hyper.rank)
        (to / "adapter_config.json").write_text("{}")
        self._say("end", hyper, fraction, seed)
        rows = 1000 * fraction
        cost = Compute(forward=int(rows), backward=int(rows), validation=20, padding=1)
        return Trained(to, _likelihood(loss), loss - 0.1, cost, 0.5, 0, self.steps, 4)

    def train_packed(
        self,
        hypers: Sequence[Hyperparameters],
        fraction: float,
        seeds: Sequence[int],
        to: Sequence[Path],
        on_step: Callable[[int, Step], None],
    ) -> list[Trained | TrialError]:
        found: list[Trained | TrialError] = []
        for place, hyper in enumerate(hypers):
            try:
                found.append(self.train(hyper, fraction, seeds[place], to[place], partial(on_step, place)))
            except TrialError as error:
                found.append(error)
        return found

    def evaluate(self, adapter: Path | None, part: str = "validation") -> Likelihood:
        return _likelihood(3.0 if adapter is None else 1.5)

    def close(self) -> None: ...

    def _say(self, what: str, hyper: Hyperparameters, fraction: float, seed: int) -> None:
        if self.log:
            line = json.dumps([what, hyper.rank, hyper.alpha, hyper.dropout, hyper.lr, fraction, seed])
            descriptor = os.open(self.log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            os.write(descriptor, f"{line}\n".encode())
            os.close(descriptor)


def _likelihood(mean: float) -> Likelihood:
    return Likelihood(mean * 5 * TOKENS, 5 * TOKENS, tuple((mean * TOKENS, TOKENS) for _ in range(5)))


def _first(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def setup(log: str = "", faults: dict[int, str] | None = None, **more: Any) -> Callable[[Plan, Options], Setup]:
    made: Any = partial(FakeTrainer, log=log, faults=faults or {}, **more)
    return lambda plan, options: made


def rows(folder: Path, count: int = 40) -> Path:
    """Alpaca rows that are no near copies of each other."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["red", "green", "blue", "white", "black", "amber", "coral", "ivory", "olive", "peach", "plum", "rose"]
    words += ["ruby", "sage", "teal", "violet"]
    made = [
        {
            "instruction": f"{words[n % 16]} {words[n // 16]} number {n} {words[(n * 7) % 16]}{n}",
            "input": "",
            "output": f"answer {n}",
        }
        for n in range(count)
    ]
    (folder / "alpaca.json").write_text(json.dumps(made))
    (folder / "dolly.jsonl").write_text(
        "\n".join(
            json.dumps({"instruction": f"ask {words[n]} of {n}{n}{n}", "context": "", "response": "x"})
            for n in range(8)
        )
    )
    return folder


def options(folder: Path, **changes: Any) -> Options:
    """A small study on the embedded model's name, which nothing loads."""
    if not (folder / "rows").exists():
        rows(folder / "rows")
    usual: dict[str, Any] = {
        "model": "tiny",
        "data": str(folder / "rows"),
        "db": str(folder / "s.duckdb"),
        "optimizer": "random",
        "budget": 12,
        "no_merge": True,
    }
    return Options(**{**usual, **changes})


def run(folder: Path, faults: dict[int, str] | None = None, log: Path | None = None, **changes: Any) -> Result:
    """A session of a small study, in this process."""
    return session.run(options(folder, **changes), setup=setup(str(log or ""), faults))


def outcome(folder: Path, db: str = "s.duckdb") -> list[tuple[Any, ...]]:
    """All that decides a study: trials and attempts, without moments and paths."""
    from tuning.store import Store

    store = Store(folder / db)
    study = store.studies()[0]
    trials = [
        (
            t.number,
            t.digest,
            t.source,
            t.label,
            dict(t.hyperparameters),
            t.state,
            t.objectives,
            t.constraints,
            t.estimated,
        )
        for t in store.trials(study.id)
    ]
    attempts = [
        (a.trial, a.purpose, a.fraction, a.seed, a.failed, a.objectives, a.constraints)
        for a in store.attempts(study.id)
    ]
    return [*trials, *attempts, (study.status,)]


def begun(log: Path) -> list[str]:
    """The trainings that began, in their order."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.removeprefix('["start", ') for line in lines if line.startswith('["start"')]
