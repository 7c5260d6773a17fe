"""Optimizers against random search where a trial costs nothing: the recorded grid on tiny, on which claims rest, and
the surrogate of the paper's points. Best-so-far after 50 evaluations, over 30 seeds.

    python -m bench.optimizers [grid|surrogate] [SEEDS] [NAME,NAME]

A search has no start points here, so that nobody begins with knowledge, and one point in a block. Regret is the best
loss found less the best there is, or, on the surrogate, less the best that any search found. Differences from random
are over pairs of seeds, with harness.paired's interval."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from harness.paired import Paired, holm, paired
from harness.stats import mean
from tuning import blackbox
from tuning.optimizers import make
from tuning.space import Space
from tuning.types import Outcome, Point

NAMES = ("nomad", "nni-tpe", "tpe", "gp", "cma-es", "nsga2", "random")
BUDGET = 50
SEEDS = 30
SHOWN = (10, 20, 30, 40, 50)


def main(where: str = "grid", seeds: int | str = SEEDS, names: str = ",".join(NAMES)) -> None:
    if where == "surrogate":
        surrogate = blackbox.paper()
        _tell(bench="paper surrogate", points=len(surrogate.losses), leave_one_out_r2=surrogate.leave_one_out())
        compare("paper surrogate", surrogate.space, surrogate, None, names.split(","), int(seeds))
        return
    grid = blackbox.tiny_grid()
    known = [loss for point in grid.space.points() if (loss := grid(point)) is not None]
    _tell(bench="tiny grid", points=grid.space.size, seeds=2, least=min(known), noise=grid.noise())
    compare("tiny grid", grid.space, grid, min(known), names.split(","), int(seeds))


def compare(
    where: str,
    space: Space,
    function: Callable[[Point], float | None],
    least: float | None,
    names: Sequence[str],
    seeds: int,
) -> None:
    """One line an optimizer with its mean best loss and interval, then what may be said of it."""
    evaluate = cache(lambda key: function(dict(zip(space.names, key, strict=True))))
    found = {name: [best_so_far(name, space, evaluate, seed) for seed in range(seeds)] for name in names}
    floor = least if least is not None else min(run[-1] for runs in found.values() for run in runs)
    against: dict[str, Paired] = {}
    for name, runs in found.items():
        line: dict[str, Any] = {"bench": where, "optimizer": name, "seeds": seeds}
        for after in SHOWN:
            interval = mean([run[after - 1] - floor for run in runs], bounded=None)
            line[f"regret_{after}"] = [round(value, 5) for value in interval]
        if name != "random":
            against[name] = paired([run[-1] for run in found["random"]], [run[-1] for run in runs])
            line["less_random"] = [round(value, 5) for value in against[name][:3]]
        _tell(**line)
    corrected = dict(zip(against, holm([test.p for test in against.values()]), strict=True))
    for name, test in against.items():
        _tell(bench=where, optimizer=name, p=test.p, holm=corrected[name], says=sentence(name, test, corrected[name]))


def best_so_far(
    name: str, space: Space, evaluate: Callable[[tuple[object, ...]], float | None], seed: int
) -> list[float]:
    """The least loss after each of BUDGET distinct evaluations. What was evaluated once is free."""
    optimizer = make(name, space, seed, [])
    losses: dict[tuple[object, ...], float | None] = {}
    best = float("inf")
    run: list[float] = []
    while len(run) < BUDGET:
        points = optimizer.ask()
        if not points:
            run += [best] * (BUDGET - len(run))
            break
        outcomes = []
        for point in points:
            key = tuple(point.values())
            new = key not in losses
            loss = losses[key] = evaluate(key)
            best = min(best, loss) if loss is not None else best
            run += [best] * new
            outcomes.append(Outcome(None if loss is None else (loss,)))
        optimizer.tell(outcomes)
    optimizer.close()
    return run[:BUDGET]


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
