"""What the benchmarks of a whole study say of its configurations: values by seed and item, in one order for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.evaluation.compare import MACRO, TaskResult, results
from tuning.pipeline.configurations import is_default
from tuning.pipeline.stages import Model, WholeStudy
from tuning.store.rows import BASE
from tuning.study.finalists import Finalist

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Configuration:
    """`values` by task: [seeds, items] of the task's first metric. `loss` is validation loss in nats a token."""

    title: str
    finalist: Finalist
    loss: float | None  # None for the base
    values: Mapping[str, Floats]
    runs: tuple[str, ...]

    @property
    def is_base(self) -> bool:
        return self.finalist.trial == BASE

    @property
    def is_default(self) -> bool:
        return is_default(self.finalist)

    @property
    def is_tuned(self) -> bool:
        """Whether a search proposed it."""
        return not self.is_base and not self.is_default


@dataclass(frozen=True, slots=True)
class Board:
    """All configurations on the items that every one of them was measured on."""

    configurations: tuple[Configuration, ...]
    clusters: Mapping[str, Sequence[str]]  # by task, of each item
    metrics: Mapping[str, str]
    items: Mapping[str, Sequence[str]]

    @property
    def tasks(self) -> list[str]:
        return list(self.items)

    @property
    def chosen(self) -> Configuration | None:
        """The one that validation loss chooses among what the searches proposed and the defaults."""
        known = [c for c in self.configurations if c.loss is not None]
        return min(known, key=lambda c: c.loss or 0.0, default=None)

    @property
    def base(self) -> Configuration | None:
        return next((c for c in self.configurations if c.is_base), None)


def board(study: WholeStudy) -> Board:
    """Of the runs that are finished. A task is left out where a configuration lacks it."""
    import numpy as np

    samples: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    groups: dict[str, dict[str, str]] = {}
    metrics: dict[str, str] = {}
    models: dict[str, list[Model]] = {}
    runs: dict[str, list[str]] = defaultdict(list)
    for model in study.models():
        models.setdefault(model.title, []).append(model)
        for run in study.runs_of(model):
            runs[model.title].append(run.id)
            for result in results(study.store, run):
                metrics[result.task] = result.metric.removesuffix(MACRO)
                own, clusters = _values(result, metrics[result.task])
                samples[result.task][model.title].append(own)
                groups.setdefault(result.task, {}).update(clusters)
    items: dict[str, list[str]] = {}
    for task, by_title in samples.items():
        if set(by_title) == set(models):
            shared = [set(own) for several in by_title.values() for own in several]
            if common := sorted(set.intersection(*shared)):
                items[task] = common
    made = []
    for title, own_models in models.items():
        finalist = own_models[0].finalist
        values = {
            task: np.asarray([[own[item] for item in names] for own in samples[task][title]])
            for task, names in items.items()
        }
        made.append(Configuration(title, finalist, _loss(finalist), values, tuple(runs[title])))
    return Board(
        tuple(made),
        {task: [groups[task][item] for item in names] for task, names in items.items()},
        {task: metrics[task] for task in items},
        items,
    )


def _values(result: TaskResult, metric: str) -> tuple[dict[str, float], dict[str, str]]:
    """Each item's value, the mean of its repeats, and its cluster."""
    values: dict[str, list[float]] = defaultdict(list)
    clusters = {}
    for row in result.samples:
        if metric in row.metrics:
            values[row.item].append(float(row.metrics[metric]))
            clusters[row.item] = f"c{row.cluster}" if row.cluster else f"i{row.item}"
    return {item: sum(own) / len(own) for item, own in values.items()}, clusters


def _loss(finalist: Finalist) -> float | None:
    if finalist.trial == BASE:
        return None
    attempt = finalist.ledger.whole(finalist.trial)
    return attempt.validation_nats / attempt.validation_tokens if attempt and attempt.validation_tokens else None
