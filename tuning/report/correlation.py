"""How far one ranking of models predicts another: Spearman's rho and Kendall's tau-b with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

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
    (rho,), (tau,) = _rho(x[None], y[None]), _tau(x, y, np.ones((1, n)))
    if n < FEWEST:
        return Agreement(n, float(rho), None, float(tau), None)
    drawn = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
    times = np.array([np.bincount(draw, minlength=n) for draw in drawn], dtype=float)
    return Agreement(n, float(rho), _middle(_rho(x[drawn], y[drawn])), float(tau), _middle(_tau(x, y, times)))


def _rho(x: Floats, y: Floats) -> Floats:
    """Spearman's, of each row of x with that row of y."""
    from scipy.stats import rankdata

    u, v = (rankdata(z, axis=1) - (z.shape[1] + 1) / 2 for z in (x, y))
    return _ratio((u * v).sum(axis=1), (u * u).sum(axis=1), (v * v).sum(axis=1))


def _tau(x: Floats, y: Floats, times: Floats) -> Floats:
    """Kendall's tau-b, of the models taken as often as each row of `times` says."""
    import numpy as np

    u, v = (np.sign(z[:, None] - z[None]) for z in (x, y))
    return _ratio(*(((times @ pairs) * times).sum(axis=1) for pairs in (u * v, u * u, v * v)))


def _ratio(both: Floats, first: Floats, second: Floats) -> Floats:
    import numpy as np

    length = np.sqrt(first * second)
    return np.divide(both, length, out=np.zeros_like(both), where=length > 0)


def _middle(values: Floats) -> tuple[float, float]:
    import numpy as np

    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
