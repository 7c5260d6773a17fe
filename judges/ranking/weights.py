"""What games weigh where not every pair of answers was compared, and whether that matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from judges.ranking.bradley_terry import Fit, Floats, Wholes


def standardised(weights: Floats, pairs: Wholes) -> Floats:
    """Inverse-probability weights over their mean among the games of the same two models (Robins, Hernán and Brumback
    2000, the stabilised weights).

    What differs between pairs of models only is left out, because Bradley-Terry has the two models: it would add
    variance and take away no bias while the model holds. `disagreement` looks whether it does."""
    import numpy as np

    means = np.bincount(pairs, weights) / np.bincount(pairs).clip(min=1)
    return weights / means[pairs]


def disagreement(one: Fit, other: Fit) -> float:
    """p of the strengths of two fits to the same games with other weights, which differ by chance alone where
    Bradley-Terry holds (Hausman 1978), by Hotelling's T-squared over prompts. 1 where there are too few prompts."""
    import numpy as np
    from scipy.special import fdtrc

    clusters, models = len(one.scores), len(one.strengths)
    if clusters <= models or other.separated:
        return 1.0
    apart = other.strengths - one.strengths
    moves = [fit.scores @ fit.root @ fit.root.T @ fit.basis[:models].T for fit in (one, other)]
    spread = moves[1] - moves[0]
    covariance = spread.T @ spread
    squared = float(apart @ np.linalg.pinv(covariance, hermitian=True) @ apart)
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    if rank == 0:
        return 1.0
    return float(fdtrc(rank, clusters - rank, squared * (clusters - rank) / (rank * (clusters - 1))))
