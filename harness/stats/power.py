"""What a part of the items can tell: how far off a limit a mean has to be, for a confidence sequence to see it."""

from __future__ import annotations

import math

from harness.stats.sequences import ALPHA, MOMENTS

POWER = 0.8
PATHS, STEPS = 400, 25  # of the simulation


def detectable(n: int, total: int, variance: float, alpha: float = ALPHA) -> float:
    """How far the mean of `total` values has to be from a limit, so that `MeanSequence.above` (or `below`) has said
    so after n of them with a chance of 80%. `variance` is that of the values.

    By simulation of the bets' capital on a Brownian motion with drift, which the sums of many values come near to:
    after n draws they have the information n / (1 - n / total) / variance. The same paths each time, so the same
    answer. Infinite for no items; 0 where all are drawn or nothing varies."""
    import numpy as np
    from scipy.optimize import brentq

    if not 0 <= n <= total or not total:
        raise ValueError(f"{n} of {total} items can be no part of them")
    if n == total or variance <= 0:
        return 0.0
    if n == 0:
        return math.inf
    drawn = np.linspace(n / STEPS, n, STEPS)
    information = drawn / (1 - drawn / total) / variance
    steps = np.sqrt(np.diff(information, prepend=0.0))
    noise = np.cumsum(np.random.default_rng(0).normal(size=(PATHS, STEPS)) * steps, axis=1)
    tilts = np.sqrt(2 * math.log(1 / alpha) * variance / (total * np.array(MOMENTS)))

    def beyond(distance: float) -> float:
        """The capital's logarithm at its highest, over the threshold's, that 80% of the paths have."""
        score = noise + distance * information
        logs = score[..., None] * tilts - information[:, None] * tilts**2 / 2
        most = logs.max(axis=-1)
        capital = most + np.log(np.exp(logs - most[..., None]).mean(axis=-1))
        return float(np.quantile(capital.max(axis=1), 1 - POWER)) - math.log(1 / alpha)

    # four times what a fixed sample would need is more than enough
    far = 4 * (math.sqrt(2 * math.log(len(MOMENTS) / alpha)) + 1) / math.sqrt(information[-1])
    return float(brentq(beyond, 0.0, far, xtol=1e-6, rtol=1e-4))
