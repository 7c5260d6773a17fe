"""Which of lm-eval's aggregations makes a figure of its documents' values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Aggregation = Callable[[list[Any]], Any]


def of_figure(
    name: str, figure: float, values: Sequence[Any], metric_list: Iterable[Mapping[str, Any]], tolerance: float
) -> Aggregation | None:
    """The first that makes `figure` of `values`, within `tolerance` of it: as the task declares it for the metric
    `name` (lm-eval's, without the filter), lm-eval's own for the metric, or the mean."""
    from lm_eval.api import metrics, registry

    declared = [entry.get("aggregation") for entry in metric_list if entry.get("metric") == name]
    candidates = [
        registry.AGGREGATION_REGISTRY.get(aggregation, None) for aggregation in declared if isinstance(aggregation, str)
    ]
    candidates += [registry.METRIC_AGGREGATION_REGISTRY.get(name, None), metrics.mean, metrics.nanmean]
    return next((one for one in candidates if one and _makes(one, values, figure, tolerance)), None)


def _makes(aggregate: Aggregation, values: Sequence[Any], figure: float, tolerance: float) -> bool:
    try:
        return abs(float(aggregate(list(values))) - figure) <= tolerance * max(1.0, abs(figure))
    except Exception:  # of other values than these: it did not make this figure
        return False
