"""Bradley-Terry by people's votes, made surer by a judge's verdicts on many more pairs: prediction-powered inference.

What a judge says of a pair of models is its mean verdict on all prompts that it judged. How far that is from people is
seen where both judged the same answers, and is taken off (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023), with
the judge at a weight that makes the strengths' variance least (Angelopoulos, Duchi and Zrnic 2023, PPI++). So a
judge's bias moves no strength; a judge that says nothing of people's votes gets no weight. Chatzi, Straitouri, Thejaswi
and Gomez Rodriguez (2024) rank models so, by win rates. docs/statistics.md has the formula and the measured coverage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from judges.ranking.bradley_terry import Fit, Table, basis_of, informed, logistic, newton, summed

if TYPE_CHECKING:
    from judges.ranking.bradley_terry import Floats


def corrected_fit(votes: Table, verdicts: Table) -> tuple[Fit, float] | None:
    """Strengths by `votes`, whose chance is lessened by `verdicts`, and the weight of the judge, in [0, 1].

    Both have the same numbers of models and of clusters, and no style. None where the corrected votes have no maximum:
    they are too few. The verdicts on a pair of models on which no vote has a verdict beside it count for nothing."""
    import numpy as np

    basis = basis_of(votes.models, 0)
    pairs, places = np.unique(np.concatenate([votes.pairs, verdicts.pairs]), return_inverse=True)
    voted, judged = places[: len(votes.score)], places[len(votes.score) :]
    rows = np.zeros((len(pairs), votes.models))
    rows[np.arange(len(pairs)), pairs // votes.models] = 1.0
    rows[np.arange(len(pairs)), pairs % votes.models] = -1.0
    rows = rows @ basis
    clusters = int(max(votes.cluster.max(), verdicts.cluster.max())) + 1

    units, unit = np.unique(judged * clusters + verdicts.cluster, return_inverse=True)  # a pair of models on a prompt
    of, prompt = units // clusters, units % clusters
    judgements = np.bincount(of, minlength=len(pairs)).clip(min=1)
    verdict = np.bincount(unit, _oriented(verdicts)) / np.bincount(unit)  # by all judges together
    verdict -= (summed(verdict, of, len(pairs)) / judgements)[of]
    place = np.searchsorted(units, voted * clusters + votes.cluster).clip(max=len(units) - 1)
    both = units[place] == voted * clusters + votes.cluster
    beside = np.where(both, verdict[place], 0.0)  # of each vote: what the judges say of its unit, less their mean

    score = _oriented(votes)
    number = summed(votes.weight, voted, len(pairs))
    pulls = [summed(votes.weight * value, voted, len(pairs)) for value in (score, beside)]
    # what the judges say of a unit stands for so many of the votes that have a verdict beside them
    share = summed(votes.weight * both, voted, len(pairs)) / judgements
    taken = summed((votes.weight * beside)[:, None] * rows[voted], votes.cluster, clusters)
    taken -= summed((share[of] * verdict)[:, None] * rows[of], prompt, clusters)

    def fitted(trust: float) -> Fit | None:
        target = (pulls[0] - trust * pulls[1]) / np.where(number > 0, number, 1.0)
        solution = newton(rows, target, number)
        if solution is None:
            return None
        chance = logistic(rows @ solution)[voted]
        own = summed((votes.weight * (score - chance))[:, None] * rows[voted], votes.cluster, clusters)
        information = informed(rows[voted], votes.weight * chance * (1 - chance), votes.cluster, clusters)
        nothing = np.zeros((basis.shape[1], basis.shape[1]))
        return Fit(
            strengths=basis @ solution,
            weights=np.zeros(0),
            separated=False,
            basis=basis,
            root=np.linalg.cholesky(np.linalg.inv(information.sum(axis=0))),
            scores=own - trust * taken,
            information=information,
            prior=nothing,
            floor=nothing,
        )

    alone = fitted(0.0)
    if alone is None:
        return None
    trust = _best(alone, taken)
    made = fitted(trust)
    return None if made is None else (made, trust)


def _best(alone: Fit, taken: Floats) -> float:
    """The weight at which the sum of the strengths' variances is least: a parabola of the weight (PPI++, 6)."""
    inverse = alone.root @ alone.root.T
    own, judges = alone.scores @ inverse, taken @ inverse
    squares = float((judges**2).sum())
    return min(1.0, max(0.0, float((own * judges).sum()) / squares)) if squares > 0 else 0.0


def _oriented(table: Table) -> Floats:
    """The scores of the model of the smaller number."""
    import numpy as np

    return np.where(table.a < table.b, table.score, 1 - table.score)
