"""Rungs with several objectives against none, on the recorded grid: what front 50 trials find, and for what compute.

    python -P -m bench.training.front [SEEDS] [NAME,NAME]

The objectives are validation loss and adapter-size. Each search is the product's own loop over recorded trainings
(tuning/search/recorded, those with seed 0), without first points, one point in a block. The hypervolume is that of a
search's front, up to a tenth of each objective's range beyond the grid's worst, as a share of that of the whole grid's
front. It is said twice: of the losses that were searched, which flatters whoever looked at more of them, and anew, of
the losses that the same points have when they are trained with another seed, which no search saw. Compute is tokens
that are no padding, forward, backward and validation, of all trainings; those of one training at each rung are measured
here. Differences are over pairs of seeds, with harness.stats.paired's interval."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.common import say
from bench.training.record_grid import DEFAULTS, FRACTION
from harness.stats.intervals import mean
from harness.stats.paired import paired
from tuning.objectives.objectives import measure_of
from tuning.optimizers import make
from tuning.search import blackbox, rungs
from tuning.search.fronts import first_front
from tuning.search.loop import Search
from tuning.search.rung_values import Measures
from tuning.search.worker_pool import local_pool
from tuning.study.ledger import Ledger
from tuning.types import Compute, Hyperparameters, Likelihood, Step, Surroundings, Trained, TrialError

OBJECTIVES = ("validation", "adapter-size")
NAMES = ("random", "nsga2", "tpe", "nomad")
BUDGET = 50
SEEDS = 30
BYTES = 1024  # of an adapter of rank 1: any number will do, sizes are compared with each other
NOWHERE = Surroundings("", "", None, "cpu", None, "")
WAYS = {"all rows": rungs.WHOLE, "rungs": rungs.FRACTIONS}
WORST = (1.1, 1.1)  # where each objective's range is 0 to 1: the largest adapter and the worst loss count for a little
Values = tuple[float, float]
Losses = Mapping[str, float | None]  # by point


class Unstored:
    """A store that keeps nothing: a search that is never gone on with."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *_, **__: []


@dataclass
class RecordedTrainer:
    """A trainer that looks up what was trained."""

    losses: Mapping[float, Losses]  # by rung and point

    def require(self) -> None: ...

    def train(
        self,
        hyper: Hyperparameters,
        fraction: float,
        seed: int,
        to: Path,
        on_step: Callable[[Step], None] | None = None,
    ) -> Trained:
        point = blackbox.GRID.point(replace(hyper, batch=DEFAULTS.batch), DEFAULTS)  # a rung has smaller batches
        loss = self.losses[fraction][blackbox.GRID.key(point or {})]
        if loss is None:
            raise TrialError("the loss is not finite")
        to.mkdir(parents=True)
        (to / "adapter.safetensors").write_bytes(bytes(BYTES * hyper.rank))
        return Trained(to, Likelihood(loss, 1, ((loss, 1),)), loss, Compute(), 1.0, 0, 1, 1)

    def close(self) -> None: ...


def search(name: str, seed: int, way: str, losses: Mapping[float, Losses]) -> Ledger:
    """A whole search; its ledger has every training."""
    ledger = Ledger(
        store=Unstored(),  # type: ignore[arg-type]
        study="front",
        seed=0,
        fractions=WAYS[way],
        together=0,
        measures=Measures(OBJECTIVES),
    )
    optimizer = make(name, blackbox.GRID, seed, [], objectives=len(OBJECTIVES))
    with tempfile.TemporaryDirectory(prefix="harness-front-") as folder:
        setup: Any = partial(RecordedTrainer, losses)  # what a search needs of a trainer
        pool = local_pool(setup, 1, "cpu")
        try:
            Search(
                space=blackbox.GRID,
                defaults=DEFAULTS,
                start=(),
                optimizer=optimizer,
                ledger=ledger,
                pool=pool,
                objectives=[measure_of(word, NOWHERE) for word in OBJECTIVES],
                constraints=(),
                folder=Path(folder),
                budget=BUDGET,
            ).run()
        finally:
            pool.close()
            optimizer.close()
    return ledger


