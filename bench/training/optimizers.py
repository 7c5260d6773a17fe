"""Optimizers against random search where a trial costs nothing: the recorded grid on tiny, on which claims rest, and
the surrogate of the paper's points. Best-so-far after 50 evaluations, over 30 seeds.

    python -m bench.training.optimizers [grid|surrogate] [SEEDS] [NAME,NAME]

Most of its minutes go into Optuna's Gaussian process, then into NOMAD's processes.

A search has no start points here, so that nobody begins with knowledge, and one point in a block. Regret is the best
loss found less the best there is, or, on the surrogate, less the best that any search found. Differences from random
are over pairs of seeds, with harness.stats.paired's interval."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from typing import Any

from harness.stats.intervals import mean
from harness.stats.paired import Paired, holm, paired
from tuning.optimizers import make
from tuning.search import blackbox
from tuning.types import Outcome

NAMES = ("nomad", "nni-tpe", "tpe", "gp", "cma-es", "nsga2", "random")
BUDGET = 50
SEEDS = 30
SHOWN = (10, 20, 30, 40, 50)


def main(where: str = "grid", seeds: int | str = SEEDS, names: str = ",".join(NAMES)) -> None:
    function = _function(where)
    least = None
    if isinstance(function, blackbox.Recorded):
        known = [loss for point in function.space.points() if (loss := function(point)) is not None]
        least = min(known)
        _tell(bench=where, points=function.space.size, seeds=2, least=least, noise=function.noise())
    else:
        _tell(bench=where, points=len(function.losses), leave_one_out_r2=function.leave_one_out())
    compare(where, least, names.split(","), int(seeds))


@cache
def _function(where: str) -> blackbox.Recorded | blackbox.Surrogate:
    return blackbox.tiny_grid() if where == "grid" else blackbox.paper()


def compare(where: str, least: float | None, names: Sequence[str], seeds: int) -> None:
    """One line an optimizer with its mean regret and interval, then what may be said of it."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:  # a fork would have half of torch
        running = {name: [pool.submit(_run, where, name, seed) for seed in range(seeds)] for name in names}
        results = {name: [run.result() for run in runs] for name, runs in running.items()}
    floor = least if least is not None else min(run[-1] for runs in results.values() for run in runs)
    against: dict[str, Paired] = {}
    for name, runs in results.items():
        line: dict[str, Any] = {"bench": where, "optimizer": name, "seeds": seeds}
        for after in SHOWN:
            interval = mean([run[after - 1] - floor for run in runs], bounded=None)
            line[f"regret_{after}"] = [round(value, 5) for value in interval]
        if name != "random":
            against[name] = paired([run[-1] for run in results["random"]], [run[-1] for run in runs])
            line["less_random"] = [round(value, 5) for value in against[name][:3]]
        _tell(**line)
    corrected = dict(zip(against, holm([test.p for test in against.values()]), strict=True))
    for name, test in against.items():
        _tell(bench=where, optimizer=name, p=test.p, holm=corrected[name], says=sentence(name, test, corrected[name]))


def _run(where: str, name: str, seed: int) -> list[float]:
    return best_so_far(_function(where), name, seed)


def best_so_far(function: blackbox.Recorded | blackbox.Surrogate, name: str, seed: int) -> list[float]:
    """The least loss after each of BUDGET distinct evaluations. What was evaluated once is free."""
    optimizer = make(name, function.space, seed, [])
    losses: dict[str, float | None] = {}
    run: list[float] = []
    while len(run) < BUDGET and (points := optimizer.ask()):
        keys = [function.space.key(point) for point in points]
        for key, point in zip(keys, points, strict=True):
            if key not in losses:
                losses[key] = function(point)
                run.append(min((loss for loss in losses.values() if loss is not None), default=math.inf))
        optimizer.tell([Outcome(None if (loss := losses[key]) is None else (loss,)) for key in keys])
    optimizer.close()
    return run[:BUDGET] + run[-1:] * (BUDGET - len(run))


def sentence(name: str, test: Paired, p: float) -> str:
    """What may be said: the interval and Holm's p together."""
    if p >= 0.05 or test.low <= 0 <= test.high:
        return (
            f"{name} and random search cannot be told apart after {BUDGET} evaluations: "
            f"{test.difference:+.4f} nats [{test.low:+.4f}, {test.high:+.4f}], Holm p {p:.2g}."
        )
    near, far = sorted((abs(test.low), abs(test.high)))
    return (
        f"{name} ends {abs(test.difference):.4f} nats [{near:.4f}, {far:.4f}] "
        f"{'below' if test.difference < 0 else 'above'} random search after {BUDGET} evaluations, Holm p {p:.2g}."
    )


def _tell(**figures: Any) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
