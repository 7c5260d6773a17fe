"""What the benchmarks of a whole study say of its configurations: values by seed and item, in one order for all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.evaluation.compare import MACRO, by_item, places, results
from tuning.pipeline.configurations import is_default, loss_of
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
    items: Mapping[str, Sequence[str]]

    @property
    def tasks(self) -> list[str]:
        return list(self.items)

    @property
    def chosen(self) -> Configuration | None:
        """The one that validation loss chooses among what the searches proposed and the defaults."""
        known = [c for c in self.configurations if c.loss is not None]
        return min(known, key=lambda c: c.loss or 0.0, default=None)


def board(study: WholeStudy) -> Board:
    """Of the runs that are finished. A task is left out where a configuration lacks it."""
    import numpy as np

    samples: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    clusters: dict[str, dict[str, str]] = defaultdict(dict)
    models: dict[str, Model] = {}  # the first of each configuration
    finished = study.finished_runs()
    for model in study.models():
        models.setdefault(model.title, model)
        for run in (finished[tag] for tag, _ in study.runs(model) if tag in finished):
            for result in results(study.store, run):
                metric = result.metric.removesuffix(MACRO)
                own = {item: values[metric] for item, values in by_item(result).items() if metric in values}
                samples[result.task][model.title].append(own)
                clusters[result.task] |= {item: cluster for item, (_, cluster) in places(result).items()}
    items: dict[str, list[str]] = {}
    for task, by_title in samples.items():
        if set(by_title) == set(models):
            shared = [set(own) for several in by_title.values() for own in several]
            if common := sorted(set.intersection(*shared)):
                items[task] = common
    made = []
    for title, model in models.items():
        values = {
            task: np.asarray([[own[item] for item in names] for own in samples[task][title]])
            for task, names in items.items()
        }
        finalist = model.finalist
        loss = None if finalist.trial == BASE else loss_of(finalist.ledger, finalist.trial)
        made.append(Configuration(title, finalist, loss, values))
    return Board(
        tuple(made),
        {task: [clusters[task][item] for item in names] for task, names in items.items()},
        items,
    )
