"""Bradley-Terry by maximum likelihood, with a covariance that knows that games of one prompt go together.

P(a beats b) = 1 / (1 + exp(-(s_a - s_b + x g))): s are strengths in natural log-odds with mean zero, x the difference
of the two answers' style, g its weight. A tie is half a win each way (Bradley and Terry 1952; Davidson 1970 for why
ties need a rule). docs/statistics.md has the formulas, their sources and the measured coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Wholes = NDArray[np.intp]

STEPS = 100  # of Newton's method; an ordinary fit takes six
FAR = 30.0  # log-odds past which an estimate is on its way to infinity


@dataclass(frozen=True)
class Table:
    """Games as arrays of one length. `a`, `b`: models' numbers; `score`: a's, in [0, 1]; `cluster`: prompts' numbers;
    `style`: (games, covariates), a's less b's; `weight`: as how many games it counts."""

    a: Wholes
    b: Wholes
    score: Floats
    cluster: Wholes
    style: Floats
    models: int
    weight: Floats

    @property
    def pairs(self) -> Wholes:
        """The pair of each game as one number, whichever of the two is a."""
        import numpy as np

        return np.minimum(self.a, self.b) * self.models + np.maximum(self.a, self.b)


def of_models(table: Table) -> list[float]:
    """Of each covariate, the share of its squares that the models of a game explain: R² of x = m_a - m_b."""
    import numpy as np

    games = np.arange(len(table.a))
    design = np.zeros((len(games), table.models))
    design[games, table.a], design[games, table.b] = 1.0, -1.0
    shares = []
    for x in table.style.T:
        left = x - design @ np.linalg.lstsq(design, x, rcond=None)[0]
        shares.append(1 - float(left @ left) / float(x @ x))
    return shares


@dataclass(frozen=True)
class Fit:
    """`strengths` have mean zero. `root` @ `root`.T is the inverse of the information `bread`, in the free parameters;
    `basis` (models + covariates, free parameters) brings those to strengths and weights."""

    strengths: Floats
    weights: Floats  # of the style covariates
    separated: bool  # no finite maximum: what was added is in `_prior`
    basis: Floats
    root: Floats
    scores: Floats  # (clusters, free): each cluster's part of the gradient
    information: Floats  # (clusters, free, free)
    prior: Floats  # (free, free): information of what was added
    floor: Floats  # (free, free): covariance of independent games; zero where it is not needed

    def spread(self, contrast: Floats) -> tuple[float, float]:
        """Variance of `contrast` (models + covariates) and its degrees of freedom: CR2 and Satterthwaite's."""
        import numpy as np

        if len(self.scores) < 2:
            return np.inf, 1.0
        values, d, v = self._moved
        own = self.root.T @ (self.basis.T @ contrast)
        moved = values @ own
        variance = float(moved @ moved)
        diagonal, off = np.einsum("gij,i,j->g", d, own, own), v @ own
        gram = off @ off.T
        squares = float((diagonal**2).sum() + (gram**2).sum() - (np.diag(gram) ** 2).sum())
        df = max(1.0, float(diagonal.sum()) ** 2 / squares) if squares > 0 else float(len(self.scores) - 1)
        free = self.basis.T @ contrast
        return max(variance, float(free @ self.floor @ free)), df

    @cached_property
    def _moved(self) -> tuple[Floats, Floats, Floats]:
        """With T = root' A_g root, the share of the information that a cluster holds (eigenvalues in [0, 1]): each
        cluster's score in units of `root` over sqrt(1 - T) (Bell and McCaffrey 2002, written for a model of few
        parameters), T itself, and T over sqrt(1 - T)."""
        import numpy as np

        shares = self.root.T @ self.information @ self.root
        values, vectors = np.linalg.eigh(shares)
        # a cluster that holds all there is to know of something tells nothing of its error: `rank` looks for that
        left = np.where(values < 1 - 1e-9, 1 / np.sqrt(np.clip(1 - values, 1e-9, None)), 0.0)
        widen = (vectors * left[:, None, :]) @ vectors.transpose(0, 2, 1)
        return np.einsum("gij,gj->gi", widen, self.scores @ self.root), shares, widen @ shares

    def resampled(self, resamples: int, seed: int) -> Floats:
        """(resamples, models + covariates): how far the estimate moves when prompts are drawn with replacement, by one
        Newton step each (Moulton and Zeger 1991). A step needs no maximum, which a resample may not have."""
        import numpy as np

        clusters, free = self.scores.shape
        drawn = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), resamples)
        bread = np.einsum("rg,gij->rij", drawn, self.information) + self.prior
        bread += 1e-9 * np.trace(bread, axis1=1, axis2=2)[:, None, None] * np.eye(free)  # a model may not be drawn
        pull = self.prior_pull
        return np.linalg.solve(bread, (drawn @ self.scores + pull)[..., None])[..., 0] @ self.basis.T

    @property
    def prior_pull(self) -> Floats:
        """The gradient of what was added: at the estimate it cancels the games' own."""
        return -self.scores.sum(axis=0)


