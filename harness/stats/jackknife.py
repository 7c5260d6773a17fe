"""Agreement over chance, from tables of who chose what, with the jackknife's interval over clusters."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval; NaN (and -1 to 1, or 0 to 1) where `n` observations do not tell."""

    value: float
    low: float
    high: float
    n: int


def jackknife(
    tables: Sequence[Floats],
    figure: Callable[[Floats], float],
    by_chance: Callable[[Floats], float],
    n: int,
    share: Estimate,
) -> Estimate:
    """A figure of summed tables, one a cluster: 1 - (disagreement) / (what chance alone would bring, `by_chance`). Its
    interval by leaving out one cluster at a time (Efron and Stein 1981) with Student's t. Where all agree nothing
    varies, and the lower end is what the interval of `share`, of equal choices, allows."""
    import numpy as np
    from scipy.special import stdtrit

    if not tables:
        return Estimate(math.nan, -1.0, 1.0, 0)
    whole = np.sum(tables, axis=0)
    value = figure(whole)
    if math.isnan(value) or len(tables) < 2:
        return Estimate(value, -1.0, 1.0, n)
    left_out = np.array([figure(whole - table) for table in tables])
    left_out = left_out[np.isfinite(left_out)]
    count = len(left_out)
    if count < 2:
        return Estimate(value, -1.0, 1.0, n)
    error = math.sqrt((count - 1) / count * float(((left_out - left_out.mean()) ** 2).sum()))
    half = float(stdtrit(count - 1, 0.975)) * error
    if half < 1e-12:
        scale = (1 - value) / (1 - share.value) if share.value < 1 else 1 / by_chance(whole)
        return Estimate(value, max(-1.0, value - scale * (share.value - share.low)), min(1.0, value), n)
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), n)
