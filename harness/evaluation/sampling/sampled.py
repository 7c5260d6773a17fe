"""A task whose items are read in random order, until what is asked for (`--until`) is known.

Nothing of it is kept but answers and samples: which items come next, and whether they are enough, follows from the
seed, the questions and the values that are stored. So a run that was killed goes on with the same items and ends with
the same decision, and a run without `--until` goes on to the end from what a sampled one has left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import IncompleteError
from harness.evaluation.answering import Scorer
from harness.evaluation.sampling.looks import least_requests, look_at, looks
from harness.evaluation.sampling.sampled_scores import sampled_scores
from harness.evaluation.sampling.stopping import Items, Reading, StoppingRule
from harness.evaluation.task_result import MACRO
from harness.stats.drawing import Place, Unit, drawn, units
from harness.stats.intervals import UNIT
from harness.stats.sequences import MeanSequence
from harness.types import Sample, Score

if TYPE_CHECKING:
    from harness.evaluation.answering import Clock
    from harness.evaluation.planning import Plan, TaskPlan
    from harness.progress import Progress
    from harness.results import SampleRow, Store
    from harness.types import Backend


@dataclass(slots=True)
class TaskSampling:
    """How far a task was read. `take` is told what was answered."""

    plan: TaskPlan
    rule: StoppingRule
    drawn: Sequence[Unit]  # all units, in the order in which they are read
    looks: Sequence[int]  # after so many units
    sequence: MeanSequence  # of the first metric
    values: list[float] = field(default_factory=list)  # of the units that were read
    read: int = 0  # units
    stopped: str = ""  # why they are enough, as words behind "stopped"
    unfit: bool = False  # the first metric is no mean of values from 0 to 1, so that all items are read
    _requests: dict[str, list[int]] = field(default_factory=dict)  # by item

    @classmethod
    def of(cls, plan: TaskPlan, rule: StoppingRule, seed: int, device: str) -> TaskSampling:
        places = [Place(item.id, item.group, item.cluster) for item in plan.items]
        order = drawn(units(places, plan.task.metric.endswith(MACRO)), seed)
        at = look_at(order, rule.items) if isinstance(rule, Items) else looks(plan, order, least_requests(device))
        made = cls(plan, rule, order, at, MeanSequence([unit.weight for unit in order], *UNIT))
        for number, (index, _, _) in enumerate(plan.keys):
            made._requests.setdefault(plan.items[index].id, []).append(number)
        return made

    @property
    def items(self) -> list[str]:
        """What was read, in its order."""
        return [item for unit in self.drawn[: self.read] for item in unit.items]

    @property
    def is_whole(self) -> bool:
        return self.read == len(self.drawn)

    @property
    def is_over(self) -> bool:
        """Whether no more is to be asked."""
        return self.is_whole or bool(self.stopped)

    @property
    def warning(self) -> str:
        return (
            f"{self.plan.task.name}: all items are read, because {self.plan.task.metric} is no mean of values from 0 to"
            " 1, of which a part of the items could tell"
        )

    def next_requests(self) -> list[int]:
        """Of the units up to the next look, the places among the plan's requests."""
        return [number for unit in self._next() for item in unit.items for number in self._requests[item]]

    def take(self, rows: Sequence[SampleRow]) -> None:
        """Of all samples that are stored, what comes next in the order, as far as looks are complete; then it is seen
        whether that is enough."""
        there = Counter(row.item for row in rows)
        before = self.read
        while not self.is_whole and all(
            there[item] == self.plan.repeats for unit in self._next() for item in unit.items
        ):
            self.read += len(self._next())
        if self.read == before or self.unfit:
            return
        if not self._take_values(rows, self.drawn[before : self.read]):
            self.unfit = True
        elif not self.is_whole:
            self.stopped = self.rule.enough(Reading(len(self.items), self.drawn, self.values, self.sequence))

    def samples(self, rows: Sequence[SampleRow]) -> list[Sample]:
        """Of the stored ones those of the items that were read."""
        items = {item.id: item for item in self.plan.items}
        read = set(self.items)
        return [
            Sample(items[row.item], row.metrics, row.answer, row.expected, row.note) for row in rows if row.item in read
        ]

    def scores(self, samples: Sequence[Sample], scores: Sequence[Score]) -> tuple[list[Score], list[str]]:
        """See `sampled_scores`."""
        return sampled_scores(self.plan.items, self.drawn, self.read, samples, scores)

    def _next(self) -> Sequence[Unit]:
        return self.drawn[self.read : next(look for look in self.looks if look > self.read)]

    def _take_values(self, rows: Sequence[SampleRow], more: Sequence[Unit]) -> bool:
        """Whether the first metric has values that a part of the items can tell of."""
        metric = self.plan.task.metric.removesuffix(MACRO)
        of_item: dict[str, list[float]] = {}
        for row in rows:
            of_item.setdefault(row.item, []).append(float(row.metrics.get(metric, -1)))
        values = {item: sum(own) / len(own) for item, own in of_item.items()}
        if not all(
            UNIT[0] <= min(of_item[item]) <= max(of_item[item]) <= UNIT[1] for unit in more for item in unit.items
        ):
            return False
        if not self.values and not self._is_known(self.samples(rows)):
            return False
        own = [unit.value([values[item] for item in unit.items]) for unit in more]
        self.sequence.add(own)
        self.values += own
        return True

    def _is_known(self, samples: Sequence[Sample]) -> bool:
        """Whether the task's figure is the mean that the sequence is of."""
        scores, _ = self.scores(samples, self.plan.task.summarize(samples))
        return any(score.metric == self.plan.task.metric for score in scores)


def samplings_of(
    plan: Plan, rules: Mapping[str, StoppingRule], store: Store, run_id: str | None
) -> dict[str, TaskSampling]:
    """By task; of a run that goes on, as far as its samples reach."""
    made = {
        task.task.name: TaskSampling.of(task, rules[task.task.name], plan.options.seed, plan.device)
        for task in plan.tasks
        if task.task.name in rules
    }
    for name, sampling in made.items():
        if run_id is not None:
            sampling.take(store.samples(run_id, name))
    return made


def answer_sampled(
    sampling: TaskSampling,
    backend: Backend,
    store: Store,
    run_id: str,
    strip_thinking: bool,
    clock: Clock,
    progress: Progress,
) -> None:
    """Answer and score a task's items in their order, batch by batch, until they are enough."""
    plan = sampling.plan
    scorer = Scorer(plan, store, run_id, strip_thinking, clock, progress)
    with scorer:
        done = scorer.take_stored()
        while True:
            scorer.settle()
            _look(sampling, scorer, store, run_id, clock)
            if sampling.is_over:
                return
            which = sampling.next_requests()
            there = {place for place, number in enumerate(which) if number in done}
            if len(there) == len(which):
                raise IncompleteError(f"{plan.task.name}: some answers have no sample. --fresh measures again.")
            batches = backend.answer([plan.requests[number] for number in which], there)
            while True:
                with clock("model"):
                    batch = next(batches, None)
                if batch is None:
                    break
                scorer.take([(which[place], response) for place, response in batch])
            done.update(which)


def _look(sampling: TaskSampling, scorer: Scorer, store: Store, run_id: str, clock: Clock) -> None:
    with clock("store"):
        rows = store.samples(run_id, sampling.plan.task.name)
    sampling.take(rows)
    if sampling.values and not sampling.unfit:
        value, low, high = (100 * end for end in sampling.sequence.interval())
        scorer.show(f"{sampling.plan.task.metric} {value:.1f} [{low:.1f}, {high:.1f}]")
