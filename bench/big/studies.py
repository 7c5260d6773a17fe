"""The big store's studies: the real search, with a trainer whose loss is a formula."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.progress import SILENT
from tuning.search.workers import Setup
from tuning.store import Store, StudyRow
from tuning.study import finalist_evaluation, session
from tuning.study.definition import Plan
from tuning.study.options import Options
from tuning.types import Compute, Hyperparameters, Likelihood, Step, Trained, TrialError

TRIALS = 100
STEPS = 40  # of a training
TOKENS = 40  # of a row's response
BASE_LOSS = 1.9
STUDIES: tuple[dict[str, Any], ...] = (
    {"name": "rungs by random search", "optimizer": "random"},
    {"name": "rungs by TPE", "optimizer": "tpe"},
    {"name": "all rows by random search", "optimizer": "random", "no_rungs": True, "seed": 1},
    {"name": "all rows by CMA-ES", "optimizer": "cma-es", "no_rungs": True},
    {"name": "loss and size by NSGA-II", "optimizer": "nsga2", "objective": "validation,adapter-size"},
)


def add(path: Path) -> list[StudyRow]:
    """Search, then `tune top` on each; the oldest first."""
    for number, given in enumerate(STUDIES):
        options = Options(
            model="tiny", data="sample", db=str(path), budget=TRIALS, block=4, data_seed=number, no_merge=True, **given
        )
        row = session.run(options, setup=_setup).row
        finalist_evaluation.top(options, row.id, 4, 2, 1, (), SILENT, _setup)
    store = Store(path)
    studies = store.studies()[::-1]
    home = store.study_folder(studies[0].id).parent
    with store.write() as connection:  # the file says nothing of where it was made, and needs nothing beside it
        query = "UPDATE attempts SET adapter = replace(adapter, ?, 'adapters') WHERE adapter <> ''"
        connection.execute(query, [str(home)])
    shutil.rmtree(home)
    return studies


def skill(hyper: Hyperparameters) -> float:
    """How much better than its base an adapter is on benchmarks, in log-odds: not quite what its loss says."""
    return 0.35 - 0.4 * _away(hyper) - 0.04 * max(0.0, math.log2(hyper.rank) - 5)


def _away(hyper: Hyperparameters) -> float:
    """0 at the best there is."""
    return 0.5 * (math.log10(hyper.lr) + 3.3) ** 2 + 0.03 * (math.log2(hyper.rank) - 6) ** 2 + 0.5 * hyper.dropout


class _Trainer:
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
        wave = math.sin(1e3 * hyper.alpha + 77 * seed + 13 * math.log(hyper.lr))
        loss = 1.2 + 0.3 * _away(hyper) + 0.15 * (1 - fraction) + 0.01 * wave
        if wave > 0.97:
            raise TrialError("the loss is not finite at step 12")
        for number in range(1, STEPS + 1):
            if on_step:
                left = math.exp(-6 * number / STEPS)
                on_step(
                    Step(number, STEPS, loss + (BASE_LOSS - loss) * left + 0.02 * math.sin(number), hyper.lr * left)
                )
        to.mkdir(parents=True)
        (to / "adapter_model.safetensors").write_bytes(b"x" * 64 * hyper.rank)
        (to / "loss.json").write_text(json.dumps(loss))
        tokens = int(1e6 * fraction)
        cost = Compute(forward=tokens, backward=tokens, validation=50_000, padding=tokens // 20)
        seconds = 300 * fraction * (1 + hyper.rank / 512)
        gap = 0.05 + 0.02 * math.log2(hyper.rank)
        return Trained(to, _likelihood(loss), loss - gap, cost, seconds, 10**9, STEPS, 16)

    def train_packed(self, *_: Any) -> list[Trained | TrialError]:
        raise AssertionError("nothing is packed here")

    def evaluate(self, adapter: Path | None, part: str = "validation") -> Likelihood:
        return _likelihood(BASE_LOSS if adapter is None else json.loads((adapter / "loss.json").read_text()) + 0.02)

    def close(self) -> None: ...


def _likelihood(mean: float) -> Likelihood:
    rows = tuple((TOKENS * (mean + 0.3 * math.sin(n)), TOKENS) for n in range(100))
    return Likelihood(sum(nats for nats, _ in rows), TOKENS * len(rows), rows)


def _setup(plan: Plan, options: Options) -> Setup:
    made: Any = partial(_Trainer)
    return made


def finalists(store: Store, row: StudyRow) -> Sequence[tuple[int, Hyperparameters, str]]:
    """(trial, hyperparameters, adapter) of what `tune top` measured."""
    from tuning.study.definition import ledger_of
    from tuning.study.ledger import hyper_of

    ledger = ledger_of(store, row)
    measured = [a for a in ledger.attempts.values() if a.trial and a.test_nats and not a.failed]
    return [(a.trial, hyper_of(ledger.trials[a.trial - 1].hyperparameters), a.adapter) for a in measured]
