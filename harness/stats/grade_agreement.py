"""How far a grader agrees with people on answers that both graded. Every figure has a 95% interval clustered by
question. docs/statistics.md has the formulas."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.stats import intervals
from harness.stats.jackknife import Estimate, jackknife

if TYPE_CHECKING:
    from harness.stats.jackknife import Floats

FEWEST_FOR_LENGTH = 20  # answers
LOW_KAPPA = 0.6  # "substantial" begins above it (Landis and Koch 1977)


@dataclass(frozen=True, slots=True)
class GradedTwice:
    """One answer: the grader's grade and those of the people who graded it, as places in the scale, from 0."""

    grader: int
    people: tuple[int, ...]  # one at least
    cluster: str


@dataclass(frozen=True, slots=True)
class GradeAgreement:
    exact: Estimate  # the share of people's grades that the grader gives too
    kappa: Estimate  # Cohen's, with quadratic weights (1968)
    difference: Estimate  # the grader's grade less people's mean, in the scale's own numbers


def agreement(answers: Sequence[GradedTwice], values: Sequence[float]) -> GradeAgreement:
    """`values`: what the scale's grades are worth. Where several people graded an answer, each meets the grader, and
    the answer counts as one observation in all."""
    import numpy as np

    clusters = [answer.cluster for answer in answers]
    exact = _mean((sum(p == a.grader for p in a.people) / len(a.people) for a in answers), clusters, intervals.UNIT)
    span = values[-1] - values[0]
    difference = _mean((_difference(answer, values) for answer in answers), clusters, (-span, span))
    tables: dict[str, Floats] = {}
    for answer in answers:
        table = tables.setdefault(answer.cluster, np.zeros((len(values), len(values))))
        for place in answer.people:
            table[answer.grader, place] += 1 / len(answer.people)
    distances = np.subtract.outer(values, values) ** 2 / span**2

    def by_chance(table: Floats) -> float:
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / float(table.sum()) ** 2
        return float((distances * expected).sum())

    def kappa(table: Floats) -> float:
        chance = by_chance(table)
        return math.nan if chance < 1e-12 else 1 - float((distances * table).sum()) / float(table.sum()) / chance

    return GradeAgreement(exact, jackknife(list(tables.values()), kappa, by_chance, len(answers), exact), difference)


def _difference(answer: GradedTwice, values: Sequence[float]) -> float:
    return values[answer.grader] - sum(values[place] for place in answer.people) / len(answer.people)


def _mean(values: Iterable[float], clusters: Sequence[str], bounded: tuple[float, float]) -> Estimate:
    known = list(values)
    estimate, _ = intervals.interval(known, clusters, bounded)
    return Estimate(estimate.value, estimate.low, estimate.high, len(known))


def length_bias(answers: Sequence[GradedTwice], values: Sequence[float], lengths: Sequence[int]) -> str:
    """What a grader does with long answers, where it grades them otherwise than people: Spearman's correlation of its
    difference from people with the answers' length, and p < 0.05; else ""."""
    from scipy.stats import spearmanr

    differences = [_difference(answer, values) for answer in answers]
    if len(answers) < FEWEST_FOR_LENGTH or len(set(differences)) < 2 or len(set(lengths)) < 2:
        return ""
    correlation = spearmanr(differences, lengths)
    if correlation.pvalue >= 0.05:
        return ""
    word = "higher" if correlation.statistic > 0 else "lower"
    return (
        f"grades long answers {word} than people do (Spearman {correlation.statistic:.2f} of its difference from them "
        f"with the length, {len(answers)} answers)"
    )
