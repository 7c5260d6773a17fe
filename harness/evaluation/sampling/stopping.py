"""When a task's items, read in random order, are enough: the rules behind `--until`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from harness.errors import IncompleteError, UsageError
from harness.evaluation.compare import by_item, check_settings, results
from harness.evaluation.grading import grading_of
from harness.evaluation.sampling.gating import NOT_YET, early_verdict
from harness.evaluation.task_result import MACRO, TaskResult, more_is_better
from harness.options import OptionError
from harness.options.until import UntilGate, UntilItems, UntilWidth, read_until
from harness.stats.intervals import UNIT
from harness.stats.sequences import MeanSequence

if TYPE_CHECKING:
    from harness.evaluation.planning import Plan, TaskPlan
    from harness.results import Store
    from harness.stats.drawing import Unit
    from harness.types import Task


class Reading(NamedTuple):
    """How far a task was read."""

    items: int
    drawn: Sequence[Unit]  # all units, in their order
    values: Sequence[float]  # of the units that were read
    sequence: MeanSequence  # of these values


class StoppingRule(Protocol):
    def enough(self, reading: Reading) -> str:
        """Why what was read is enough, as words behind "stopped"; "" where it is not. A function of `reading` alone."""
        ...


@dataclass(frozen=True, slots=True)
class Width:
    """The interval of the score is at most so many points wide."""

    points: float

    def enough(self, reading: Reading) -> str:
        interval = reading.sequence.interval()
        wide = 100 * (interval.high - interval.low)
        return f"at an interval of {wide:.2f} points" if wide <= self.points else ""


@dataclass(frozen=True, slots=True)
class Items:
    """So many items are read; a whole cluster where its items belong together."""

    items: int

    def enough(self, reading: Reading) -> str:
        return f"at {self.items:,} items, as asked" if reading.items >= self.items else ""


@dataclass(frozen=True, slots=True)
class Gate:
    """It is sure which verdict a gate will give when all items are read."""

    baseline: str  # as people call it
    known: Mapping[str, float]  # its value of each item
    max_drop: float

    def enough(self, reading: Reading) -> str:
        known = [unit.value([self.known[item] for item in unit.items]) for unit in reading.drawn]
        sequence = MeanSequence([unit.weight for unit in reading.drawn], *UNIT, known=known)
        sequence.add(reading.values)
        verdict = early_verdict(sequence, self.max_drop)
        if verdict == NOT_YET:
            return ""
        value, low, high = (100 * end for end in sequence.interval())
        difference = f"difference {value:+.1f} [{low:+.1f}, {high:+.1f}], max-drop {self.max_drop:g}"
        return f"when the gate against {self.baseline} was sure: {verdict} ({difference})"


def rules_of(plan: Plan, store: Store) -> dict[str, StoppingRule]:
    """By task. OptionError for a task that has to be read whole, UsageError and IncompleteError for a baseline that
    says nothing of it."""
    text = plan.options.until
    if text is None:
        return {}
    for task in plan.tasks:
        _check(task, text)
    until = read_until(text)
    if isinstance(until, UntilWidth):
        return {task.task.name: Width(until.points) for task in plan.tasks}
    if isinstance(until, UntilItems):
        return {task.task.name: Items(_items(until, task.task.name, text)) for task in plan.tasks}
    return _gates(plan, until, store)


def _items(until: UntilItems, task: str, text: str) -> int:
    if isinstance(until.items, int):
        return until.items
    if task not in until.items:
        raise OptionError("until", text, f" does not say how many items of {task}.")
    return until.items[task]


def why_whole(task: Task) -> str:
    """Why a task has to be read whole, as a sentence behind a colon; "" where a part of its items tells of all."""
    if grading_of(task) is not None:
        return f"answers of {task.name} are graded when all are there."
    if not getattr(task, "is_bounded", True):
        return (
            f"the first metric of {task.name}, {task.metric}, is not known to be a mean of values from 0 to 1, so a "
            "part of the items does not bound it."
        )
    return ""


def _check(plan: TaskPlan, until: str) -> None:
    if reason := why_whole(plan.task):
        raise OptionError("until", until, f": {reason} Measure it whole.")


def _gates(plan: Plan, until: UntilGate, store: Store) -> dict[str, StoppingRule]:
    run = store.resolve(until.baseline)
    if run.goes_on:
        raise IncompleteError(
            f"The run {run.name} ({run.id[:12]}) does not have all its answers, so it is no baseline yet: the same "
            "command goes on with it, without --until."
        )
    stored = {result.task: result for result in results(store, run, [task.task.name for task in plan.tasks])}
    rules: dict[str, StoppingRule] = {}
    for task in plan.tasks:
        ours = _asked(plan, task)
        theirs = stored.get(task.task.name)
        if theirs is None:
            raise UsageError(f"The run {run.name} ({run.id[:12]}) has no task {ours.task}, so it is no baseline of it.")
        check_settings(theirs, ours)
        metric = task.task.metric.removesuffix(MACRO)
        if not more_is_better(task.task.metric, task.task.settings):
            raise UsageError(f"{ours.task}: of {metric} less is better, so it cannot drop by points of a hundred.")
        known = {item: values[metric] for item, values in by_item(theirs).items() if metric in values}
        if known.keys() != {item.id for item in task.items}:
            raise UsageError(
                f"{ours.task}: {theirs.run} has {metric} of {len(known):,} items, and this run asks "
                f"{len(task.items):,}: a gate needs the same ones. Give both the same groups and limit."
            )
        rules[task.task.name] = Gate(run.name, known, until.max_drop)
    return rules


def _asked(plan: Plan, task: TaskPlan) -> TaskResult:
    """How the run that is planned asks a task, as stored runs are compared by."""
    return TaskResult(
        run="this run",
        task=task.task.name,
        protocol=task.task.protocol,
        version=task.task.version,
        shots=task.task.shots,
        chat=plan.options.chat,
        system=plan.options.system or "",
        data_digest=task.task.data_digest,
        settings=task.settings,
        metric=task.task.metric,
        partial=plan.partial,
        samples=(),
    )
