"""lm-eval's values per document, kept in samples, and its aggregations over them.

lm-eval aggregates what `process_results` returned: often a number, but also a pair (log-likelihood and
words), the strings that BLEU compares, or the probabilities of all options. Numbers that are averaged are the
sample's metrics. The rest is kept as JSON in its answer, so that a score can be made again from the store.
"""

from __future__ import annotations

import json
import math
import random
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.errors import UsageError
from harness.types import Sample, Score

PACKED = '{"answer": '  # how an answer that also holds values begins
MAX_WORK = 2_000_000  # documents that a bootstrap aggregates over all its resamples
MAX_TEXT_WORK = 200_000  # the same where documents are texts (BLEU, chrF, TER)


def key(metric: str, filter_name: str) -> str:
    """Our name for lm-eval's "metric,filter": the filter "none" is not written."""
    return metric if filter_name == "none" else f"{metric},{filter_name}"


def pack(answer: str, values: Mapping[str, Any], aggregations: Mapping[str, Callable]) -> tuple[str, dict[str, float]]:
    """A sample's answer and metrics. A number is a metric where the figure is the mean of such numbers, so that
    a sample's metric, a comparison and the score mean one thing; all other values go into the answer."""
    metrics: dict[str, float] = {}
    rest: dict[str, Any] = {}
    for name, value in values.items():
        value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
        number = _averaged(value, aggregations.get(name))
        if number is not None:
            metrics[name] = number
        if number is None or not isinstance(value, int | float):
            rest[name] = value
    if rest or answer.startswith(PACKED):
        answer = json.dumps({"answer": answer, "values": rest}, ensure_ascii=False, default=_plain)
    return answer, metrics


def _averaged(value: Any, aggregate: Callable | None) -> float | None:
    """What one document adds to a figure that is a mean; else None."""
    from lm_eval.api import metrics

    if aggregate == metrics.brier_score:  # of the squared errors
        value = float(metrics.brier_score([value]))
    elif not _is_mean(aggregate):
        return None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _is_mean(aggregate: Callable | None) -> bool:
    from lm_eval.api import metrics

    return aggregate in (metrics.mean, metrics.nanmean)


# Metrics whose worst is 0, which an answer has that cannot be scored. A mean of other numbers (of log-likelihoods,
# say) has no worst, so no figure of it is given where an answer is missing.
_WORST_IS_0 = re.compile(r"(acc|accuracy|exact_match|em|f1|pass@\d+)(_(norm|bytes|char|mutual_info))?")


def worst_is_0(metric: str, aggregate: Callable | None, higher_is_better: Mapping[str, bool]) -> bool:
    """Does an answer that is not right add 0 to this metric (lm-eval's name, without the filter)?"""
    return _is_mean(aggregate) and higher_is_better.get(metric) is not False and bool(_WORST_IS_0.fullmatch(metric))


def unpack(sample: Sample) -> tuple[str, dict[str, Any]]:
    """The answer alone, and the values as lm-eval's `process_results` gave them."""
    return stored_values(sample.answer, sample.metrics)


def stored_values(answer: str, numbers: Mapping[str, float]) -> tuple[str, dict[str, Any]]:
    """The same from what the store keeps."""
    if not answer.startswith(PACKED):
        return answer, dict(numbers)
    packed = json.loads(answer)
    return packed["answer"], {**numbers, **packed["values"]}


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise UsageError(f"A metric of this lm-eval task returns a {type(value).__name__}, which cannot be stored.")


def score(
    metric: str, aggregate: Callable[[list[Any]], Any], values: Sequence[Any], ids: Sequence[str]
) -> Score | None:
    """lm-eval's figure over `values` (of the items `ids`) with our interval; None where it is not a number."""
    from lm_eval.api.metrics import nanmean

    from harness.stats.intervals import UNIT, interval

    if aggregate is nanmean:
        known = [i for i, value in enumerate(values) if not math.isnan(value)]
        values, ids = [values[i] for i in known], [ids[i] for i in known]
    try:
        value = float(aggregate(list(values)))
    except OverflowError:  # the exponential of a mean, beyond all numbers
        return None
    except Exception as error:
        raise UsageError(
            f"lm-eval's own aggregation of metric {metric!r} fails on the answers ({error}). "
            "The samples are stored; take the metric out of the task's metric_list to score the rest."
        ) from error
    if not math.isfinite(value):
        return None
    n = len(set(ids))
    if _is_mean(aggregate) and all(isinstance(v, float) and math.isfinite(v) for v in values):
        bounded = UNIT if all(0 <= v <= 1 for v in values) else None
        estimate, method = interval(list(values), list(ids) if n < len(ids) else None, bounded)
        return Score("all", metric, value, estimate.low, estimate.high, n, method)
    low, high = _bootstrap(aggregate, values, ids)
    return Score("all", metric, value, min(low, value), max(high, value), n, "bootstrap")


def _bootstrap(aggregate: Callable[[list[Any]], Any], values: Sequence[Any], ids: Sequence[str]) -> tuple[float, float]:
    """2.5% and 97.5% of the figure over items drawn again with replacement (seed 0). 100 to 1,000 draws,
    by what one costs; a draw for which the figure does not exist (one class only) is not counted.
    One item alone says nothing about its error."""
    import numpy as np

    by_item: dict[str, list[Any]] = {}
    for item, value in zip(ids, values, strict=True):
        by_item.setdefault(item, []).append(value)
    groups = list(by_item.values())
    work = MAX_TEXT_WORK if any(isinstance(leaf, str) for leaf in _leaves(values[0])) else MAX_WORK
    draw = random.Random(0)
    figures = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, about draws of one class
        for _ in range(max(100, min(1000, work // len(values)))):
            drawn = [v for group in draw.choices(groups, k=len(groups)) for v in group]
            try:
                figures.append(float(aggregate(drawn)))
            except (ValueError, ZeroDivisionError, OverflowError):
                continue
    figures = [f for f in figures if math.isfinite(f)]
    if len(groups) < 2 or not figures:
        return -math.inf, math.inf
    low, high = np.quantile(figures, [0.025, 0.975])
    return float(low), float(high)


def finite(value: Any) -> bool:
    """Are all numbers in a value finite?"""
    return all(math.isfinite(leaf) for leaf in _leaves(value) if isinstance(leaf, int | float))


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value]
