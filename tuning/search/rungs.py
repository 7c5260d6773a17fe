"""Rungs: trials start on a small part of the rows, and only promising ones go on to larger parts.

Each rung is a training of its own, on a nested subset, with a schedule that ends there. Its batches are smaller by the
square root of the fraction, so that its steps are fewer by the square root only: a rung of a few large steps favours
learning rates and alphas that are too large for many (Adam's rate goes with the root of the batch, Malladi et al.
2022). Measured on 50 trials of the embedded model, Spearman's correlation of the loss at 5, 10 and 30% with that on
all rows: 0.93, 0.93, 0.97 with batches as they are; 0.94, 0.96, 0.98 with the root; 0.92, 0.93, 0.87 with equal steps.

A trial goes on from a rung when it is among the best 1/ETA of those that the rung has seen so far, and no more than
1/ETA of them have gone on (successive halving, Jamieson and Talwalkar 2016, decided one trial at a time; which are the
best of several objectives and under constraints, fronts.py says). "So far" is the order of proposal and never that of
finishing: a parallel study decides as a serial one does, and a resumed one as it did before. A trial that failed, or
that breaks a constraint for certain, goes nowhere and counts for nothing. Values are compared as a rung measured them:
whoever is behind there is taken to stay behind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tuning.search.fronts import Standing, best
from tuning.types import Hyperparameters

FRACTIONS = (0.05, 0.1, 0.3, 1.0)
WHOLE = (1.0,)
ETA = 4
ALL_ROWS = 3  # of the best by estimate, so many an objective are trained on all rows when the search has ended
SHRINK = 0.5  # the power of the fraction by which batches are smaller

Standings = Mapping[int, Standing | None]  # of a trial at each rung that it was trained at; None: it is out there


def shrunk(hyper: Hyperparameters, fraction: float) -> Hyperparameters:
    """What a rung trains with."""
    return replace(hyper, batch=max(1, round(hyper.batch * fraction**SHRINK)))


def going_on(trials: Sequence[Standings], rung: int, fresh: Sequence[int], together: int = 0) -> list[int]:
    """Those of the trials at the places `fresh` that go on from a rung. `trials` are in the order of proposal, and
    those that are not fresh are decided: they have gone on where they were trained at the next rung. The first
    `together` (the start points, which every study trains) are decided as one group.

    Depends on the trials up to each of these (or to the end of the group), which must have been trained at the rung
    where they came to it."""
    going: list[int] = []
    for place in fresh:
        first = place < together
        seen = {
            at: standing
            for at in range(min(together, len(trials)) if first else place + 1)
            if (standing := trials[at].get(rung))
        }
        most = math.ceil(len(seen) / ETA)
        gone = 0 if first else sum(at in going or rung + 1 in trials[at] for at in range(place))
        if gone < most and place in best(seen, most):
            going.append(place)
    return going
