"""How far one ranking of models predicts another: Spearman's rho and Kendall's tau-b with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Draws = NDArray[np.intp]  # [draws, n], of indices

FEWEST = 8  # models; from fewer there is no interval worth the name
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient is None where one of the two has no differences to rank; an interval (95%) is None there and from
    fewer than eight models."""

    n: int
    spearman: float | None
    spearman_interval: tuple[float, float] | None
    kendall: float | None
    kendall_interval: tuple[float, float] | None


def agreement(a: Sequence[float], b: Sequence[float], seed: int = 0) -> Agreement:
    """Between two measurements of the same models, in the same order. ValueError for other lengths.

    Models are drawn with replacement (percentile bootstrap); a draw in which one side is constant counts as 0."""
    import numpy as np
    from scipy.stats import kendalltau, spearmanrho

    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} measurements are not of the same models")
    n = len(a)
    if n < 2 or len(set(a)) < 2 or len(set(b)) < 2:
        return Agreement(n, None, None, None, None)
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    rho, tau = float(spearmanrho(x, y).statistic), float(kendalltau(x, y).statistic)
    if n < FEWEST:
        return Agreement(n, rho, None, tau, None)
    return Agreement(n, rho, _interval(_spearman(x, y), n, seed), tau, _interval(_kendall(x, y), n, seed))


def _interval(statistic: Callable[[Draws], Floats], n: int, seed: int) -> tuple[float, float]:
    """Of a function of which models are drawn, [draws, n] → [draws]."""
    import numpy as np
    from scipy.stats import bootstrap

    low, high = bootstrap(
        (np.arange(n),),
        lambda draws, axis: statistic(draws),
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(low), float(high)


def _spearman(x: Floats, y: Floats) -> Callable[[Draws], Floats]:
    import numpy as np
    from scipy.stats import spearmanrho

    def statistic(draws: Draws) -> Floats:
        varies = (np.ptp(x[draws], axis=-1) > 0) & (np.ptp(y[draws], axis=-1) > 0)
        values = np.zeros(draws.shape[:-1])
        values[varies] = spearmanrho(x[draws[varies]], y[draws[varies]], axis=-1).statistic
        return values

    return statistic


def _kendall(x: Floats, y: Floats) -> Callable[[Draws], Floats]:
    """tau-b, from how often each model is drawn: scipy's own takes a millisecond a draw, seconds for an interval."""
    import numpy as np

    signs = [np.sign(z[:, None] - z[None]) for z in (x, y)]
    pairs = [signs[0] * signs[1], signs[0] ** 2, signs[1] ** 2]

    def statistic(draws: Draws) -> Floats:
        times = np.array([np.bincount(draw, minlength=len(x)) for draw in draws], dtype=float)
        both, first, second = (((times @ pair) * times).sum(axis=1) for pair in pairs)
        length = np.sqrt(first * second)
        return np.divide(both, length, out=np.zeros_like(both), where=length > 0)

    return statistic
