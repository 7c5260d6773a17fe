"""What the benchmarks of a whole study say of its configurations: values by seed and item, in one order for all.

Items that a benchmark objective saw are left out: whoever was chosen by them is flattered by them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.evaluation.compare import by_item, results
from harness.evaluation.sampling.compare_sampled import Drawn, read_in_part
from harness.evaluation.task_result import MACRO, TaskResult
from harness.stats.crossed import Difference, crossed, crossed_difference, difference_in_part, reach_between
from harness.stats.drawing import Place, drawn, unit_key, units
from harness.stats.intervals import Interval
from tuning.objectives import objectives
from tuning.pipeline.configurations import digest_of, is_default, loss_of, rules_of_searches
from tuning.pipeline.preference import favourites
from tuning.pipeline.whole_study import Model, WholeStudy
from tuning.store.rows import BASE
from tuning.study.finalists import Finalist

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.stats.sequences import MeanSequence

    Floats = NDArray[np.float64]
    Places = NDArray[np.bool_]  # which of the items


@dataclass(frozen=True, slots=True)
class Configuration:
    """`values` by task: [seeds, items] of the task's first metric; NaN where a race stopped before the item. `loss` is
    validation loss in nats a token."""

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
    """All configurations on the items that every one of them was measured on, but for those out of a race: these have
    read a part of the items in a random order."""

    configurations: tuple[Configuration, ...]
    clusters: Mapping[str, Sequence[str]]  # by task, of each item
    items: Mapping[str, Sequence[str]]
    choices: Mapping[str, str] = field(default_factory=dict)  # titles, by rules that read none of these items
    orders: Mapping[str, Drawn] = field(default_factory=dict)  # of each task that somebody read in part

    @property
    def tasks(self) -> list[str]:
        return list(self.items)

    @property
    def chosen(self) -> Configuration | None:
        """The one that validation loss chooses among what the searches proposed and the defaults."""
        known = [c for c in self.configurations if c.loss is not None]
        return min(known, key=lambda c: c.loss or 0.0, default=None)

    def items_read(self, configuration: Configuration, task: str) -> int:
        return int(_read(configuration.values[task]).sum())

    def score(self, configuration: Configuration, task: str) -> Interval:
        """The mean over items and seeds; of one that was read in part, what it is going to be on all items."""
        import numpy as np

        values = configuration.values[task]
        if _read(values).all():
            return crossed(values, self.clusters[task])
        nothing = np.zeros((1, values.shape[1]))
        value, low, high = self._in_part(task, nothing, values, np.ones(values.shape[1], dtype=bool)).interval
        return Interval(value, max(0.0, low), high)

    def mean(self, configuration: Configuration, task: str, part: Places | None = None) -> float:
        """The value of `score`; with `part`, of these items alone."""
        import numpy as np

        values = configuration.values[task]
        inside = np.ones(values.shape[1], dtype=bool) if part is None else part
        if _read(values)[inside].all():
            return float(values[:, inside].mean())
        return self._sequence(task, np.zeros(values.shape[1]), values.mean(axis=0), inside).estimate

    def difference(self, task: str, a: Configuration, b: Configuration, part: Places | None = None) -> Difference:
        """b - a over items and seeds, and its p; with `part`, of these items alone. Of those that were read in part it
        rests on the items that both have read."""
        import numpy as np

        of_a, of_b = a.values[task], b.values[task]
        inside = np.ones(of_a.shape[1], dtype=bool) if part is None else part
        if not (_read(of_a) & _read(of_b))[inside].all():
            return self._in_part(task, of_a, of_b, inside)
        of_a, of_b = of_a[:, inside], of_b[:, inside]
        clusters = [cluster for cluster, wanted in zip(self.clusters[task], inside, strict=True) if wanted]
        return crossed_difference(of_a, of_b, clusters, reach=reach_between(of_a, of_b))

    def _in_part(self, task: str, a: Floats, b: Floats, inside: Places) -> Difference:
        """Of values from 0 to 1, as all that can be raced."""
        sequence = self._sequence(task, a.mean(axis=0), b.mean(axis=0), inside)
        both = _read(a) & _read(b) & inside
        clusters = [cluster for cluster, wanted in zip(self.clusters[task], both, strict=True) if wanted]
        return difference_in_part(a[:, both], b[:, both], sequence, inside.sum() / both.sum(), clusters)

    def _sequence(self, task: str, a: Floats, b: Floats, inside: Places) -> MeanSequence:
        """Of b - a, each [items], of which a part is known."""
        known, names = self.orders[task], self.items[task]
        places = {item: known.places[item] for item, wanted in zip(names, inside, strict=True) if wanted}
        of_a, of_b = (
            {item: value for item, value in zip(names, side.tolist(), strict=True) if not math.isnan(value)}
            for side in (a, b)
        )
        read = read_in_part(known._replace(places=places), of_a, of_b, macro=False)
        if read is None:
            raise ValueError(f"{task}: no item was read by both")
        return read.sequence


def _read(values: Floats) -> Places:
    """Which items all trainings have read."""
    import numpy as np

    return np.asarray(~np.isnan(values).any(axis=0), dtype=np.bool_)


def board(study: WholeStudy) -> Board:
    """Of the runs that are finished, or out of a race. A task is left out where a configuration lacks it, or where
    nobody was measured whole."""
    import numpy as np

    samples: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    in_part: dict[str, list[TaskResult]] = defaultdict(list)
    whole: dict[str, list[set[str]]] = defaultdict(list)
    places: dict[str, dict[str, Place]] = defaultdict(dict)
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
                places[name] |= {row.item: Place(row.item, row.group, row.cluster) for row in result.samples}
                if result.read is None:
                    whole[name].append(set(own))
                else:
                    in_part[name].append(result)
    items: dict[str, list[str]] = {}
    for task, by_title in samples.items():
        if set(by_title) != set(models) or not whole[task]:
            continue
        if common := sorted(set.intersection(*whole[task]) - _seen(study, ways[task][0])):
            items[task] = common
    made = []
    main = study.finished()[0].row.data_digest
    for title, model in models.items():
        values = {
            task: np.asarray([[own.get(item, np.nan) for item in names] for own in samples[task][title]])
            for task, names in items.items()
        }
        finalist = model.finalist
        alike = finalist.trial != BASE and finalist.study.data_digest == main
        made.append(Configuration(title, finalist, loss_of(finalist.ledger, finalist.trial) if alike else None, values))
    by_loss = sorted((c for c in made if not c.is_base), key=lambda c: (c.loss is None, c.loss or 0.0))
    return Board(
        tuple(made),
        {task: [unit_key(item, places[task][item].cluster) for item in names] for task, names in items.items()},
        items,
        _choices(study, models, [c.title for c in by_loss]),
        {task: _order(in_part[task][0], places[task]) for task in items if in_part[task]},
    )


def _order(result: TaskResult, places: Mapping[str, Place]) -> Drawn:
    """In which the items of a task were read by whoever has read a part of them: with the same seed, as in any race."""
    known = units(list(places.values()), result.metric.endswith(MACRO))
    return Drawn(drawn(known, result.seed), places, 0)


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