def hypervolume(values: Sequence[Values], worst: Values) -> float:
    """The area that these points dominate up to `worst`, of two objectives."""
    inside = [value for value in values if value[0] < worst[0] and value[1] < worst[1]]
    area, before = 0.0, worst[1]
    for first, second in sorted(inside[place] for place in first_front(inside)):
        area += (worst[0] - first) * (before - second)
        before = second
    return area


def reached(ledger: Ledger, losses: Losses) -> float:
    """The hypervolume of a search's front with these losses, as a share of that of the grid's."""
    grid = [
        (loss, float(BYTES * float(point["rank"])))
        for point in blackbox.GRID.points()
        if (loss := losses[blackbox.GRID.key(point)]) is not None
    ]
    low, high = (tuple(pick(axis) for axis in zip(*grid, strict=True)) for pick in (min, max))

    def scaled(value: Sequence[float]) -> Values:
        first, second = ((v - a) / (b - a) for v, a, b in zip(value, low, high, strict=True))
        return first, second

    front = [(ledger.trials[number - 1], ledger.whole(number)) for number in ledger.front]
    found = [
        (loss, row.objectives[1])
        for trial, row in front
        if row is not None and (loss := losses[blackbox.GRID.key(trial.point)]) is not None
    ]
    return hypervolume([scaled(one) for one in found], WORST) / hypervolume([scaled(one) for one in grid], WORST)


def tokens() -> dict[float, int]:
    """Of one training at each rung, without padding; those of a training are the same for all hyperparameters."""
    from data.instruction_rows import sources
    from data.instruction_split import split
    from harness.models.checkpoint import resolve
    from tuning.training.train import Trainer

    trainer = Trainer(resolve("tiny"), split(sources.load("sample").rows))
    spent = {}
    with tempfile.TemporaryDirectory(prefix="harness-front-") as folder:
        for fraction in rungs.FRACTIONS:
            hyper = rungs.shrunk(DEFAULTS, fraction)
            cost = trainer.train(hyper, FRACTION * fraction, 0, Path(folder, f"{fraction:g}")).compute
            spent[fraction] = cost.forward + cost.backward + cost.validation
    return spent


def main(seeds: int | str = SEEDS, names: str = ",".join(NAMES)) -> None:
    cost = tokens()
    say(bench="front", tokens_a_training={f"{fraction:g}": spent for fraction, spent in cost.items()})
    for name in names.split(","):
        compare(name, int(seeds), cost)


def compare(name: str, seeds: int, cost: Mapping[float, int]) -> dict[str, Any]:
    """One optimizer's line: hypervolume and compute of both ways, their difference and ratio."""
    losses = blackbox.tiny_grid_rungs()
    by_seed = {"searched": losses[1.0], "anew": {key: both[1] for key, both in blackbox.tiny_grid().losses.items()}}
    ledgers = {way: [search(name, seed, way, losses) for seed in range(seeds)] for way in WAYS}
    spent = {
        way: [sum(cost[attempt.fraction] for attempt in ledger.attempts.values()) for ledger in found]
        for way, found in ledgers.items()
    }
    ratios = [few / many for few, many in zip(spent["rungs"], spent["all rows"], strict=True)]
    line: dict[str, Any] = {"optimizer": name, "seeds": seeds, "trials": BUDGET}
    line["compute_ratio"] = [min(ratios), statistics.fmean(ratios), max(ratios)]
    for what, values in by_seed.items():
        found = {way: [reached(ledger, values) for ledger in ledgers[way]] for way in WAYS}
        line[what] = {way: list(mean(shares, bounded=None)) for way, shares in found.items()}
        line[f"difference_{what}"] = list(paired(found["all rows"], found["rungs"])[:3])
    say(bench="front", **line)
    return line


if __name__ == "__main__":
    main(*sys.argv[1:])
