"""From games to a ranking: strengths with intervals, win rates, the pairwise matrix, style held equal where asked.

A game is one comparison of two models on one prompt, whoever made it. Games of one prompt are not independent, so
every interval (95%) is clustered by prompt. docs/statistics.md has formulas, sources and measured coverage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.stats import intervals

if TYPE_CHECKING:
    from judges.ranking.bradley_terry import Fit, Floats, Table

Method = Literal["sandwich", "bootstrap"]
OF_MODELS = 0.8  # a weight's variance is five times what it were if styles did not go with models
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Match:
    """`score` is a's: 1 won, 0 lost, 0.5 a tie. `style` is what a's answer has more of than b's, one number a covariate
    (judges/ranking/style.py)."""

    prompt: str
    a: str
    b: str
    score: float
    style: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Rated:
    """A model. Strengths are natural log-odds with mean zero: +0.69 wins two games of three... against the average.

    An end is infinite where the games set no limit; `strength` is NaN for a model that no chain of games joins to the
    others."""

    name: str
    strength: float
    low: float
    high: float
    games: int
    win_rate: float  # mean score, ties as half
    win_low: float
    win_high: float


@dataclass(frozen=True, slots=True)
class Pairing:
    """a against b: a's win rate in their games, and a's strength less b's (which all games inform)."""

    a: str
    b: str
    games: int
    win_rate: float  # NaN without games, as are its ends
    win_low: float
    win_high: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Style:
    """What one standard deviation more of a covariate is worth, in log-odds."""

    name: str
    weight: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Ranking:
    models: Sequence[Rated]  # the strongest first
    pairs: Sequence[Pairing]  # every pair once, in the order of `models`
    style: Sequence[Style]
    games: int
    prompts: int
    method: Method
    notes: Sequence[str]  # what a reader must know


def rank(
    games: Sequence[Match], style: Sequence[str] = (), method: Method = "sandwich", seed: int = 0, names: int = 6
) -> Ranking:
    """Bradley-Terry over the games; `style` names the covariates of `Match.style` that are held equal.

    `method` is how strengths' intervals are made: CR2 with Satterthwaite's degrees of freedom, or the bootstrap over
    prompts. ValueError without games or when a score is none."""
    if not games:
        raise ValueError("a ranking needs at least one game")
    if any(not 0 <= game.score <= 1 or game.a == game.b or len(game.style) != len(style) for game in games):
        raise ValueError("a game needs two models, a score from 0 to 1 and its style")
    joined, apart = _joined(games)
    inside = [game for game in games if game.a in joined]
    models = sorted(joined)
    notes = []
    if apart:
        notes.append(f"No chain of games joins {_list(sorted(apart), names)} to the others: no strength can be given.")
    covariates, kept = _standardised(inside, style)
    if len(kept) < len(style):
        notes.append(f"Every game is alike in {_list(sorted(set(style) - set(kept)), names)}: left out.")
    from judges.ranking.bradley_terry import fit, of_models

    table = _table(inside, models, covariates)
    for name, share in zip(kept, of_models(table), strict=True):
        if share > OF_MODELS:
            notes.append(
                f"{share:.0%} of what games differ by in {name} is which models play: what {name} is worth, and what a "
                "model is worth, can hardly be told apart, and intervals are wide for it."
            )
    fitted = fit(table)
    ends = _Ends(fitted, table, method, seed)
    if fitted.separated:
        notes.append(
            "Some models won, or lost, all their games against the others, so the likelihood has no maximum. Strengths"
            " are those with one tie more for each model against an average opponent; the open side has no limit."
        )
    lone = [name for name in models if len({g.prompt for g in inside if name in (g.a, g.b)}) < 2]
    if lone:
        notes.append(f"{_list(lone, names)} played on one prompt only: no interval can be given.")
    rated = [_rated(games, name, models, ends, name in lone) for name in [*models, *sorted(apart)]]
    # equal strengths differ by rounding, which depends on the order of the games
    rated.sort(key=lambda r: (math.isnan(r.strength), 0.0 if math.isnan(r.strength) else -round(r.strength, 9), r.name))
    order = [r.name for r in rated]
    pairs = [
        _pairing(games, a, b, models, ends, {a, b} & {*lone, *apart})
        for i, a in enumerate(order)
        for b in order[i + 1 :]
    ]
    weights = [ends.interval(len(models) + i, None) for i in range(len(kept))]
    return Ranking(
        models=rated,
        pairs=pairs,
        style=[Style(name, *estimate) for name, estimate in zip(kept, weights, strict=True)],
        games=len(games),
        prompts=len({game.prompt for game in games}),
        method=method,
        notes=notes,
    )


def bands(ranking: Ranking) -> dict[str, tuple[int, int]]:
    """Each model's best and worst rank that the intervals of differences allow."""
    above = {model.name: 0 for model in ranking.models}
    below = dict(above)
    for pair in ranking.pairs:
        if pair.low > 0:
            below[pair.a] += 1
            above[pair.b] += 1
        elif pair.high < 0:
            below[pair.b] += 1
            above[pair.a] += 1
    return {name: (above[name] + 1, len(above) - below[name]) for name in above}


