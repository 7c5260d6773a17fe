"""Which trainings a study will do, drawn many times.

The first points are known. Half of the others are drawn evenly from the space and half are one point of it, as of a
search that settles; with `random`, all are drawn evenly. Who goes on from a rung is decided by the study's own rule on
values of one objective drawn at random: their order is all that the rule looks at then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tuning.search import rungs
from tuning.search.fronts import Standing
from tuning.types import Hyperparameters

if TYPE_CHECKING:
    import numpy as np

    from tuning.study.definition import Study

DRAWS = 60
ALIKE_RUNGS = 0.9  # correlation of a trial's values at a rung and the next, as it was measured (rungs.py)

Training = tuple[tuple[Hyperparameters, ...], float]  # packed together, fraction of the rows


def drawn(study: Study, budget: int, seed: int = 0) -> Iterator[list[Training]]:
    """DRAWS times, the trainings of a study."""
    import numpy as np

    rng = np.random.default_rng(seed)
    for _ in range(DRAWS):
        yield _study(study, hypers_of(study, budget, rng), rng)


def hypers_of(study: Study, budget: int, rng: np.random.Generator) -> list[Hyperparameters]:
    """In the order of proposal."""
    hypers = [hyper for _, hyper in study.start][:budget]
    settled = study.space.hyperparameters(study.space.draw(rng), study.defaults)
    while len(hypers) < min(budget, study.space.count + len(study.start)):
        near = study.optimizer != "random" and rng.random() < 0.5
        hypers.append(settled if near else study.space.hyperparameters(study.space.draw(rng), study.defaults))
    return hypers


def _study(study: Study, hypers: Sequence[Hyperparameters], rng: np.random.Generator) -> list[Training]:
    trainings: list[Training] = []
    curves: list[dict[int, Standing | None]] = []
    values: list[float] = []  # at the highest rung
    first = len(study.start)
    groups = [list(range(min(first, len(hypers))))]
    groups += [
        list(range(at, min(len(hypers), at + study.block))) for at in range(first, len(hypers), max(1, study.block))
    ]
    for group in groups:
        curves += [{} for _ in group]
        values += [0.0 for _ in group]
        going = group
        for rung, fraction in enumerate(study.fractions):
            if rung:
                going = rungs.going_on(curves, rung - 1, going, first)
            for n in going:
                fresh = float(rng.normal())
                values[n] = ALIKE_RUNGS * values[n] + (1 - ALIKE_RUNGS**2) ** 0.5 * fresh if rung else fresh
                curves[n][rung] = Standing((values[n],))
            packed = [going[at : at + study.packed] for at in range(0, len(going), study.packed)]
            trainings += [(tuple(rungs.shrunk(hypers[n], fraction) for n in batch), fraction) for batch in packed]
    if len(study.fractions) > 1:
        last = len(study.fractions) - 1
        best = sorted(range(len(hypers)), key=lambda n: (-max(curves[n]), values[n]))
        lacking = [n for n in best[: rungs.ALL_ROWS * len(study.objectives)] if last not in curves[n]]
        trainings += [((hypers[n],), study.fractions[-1]) for n in lacking]
    return trainings
