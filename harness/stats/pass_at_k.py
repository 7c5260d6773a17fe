"""pass@k of programs that were tried several times (Chen et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

from harness.stats.intervals import pass_at_k_clustered
from harness.types import Sample, Score

ONE = "pass@1"  # how the metric of a single try begins
KS = (1, 10, 100)


def scores(samples: Sequence[Sample]) -> list[Score]:
    """pass@k for each k in 1, 10, 100 that every problem has samples for: unbiased, clustered by problem. Of each
    metric whose name begins with pass@1."""
    made = []
    for metric in dict.fromkeys(name for sample in samples for name in sample.metrics if name.startswith(ONE)):
        tries: dict[str, list[float]] = {}
        for sample in samples:
            tries.setdefault(sample.item.id, []).append(sample.metrics[metric])
        counts = [(len(values), round(sum(values))) for values in tries.values()]
        for k in KS:
            if k <= min(n for n, _ in counts):
                estimate, method = pass_at_k_clustered(counts, k)
                made.append(Score("all", metric.replace(ONE, f"pass@{k}"), *estimate, len(counts), method))
    return made
