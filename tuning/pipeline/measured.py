"""What the benchmarks of a whole study say of its configurations: values by seed and item, in one order for all.

Items that a benchmark objective saw are left out: whoever was chosen by them is flattered by them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.evaluation.compare import by_item, places, results
from harness.evaluation.task_result import MACRO, TaskResult
from tuning.objectives import objectives
from tuning.pipeline.configurations import digest_of, is_default, loss_of, rules_of_searches
from tuning.pipeline.preference import favourites
from tuning.pipeline.whole_study import Model, WholeStudy
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
    loss: float | None  # None for the base, and where it was measured on other validation rows
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
    choices: Mapping[str, str] = field(default_factory=dict)  # titles, by rules that read none of these items

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
    ways: dict[str, tuple[str, str, int]] = {}  # by what a task is called here: the task, its protocol, its shots
    for model in study.models():
        models.setdefault(model.title, model)
        for run in (finished[tag] for tag, _ in study.runs(model) if tag in finished):
            for result in results(study.store, run):
                name = _name(result, ways)
                metric = result.metric.removesuffix(MACRO)
                own = {item: values[metric] for item, values in by_item(result).items() if metric in values}
                samples[name][model.title].append(own)
                clusters[name] |= {item: cluster for item, (_, cluster) in places(result).items()}
    items: dict[str, list[str]] = {}
    for task, by_title in samples.items():
        if set(by_title) == set(models):
            shared = [set(own) for several in by_title.values() for own in several]
            if common := sorted(set.intersection(*shared) - _seen(study, ways[task][0])):
                items[task] = common
    made = []
    main = study.finished()[0].row.data_digest
    for title, model in models.items():
        values = {
            task: np.asarray([[own[item] for item in names] for own in samples[task][title]])
            for task, names in items.items()
        }
        finalist = model.finalist
        alike = finalist.trial != BASE and finalist.study.data_digest == main
        made.append(Configuration(title, finalist, loss_of(finalist.ledger, finalist.trial) if alike else None, values))
    by_loss = sorted((c for c in made if not c.is_base), key=lambda c: (c.loss is None, c.loss or 0.0))
    return Board(
        tuple(made),
        {task: [clusters[task][item] for item in names] for task, names in items.items()},
        items,
        _choices(study, models, [c.title for c in by_loss]),
    )


def _name(result: TaskResult, ways: dict[str, tuple[str, str, int]]) -> str:
    """A task by its name; where several tables ask it, the second protocol's and every further way's stands apart."""
    way = (result.task, result.protocol, result.shots)
    last = f"{result.task} ({result.protocol}, {result.shots} shots)"
    names = (result.task, f"{result.task} ({result.protocol})", last)
    return next((name for name in names if ways.setdefault(name, way) == way), last)


def _seen(study: WholeStudy, task: str) -> set[str]:
    """Items that a search's objective or constraint was measured on."""
    parts = {part for made in study.plans for part in objectives.slices(made.study.objectives, made.study.constraints)}
    return {item for part in parts for item in objectives.seen(study.store, task, part)}


def _choices(study: WholeStudy, models: Mapping[str, Model], by_loss: Sequence[str]) -> dict[str, str]:
    """What further searches and the answers' rankings choose, of what was measured. `by_loss` are the titles of all but
    the base."""
    by_digest = {digest_of(m.finalist): title for title, m in models.items() if m.finalist.trial != BASE}
    chosen = {rule: by_digest.get(digest) for rule, digest in rules_of_searches(study.finished()).items()}
    chosen |= {f"the preference of {source}": title for source, title in favourites(study, by_loss).items()}
    return {rule: title for rule, title in chosen.items() if title is not None}
