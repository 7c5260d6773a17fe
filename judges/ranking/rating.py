"""From games to a ranking: strengths with intervals, win rates, the pairwise matrix, style held equal where asked.

A game is one comparison of two models on one prompt, whoever made it. Games of one prompt are not independent, so
every interval (95%) is clustered by prompt. docs/statistics.md has formulas, sources and measured coverage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.stats import intervals
from judges.ranking import win_rates
from judges.ranking.strength_intervals import Ends, Method
from judges.ranking.weights import disagreement, standardised

if TYPE_CHECKING:
    from judges.ranking.bradley_terry import Floats, Table, Wholes

OF_MODELS = 0.8  # a weight's variance is five times what it were if styles did not go with models


@dataclass(frozen=True, slots=True)
class Match:
    """`score` is a's: 1 won, 0 lost, 0.5 a tie. `style` is what a's answer has more of than b's, one number a covariate
    (judges/ranking/style.py). `weight` is one over the chance with which this pair of answers was chosen."""

    prompt: str
    a: str
    b: str
    score: float
    style: tuple[float, ...] = ()
    weight: float = 1.0


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
    trust: float | None = None  # the weight of the judges whose verdicts people's votes corrected, in [0, 1]


def rank(
    games: Sequence[Match],
    style: Sequence[str] = (),
    method: Method = "sandwich",
    seed: int = 0,
    names: int = 6,
    verdicts: Sequence[Match] = (),
) -> Ranking:
    """Bradley-Terry over the games; `style` names the covariates of `Match.style` that are held equal.

    `method` is how strengths' intervals are made: CR2 with Satterthwaite's degrees of freedom, or the bootstrap over
    prompts. `verdicts` are judges' games that the games, of people, correct (judges/ranking/prediction_powered.py).
    ValueError without games or when a score is none; UncorrectedError where there are too few to correct verdicts."""
    if not games:
        raise ValueError("a ranking needs at least one game")
    if any(not 0 <= game.score <= 1 or game.a == game.b or len(game.style) != len(style) for game in games):
        raise ValueError("a game needs two models, a score from 0 to 1 and its style")
    import numpy as np

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
    from judges.ranking.prediction_powered import corrected_fit

    judged = [verdict for verdict in verdicts if {verdict.a, verdict.b} <= joined]
    codes = intervals.cluster_codes([game.prompt for game in (*inside, *judged)], len(inside) + len(judged))
    table = _table(inside, models, covariates, codes[: len(inside)])
    for name, share in zip(kept, of_models(table), strict=True):
        if share > OF_MODELS:
            notes.append(
                f"{share:.0%} of what games differ by in {name} is which models play: what {name} is worth, and what a "
                "model is worth, can hardly be told apart, and intervals are wide for it."
            )
    trust = None
    if verdicts:
        corrected = (
            corrected_fit(table, _table(judged, models, covariates[:0], codes[len(inside) :])) if judged else None
        )
        if corrected is None:
            raise UncorrectedError
        fitted, trust = corrected
    else:
        fitted = fit(table)
    ends = Ends(fitted, table, method, seed)
    if fitted.separated:
        notes.append(
            "Some models won, or lost, all their games against the others, so the likelihood has no maximum. Strengths"
            " are those with one tie more for each model against an average opponent; the open side has no limit."
        )
    weights = [game.weight for game in inside]
    if trust is None and not fitted.separated and max(weights) > min(weights):
        p = disagreement(fitted, fit(replace(table, weight=np.array(weights))))
        if p < 0.05:
            notes.append(
                f"Pairs that were chosen seldom say something else than Bradley-Terry makes of others (p = {p:.2g}): "
                "strengths depend on which pairs were chosen. Compare all pairs to know."
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
    worth = [ends.interval(len(models) + i, None) for i in range(len(kept))]
    return Ranking(
        models=rated,
        pairs=pairs,
        style=[Style(name, *estimate) for name, estimate in zip(kept, worth, strict=True)],
        games=len(games),
        prompts=len({game.prompt for game in games}),
        method=method,
        notes=notes,
        trust=trust,
    )


class UncorrectedError(ArithmeticError):
    """People's votes, corrected by judges' verdicts, have no finite strengths: there are too few of them."""


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


def _rated(games: Sequence[Match], name: str, models: Sequence[str], ends: Ends, lone: bool) -> Rated:
    own = [g for g in games if name in (g.a, g.b)]
    won = _rate(own, name)
    if name not in models:
        return Rated(name, math.nan, -math.inf, math.inf, len(own), *won)
    value, low, high = ends.interval(models.index(name), None)
    return Rated(name, value, -math.inf if lone else low, math.inf if lone else high, len(own), *won)


def _pairing(games: Sequence[Match], a: str, b: str, models: Sequence[str], ends: Ends, unknown: set[str]) -> Pairing:
    own = [g for g in games if {g.a, g.b} == {a, b}]
    won = _rate(own, a) if own else (math.nan, math.nan, math.nan)
    if a not in models or b not in models:
        return Pairing(a, b, len(own), *won, math.nan, -math.inf, math.inf)
    value, low, high = ends.interval(models.index(a), models.index(b))
    return Pairing(a, b, len(own), *won, value, -math.inf if unknown else low, math.inf if unknown else high)


def _rate(own: Sequence[Match], name: str) -> tuple[float, float, float]:
    scores = [game.score if game.a == name else 1 - game.score for game in own]
    rate = win_rates.interval(scores, [game.prompt for game in own], [game.weight for game in own])
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


def _table(games: Sequence[Match], models: Sequence[str], style: Floats, clusters: Wholes) -> Table:
    import numpy as np

    from judges.ranking.bradley_terry import Table

    number = {name: i for i, name in enumerate(models)}
    table = Table(
        a=np.array([number[game.a] for game in games], dtype=np.intp),
        b=np.array([number[game.b] for game in games], dtype=np.intp),
        score=np.array([game.score for game in games], dtype=float),
        cluster=clusters,
        style=style,
        models=len(models),
        weight=np.array([game.weight for game in games], dtype=float),
    )
    return replace(table, weight=standardised(table.weight, table.pairs))


def _list(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
