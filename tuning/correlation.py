"""How far one ranking of models predicts another: Spearman's rho and Kendall's tau-b with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} measurements are not of the same models")
    n = len(a)
    if n < 2 or len(set(a)) < 2 or len(set(b)) < 2:
        return Agreement(n, None, None, None, None)
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    rho, tau = _both(x, y)
    if n < FEWEST:
        return Agreement(n, rho, None, tau, None)
    drawn = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
    found = np.array([_both(x[draw], y[draw]) for draw in drawn])
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    return Agreement(n, rho, (float(low[0]), float(high[0])), tau, (float(low[1]), float(high[1])))


def _both(x, y) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """(rho, tau-b): correlations of ranks and of the signs of all pairs; 0 where one side is constant."""
    import numpy as np
    from scipy.stats import rankdata

    ranks = rankdata(x), rankdata(y)
    signs = np.sign(x[:, None] - x[None]).ravel(), np.sign(y[:, None] - y[None]).ravel()
    return _cosine(*(r - r.mean() for r in ranks)), _cosine(*signs)


def _cosine(u, v) -> float:  # type: ignore[no-untyped-def]
    length = float((u @ u) * (v @ v)) ** 0.5
    return float(u @ v) / length if length > 0 else 0.0