class _Ends:
    """Intervals of strengths, differences and weights, by the ranking's method."""

    def __init__(self, fitted: Fit, table: Table, method: Method, seed: int) -> None:
        import numpy as np

        self.fitted, self.models = fitted, table.models
        self.estimate = np.concatenate([fitted.strengths, fitted.weights])
        resampled = method == "bootstrap" and len(fitted.scores) > 1
        self.moves = fitted.resampled(RESAMPLES, seed) if resampled else None
        self.over = _over(table) if fitted.separated else None

    def interval(self, first: int, second: int | None) -> tuple[float, float, float]:
        """Of a strength (or weight), or of `first` less `second`: value, low, high."""
        import numpy as np
        from scipy.special import stdtrit

        contrast = np.zeros(len(self.estimate))
        contrast[first] = 1.0
        if second is not None:
            contrast[second] -= 1.0
        elif first < self.models:
            contrast[: self.models] -= 1 / self.models
        value = float(contrast @ self.estimate)
        variance, df = self.fitted.spread(contrast)
        t = float(stdtrit(df, 0.975))
        half = t * math.sqrt(variance)
        if self.moves is not None:
            half = max(self._bootstrap(self.moves, contrast, t), t * math.sqrt(float(self._floor(contrast))))
        up, down = self._open(first, second)
        return value, -math.inf if down else value - half, math.inf if up else value + half

    def _bootstrap(self, moves: Floats, contrast: Floats, t: float) -> float:
        """t times the standard error over the resamples, widened by sqrt(G/(G-1)). A quantile of the resamples would
        jump: with 29 votes there are few values that it can take."""
        clusters = len(self.fitted.scores)
        return t * math.sqrt(float(((moves @ contrast) ** 2).mean()) * clusters / (clusters - 1))

    def _floor(self, contrast: Floats) -> float:
        free = self.fitted.basis.T @ contrast
        return float(free @ self.fitted.floor @ free)

    def _open(self, first: int, second: int | None) -> tuple[bool, bool]:
        """Whether the games set no upper, and no lower, limit."""
        if self.over is None or first >= self.models:
            return False, False
        if second is not None:
            up = self.over[first, second] and not self.over[second, first]
            down = self.over[second, first] and not self.over[first, second]
            return bool(up), bool(down)
        # a group that beat each other sets the scale for the rest: its own strengths are limited
        equal = (self.over * self.over.T) > 0
        if equal[first].sum() == max(2, equal.sum(axis=1).max()):
            return False, False
        above = ((self.over[first] > 0) & ~equal[first]).any()
        below = ((self.over[:, first] > 0) & ~equal[first]).any()
        return bool(above and not below), bool(below and not above)


def _over(table: Table) -> Floats:
    """(models, models): whether a chain of wins and ties leads from one to the other."""
    import numpy as np

    from judges.ranking.bradley_terry import beaten

    won, lost = beaten(table)
    reach = np.eye(table.models)
    reach[won, lost] = 1
    for middle in range(table.models):
        reach = np.maximum(reach, np.outer(reach[:, middle], reach[middle]))
    return reach


def _rated(games: Sequence[Match], name: str, models: Sequence[str], ends: _Ends, lone: bool) -> Rated:
    own = [(g.prompt, g.score if g.a == name else 1 - g.score) for g in games if name in (g.a, g.b)]
    won = _rate(own)
    if name not in models:
        return Rated(name, math.nan, -math.inf, math.inf, len(own), *won)
    value, low, high = ends.interval(models.index(name), None)
    return Rated(name, value, -math.inf if lone else low, math.inf if lone else high, len(own), *won)


def _pairing(games: Sequence[Match], a: str, b: str, models: Sequence[str], ends: _Ends, unknown: set[str]) -> Pairing:
    own = [(g.prompt, g.score if g.a == a else 1 - g.score) for g in games if {g.a, g.b} == {a, b}]
    won = _rate(own) if own else (math.nan, math.nan, math.nan)
    if a not in models or b not in models:
        return Pairing(a, b, len(own), *won, math.nan, -math.inf, math.inf)
    value, low, high = ends.interval(models.index(a), models.index(b))
    return Pairing(a, b, len(own), *won, value, -math.inf if unknown else low, math.inf if unknown else high)


def _rate(own: Sequence[tuple[str, float]]) -> tuple[float, float, float]:
    rate, _ = intervals.interval([score for _, score in own], [prompt for prompt, _ in own])
    return rate.value, rate.low, rate.high


def _joined(games: Sequence[Match]) -> tuple[set[str], set[str]]:
    """The largest set of models that games join, and the rest."""
    groups: list[set[str]] = []
    for game in games:
        touched = [group for group in groups if game.a in group or game.b in group]
        groups = [group for group in groups if group not in touched]
        groups.append(set().union({game.a, game.b}, *touched))
    largest = max(groups, key=lambda group: (len(group), sorted(group)))
    return largest, set().union(*groups) - largest


def _standardised(games: Sequence[Match], style: Sequence[str]) -> tuple[Floats, list[str]]:
    """(games, covariates) over their root mean square; those that are zero in every game are left out."""
    import numpy as np

    values = np.array([game.style for game in games], dtype=float).reshape(len(games), len(style))
    scale = np.sqrt((values**2).mean(axis=0))
    kept = scale > 1e-12
    return values[:, kept] / scale[kept], [name for name, k in zip(style, kept, strict=True) if k]


def _table(games: Sequence[Match], models: Sequence[str], style: Floats) -> Table:
    import numpy as np

    from judges.ranking.bradley_terry import Table

    number = {name: i for i, name in enumerate(models)}
    return Table(
        a=np.array([number[game.a] for game in games], dtype=np.intp),
        b=np.array([number[game.b] for game in games], dtype=np.intp),
        score=np.array([game.score for game in games], dtype=float),
        cluster=intervals.cluster_codes([game.prompt for game in games], len(games)),
        style=style,
        models=len(models),
    )


def _list(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
