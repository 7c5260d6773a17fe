"""Confidence sequences: intervals of the score that the whole run will give, which may be looked at after every answer.

The items of a task are known and finite. They are drawn without replacement (`harness.stats.drawing`), and what is
asked is not a chance but the number that stands there when all are answered. So the interval closes at the last item.
With a chance of at least 1 - alpha it holds that number at *every* time: a look costs nothing, and whoever stops when
the interval is narrow enough, or has left a limit, is right as often as promised.

Method: betting (Waudby-Smith and Ramdas 2020, 2024; with unequal chances of being drawn, Shekhar, Xu, Lipton, Liang
and Ramdas 2023). After t - 1 draws, let U be the weight of what is left and S = Σ weight · value of what was drawn.
Were the whole mean m, the next value would have the expectation (m - S) / U. A gambler who bets λ on "more than that"
has the capital Π (1 + λ (value - (m - S) / U)), which under m is a martingale: by Ville's inequality it ever reaches
1 / alpha with a chance of at most alpha. Every m where it did is excluded, and so from above; each side has half of
alpha.

Bets: λ = d / (v + d²), where d = δ / U is how far the expectation would be off were the true mean m + δ, and v the
variance of the values so far. So bets grow as the items come to an end, which keeps the interval about 1.5 times as
wide as a fixed one all the way. The capital is a mean over a few δ: those that a fixed sample of e / (1 + e) of the
items could tell, for e in `MOMENTS`. No bet depends on m but by the limit that capital stays positive, so capital
falls in m and its root is found by bisection.

docs/statistics.md has coverage and widths, measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.stats.intervals import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALPHA = 0.05
MOMENTS = (0.01, 0.07, 0.5, 3.5)  # drawn to undrawn items, at which a bet is at its best
STAKE = 0.9  # of the capital, at most, is lost by one draw
TOLERANCE = 1e-7  # of the values' range, to which the ends are found; on the careful side
PRIOR = 20.0  # units, that the coefficient of known values is worth before any was seen


class MeanSequence:
    """The mean Σ weight · value of a finite population of units, of which those drawn so far are known.

    `weights` has all units in the order in which they are drawn, and need not sum to one. A unit is drawn with a
    chance in proportion to its weight among those left, or to `rates` where the mean asked for is another than the
    one for which units were drawn. The order must not depend on the values. Values lie in [`low`, `high`].

    `known` has another run's values of all units in the same order: then the mean is that of value - known, and what
    values owe to the known ones does not widen it. Of two runs that are both read only in part, add the differences,
    with bounds -1 and 1.

    All results are functions of the values in their order; when and how often they were asked for changes nothing.
    Several statements that have to hold at once, of k runs or tasks, get alpha / k each."""

    def __init__(
        self,
        weights: Sequence[float],
        low: float = 0.0,
        high: float = 1.0,
        known: Sequence[float] | None = None,
        rates: Sequence[float] | None = None,
    ) -> None:
        import numpy as np

        self._weights = _shares(weights, "weights")
        self._rates = self._weights if rates is None else _shares(rates, "rates")
        if len(self._rates) != len(self._weights):
            raise ValueError(f"{len(self._weights)} units need {len(self._weights)} rates, not {len(self._rates)}")
        if not low < high:
            raise ValueError(f"values between {low:g} and {high:g} have no mean to be told")
        self._low, self._high = low, high
        self._known: Floats | None = None
        if known is not None:
            self._known = self._checked(known)
            if len(self._known) != len(self._weights):
                raise ValueError(f"{len(self._weights)} units need as many known values, not {len(self._known)}")
        self._values: Floats = np.empty(0)

    def add(self, values: Sequence[float]) -> None:
        """The values of the units that are drawn next. ValueError where they are out of bounds or too many."""
        import numpy as np

        more = self._checked(values)
        if len(more) > self.remaining:
            raise ValueError(f"{len(more)} values are more than the {self.remaining} units that are left")
        self._values = np.concatenate([self._values, more])

    @property
    def n(self) -> int:
        """Units drawn so far."""
        return len(self._values)

    @property
    def remaining(self) -> int:
        return len(self._weights) - len(self._values)

    @property
    def estimate(self) -> float:
        """The weighted mean of what was drawn, each over its chance of being drawn by now (1 - exp(-τ rate), with τ
        such that the chances sum to n; Rosén 1997). With equal weights the plain mean, and at the end the mean
        itself."""
        import numpy as np
        from scipy.optimize import brentq

        n, total = self.n, len(self._weights)
        if n == 0:
            raise ValueError("nothing was drawn yet, so there is no estimate")
        values = self._values - (0 if self._known is None else self._known[:n])
        share = self._weights[:n]
        if n < total and np.ptp(self._rates) > 0:
            rate = self._rates / self._rates.mean()
            most = -math.log1p(-n / total) / float(rate.min())
            tau = brentq(lambda t: float(-np.expm1(-t * rate).sum()) - n, 0, most * (1 + 1e-9))
            share = share / -np.expm1(-tau * rate[:n])
        least, most = (
            (self._low, self._high) if self._known is None else (self._low - self._high, self._high - self._low)
        )
        return min(most, max(least, float(share @ values / share.sum())))  # rounding would take it a hair beyond

    def interval(self, alpha: float = ALPHA) -> Interval:
        """The estimate, and the ends between which the whole mean lies, at every time, with a chance of 1 - alpha."""
        _check_alpha(alpha)
        shift = self._known_mean()
        low, high = self._end(1, alpha / 2) - shift, self._end(-1, alpha / 2) - shift
        low, high = min(low, high), max(low, high)  # crossed, with a chance below alpha: then all means are excluded
        value = self.estimate if self.n else (low + high) / 2
        return Interval(min(high, max(low, value)), low, high)

    def above(self, limit: float, alpha: float = ALPHA) -> bool:
        """Whether the whole mean is above `limit` for sure: if it is not, this is ever said with a chance below
        alpha."""
        return self._told(limit, 1, alpha)

    def below(self, limit: float, alpha: float = ALPHA) -> bool:
        """Whether the whole mean is below `limit` for sure: if it is not, this is ever said with a chance below
        alpha."""
        return self._told(limit, -1, alpha)

    def p_value(self, limit: float) -> float:
        """Two-sided, of the whole mean being `limit`: below any p, at any time, with a chance of at most p. It is below
        0.05 exactly where the interval at 95% does not hold the limit, and 0 where what is left cannot reach it."""
        limit += self._known_mean()
        low, high = self._reachable()
        if not low <= limit <= high:
            return 0.0
        if not self.n or not self.remaining:
            return 1.0
        return min(1.0, *(2 / max(self._bets(side, ALPHA / 2).capital(side * limit), 1e-300) for side in (1, -1)))

    @property
    def variance(self) -> float:
        """Of the values drawn so far (of their differences to the known ones). One value as far from the mean as
        can be is counted with them, so that a few equal values are not taken for no variance."""
        import numpy as np

        values = self._values - (0 if self._known is None else self._known[: self.n])
        farthest = (self._high - self._low) ** 2 / (4 if self._known is None else 1)
        return float((np.sum((values - values.mean()) ** 2) if self.n else 0) + farthest) / (self.n + 1)

    @property
    def whole_error(self) -> float:
        """The standard error that the whole run's mean is going to have, where its units are themselves seen as a
        sample of more of their kind."""
        import numpy as np

        return math.sqrt(float(np.sum(self._weights**2)) * self.variance)

    def _told(self, limit: float, side: int, alpha: float) -> bool:
        _check_alpha(alpha)
        limit += self._known_mean()
        low, high = self._reachable()
        if side * (limit - (low if side > 0 else high)) < 0:
            return True
        if not low < limit < high or not self.n:
            return False
        return bool(self._bets(side, alpha).capital(side * limit) >= 1 / alpha)

    def _end(self, side: int, alpha: float) -> float:
        """The lower end (side 1) or the upper one (side -1) of the values' mean, on its own at alpha."""
        low, high = self._reachable()
        excluded, kept = (low, high) if side > 0 else (-high, -low)
        if self.n and self.remaining:
            bets = self._bets(side, alpha)
            if bets.capital(excluded) >= 1 / alpha:
                while kept - excluded > TOLERANCE * (self._high - self._low):
                    middle = (excluded + kept) / 2
                    if bets.capital(middle) >= 1 / alpha:
                        excluded = middle
                    else:
                        kept = middle
        return side * excluded

    def _reachable(self) -> tuple[float, float]:
        """The least and the most that the values' mean can be, whatever is not drawn yet."""
        seen = math.fsum(self._weights[: self.n] * self._values)
        left = math.fsum(self._weights[self.n :])
        return seen + left * self._low, seen + left * self._high

    def _bets(self, side: int, alpha: float) -> _Bets:
        """Bets that the mean is above (side 1) or below (-1); there all values have the other sign."""
        import numpy as np

        n, total = self.n, len(self._weights)
        left = np.cumsum(self._rates[::-1])[::-1]
        ratio = self._weights / self._rates
        before = np.concatenate([[0.0], np.cumsum(self._weights[:n] * self._values)[:-1]])
        values = ratio[:n] * self._values
        least, most = float((ratio * self._low).min()), float((ratio * self._high).max())
        floor, ceiling = np.full(n, least), np.full(n, most)
        if self._known is not None:
            known = ratio * self._known
            expected = (np.cumsum((self._weights * self._known)[::-1])[::-1] / left)[:n]
            coefficient = _coefficients(values, known)
            values = values - coefficient * (known[:n] - expected)
            floor += coefficient * (expected - known.max())
            ceiling += coefficient * (expected - known.min())
        variance = _variances(values, most - least)
        distance = np.sqrt(2 * math.log(1 / alpha) * variance[:, None] / (total * np.array(MOMENTS))) / left[:n, None]
        stakes = distance / (variance[:, None] + distance**2)
        return _Bets(side * values, floor if side > 0 else -ceiling, side * before, left[:n], stakes)

    def _known_mean(self) -> float:
        return 0.0 if self._known is None else math.fsum(self._weights * self._known)

    def _checked(self, values: Sequence[float]) -> Floats:
        import numpy as np

        y = np.asarray(values, dtype=float)
        if y.ndim != 1 or not np.isfinite(y).all() or (len(y) and not self._low <= y.min() <= y.max() <= self._high):
            raise ValueError(f"each value must be a number from {self._low:g} to {self._high:g}")
        return y