def fit(table: Table) -> Fit:
    """The maximum of the likelihood. Where it has none (a model that won all, or a group that no other has beaten),
    each model gets one tie with an opponent of strength 0, and a prompt's games between two models count as one."""
    import numpy as np

    basis = basis_of(table.models, table.style.shape[1])
    rows = _design(table) @ basis
    weights = table.weight
    solution = None if split(table).max() > 0 else newton(rows, table.score, weights)
    separated = solution is None
    prior_rows = np.zeros((0, basis.shape[1]))
    if solution is None:
        weights = _one_game_each(table)
        prior_rows = basis
        both = np.concatenate([rows, prior_rows])
        scores = np.concatenate([table.score, np.full(len(basis), 0.5)])
        solution = newton(both, scores, np.concatenate([weights, np.ones(len(basis))]))
        if solution is None:
            raise ArithmeticError("a penalised likelihood has a maximum, and Newton's method did not find it")
    chance = logistic(rows @ solution)
    clusters = int(table.cluster.max()) + 1
    scores = summed((weights * (table.score - chance))[:, None] * rows, table.cluster, clusters)
    information = informed(rows, weights * chance * (1 - chance), table.cluster, clusters)
    at_prior = logistic(prior_rows @ solution)
    prior = (prior_rows * (at_prior * (1 - at_prior))[:, None]).T @ prior_rows
    inverse = np.linalg.inv(information.sum(axis=0) + prior)
    # all residuals of a separated fit are near zero, and so is what they say of its error
    still = separated or float(np.abs(scores).max()) < 1e-9
    floor = np.zeros_like(inverse)
    if still:
        floor = inverse if separated else np.linalg.inv(_collapsed(table, rows, chance))
    whole = basis @ solution
    return Fit(
        strengths=whole[: table.models],
        weights=whole[table.models :],
        separated=separated,
        basis=basis,
        root=np.linalg.cholesky(inverse),
        scores=scores,
        information=information,
        prior=prior,
        floor=floor,
    )


def summed(values: Floats, cluster: Wholes, clusters: int) -> Floats:
    """(clusters, …): the sums of the rows of each cluster."""
    import numpy as np

    sums = np.zeros((clusters, *values.shape[1:]))
    np.add.at(sums, cluster, values)
    return sums


def informed(rows: Floats, spread: Floats, cluster: Wholes, clusters: int) -> Floats:
    """(clusters, free, free): each cluster's part of the information, with each game's variance `spread`."""
    return summed(spread[:, None, None] * rows[:, :, None] * rows[:, None, :], cluster, clusters)


def split(table: Table) -> Wholes:
    """The group of each model. Inside a group everyone has beaten (or tied with) everyone, directly or through others;
    one group means that the likelihood has a maximum (Ford 1957)."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    won, lost = beaten(table)
    graph = coo_array((np.ones(len(won)), (won, lost)), shape=(table.models, table.models))
    return connected_components(graph, directed=True, connection="strong")[1].astype(np.intp)


def beaten(table: Table) -> tuple[Wholes, Wholes]:
    """(winner, loser) of each game; a tie is in it both ways."""
    import numpy as np

    a, b = table.score > 0, table.score < 1
    return np.concatenate([table.a[a], table.b[b]]), np.concatenate([table.b[a], table.a[b]])


def basis_of(models: int, covariates: int) -> Floats:
    """Orthonormal columns: strengths that sum to zero, then the covariates' weights."""
    import numpy as np
    from scipy.linalg import block_diag, helmert

    return block_diag(helmert(models).T, np.eye(covariates)) if covariates else helmert(models).T


def _design(table: Table) -> Floats:
    import numpy as np

    games = np.arange(len(table.score))
    rows = np.zeros((len(games), table.models))
    rows[games, table.a] += 1
    rows[games, table.b] -= 1
    return np.concatenate([rows, table.style], axis=1)


def _one_game_each(table: Table) -> Floats:
    """Weights with which the games of a prompt between two models count as one."""
    import numpy as np

    _, cell = np.unique(table.pairs * (int(table.cluster.max()) + 1) + table.cluster, return_inverse=True)
    return table.weight / np.bincount(cell, table.weight)[cell]


def _collapsed(table: Table, rows: Floats, chance: Floats) -> Floats:
    """The information of independent games, one a prompt and pair."""
    return (rows * (_one_game_each(table) * chance * (1 - chance))[:, None]).T @ rows


def newton(rows: Floats, scores: Floats, weights: Floats) -> Floats | None:
    """Logistic regression without an intercept; None when the estimate goes to infinity."""
    import numpy as np

    solution = np.zeros(rows.shape[1])
    value = _likelihood(rows @ solution, scores, weights)
    for _ in range(STEPS):
        chance = logistic(rows @ solution)
        gradient = rows.T @ (weights * (scores - chance))
        bread = (rows * (weights * chance * (1 - chance))[:, None]).T @ rows
        try:
            step = np.linalg.solve(bread, gradient)
        except np.linalg.LinAlgError:
            return None
        while (new := _likelihood(rows @ (solution + step), scores, weights)) < value - 1e-9 * abs(value):
            step /= 2
        solution, value = solution + step, new
        if np.abs(solution).max() > FAR:
            return None
        if np.abs(step).max() < 1e-10:
            return solution
    return None


def _likelihood(odds: Floats, scores: Floats, weights: Floats) -> float:
    import numpy as np

    return float(weights @ (scores * odds - np.logaddexp(0, odds)))


def logistic(odds: Floats) -> Floats:
    from scipy.special import expit

    chances: Floats = expit(odds)
    return chances
