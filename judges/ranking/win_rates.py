"""Win rates: the mean score of games that count alike, or by weights where pairs were chosen."""

from __future__ import annotations

from collections.abc import Sequence

from harness.stats import intervals
from harness.stats.intervals import UNIT, Interval


def interval(scores: Sequence[float], prompts: Sequence[str], weights: Sequence[float]) -> Interval:
    """The mean of scores in [0, 1], clustered by prompt.

    With unequal weights it is the ratio of two sums (Hájek 1971), and the interval is that of its linear form: each
    score's distance from the mean, times its weight over the mean weight (Särndal, Swensson and Wretman 1992, 5.5)."""
    if max(weights) - min(weights) < 1e-9 * max(weights):
        return intervals.interval(scores, prompts)[0]
    import numpy as np

    w, y = np.asarray(weights), np.asarray(scores)
    rate = float(w @ y / w.sum())
    linear = rate + w / w.mean() * (y - rate)
    one = np.zeros(len(y), dtype=np.intp)
    _, variances, dfs, clusters = intervals.moments(linear, one, intervals.cluster_codes(prompts, len(y)))
    return intervals.score_interval(rate, float(variances[0]), float(dfs[0]), float(clusters[0]), UNIT)