class _Bets(NamedTuple):
    """What was drawn, and what was staked before each draw. All but `stakes` are [draws]."""

    values: Floats
    floor: Floats  # the least that a value could have been
    before: Floats  # Σ weight · value of the draws before
    left: Floats  # the weight of what was not drawn before
    stakes: Floats  # [draws, MOMENTS], before the limit that the capital sets

    def capital(self, mean: float) -> float:
        """The most that the capital ever was, had the whole mean been `mean`; it falls in `mean`."""
        return float(self.course(mean).max())

    def course(self, mean: float) -> Floats:
        """The capital after each draw, had the whole mean been `mean`: then its expectation is 1 after every draw."""
        import numpy as np

        expected = (mean - self.before) / self.left
        # rounding can take the expectation to the floor, where any stake is safe
        limit = STAKE / np.maximum(expected - self.floor, 1e-12)
        factors = 1 + np.minimum(self.stakes, limit[:, None]) * (self.values - expected)[:, None]
        with np.errstate(over="ignore", under="ignore"):  # beyond every threshold, and worth nothing
            capital: Floats = np.cumprod(factors, axis=0).mean(axis=1)
        return capital


def _variances(values: Floats, width: float) -> Floats:
    """Before each draw, the variance of the values so far about their running mean; the first guess, that of a fair
    coin over the range, counts as one draw."""
    import numpy as np

    count = np.arange(1, len(values) + 1)
    means = np.cumsum(values) / count
    squares = np.cumsum((values - means) ** 2)
    return (width**2 / 4 + np.concatenate([[0.0], squares[:-1]])) / count


def _coefficients(values: Floats, known: Floats) -> Floats:
    """Before each draw, the slope of the values so far on the known ones, between 0 and 1; at first 1, the plain
    difference, which counts as much as `PRIOR` units of the known values' spread."""
    import numpy as np

    own = known[: len(values)] - known.mean()
    prior = PRIOR * float(np.var(known))
    if prior == 0:
        return np.zeros(len(values))
    products = np.cumsum(own * (values - np.cumsum(values) / np.arange(1, len(values) + 1)))
    squares = np.cumsum(own**2)
    slope = (prior + np.concatenate([[0.0], products[:-1]])) / (prior + np.concatenate([[0.0], squares[:-1]]))
    return np.clip(slope, 0.0, 1.0)


def _shares(weights: Sequence[float], name: str) -> Floats:
    import numpy as np

    shares = np.asarray(weights, dtype=float)
    if shares.ndim != 1 or not len(shares) or not np.isfinite(shares).all() or not shares.min() > 0:
        raise ValueError(f"{name} must be numbers above zero, at least one")
    return shares / math.fsum(shares)


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is a chance between 0 and 1, not {alpha:g}")
