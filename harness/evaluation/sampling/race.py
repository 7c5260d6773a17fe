"""A race of several configurations on benchmarks: all are asked the same items, look by look, and who is out stops.

Each task is a race of its own (harness/stats/race.py). All have alpha / tasks, so that the chance of 5% is that of the
whole race. A run of the race is the run that its options make alone, read in part (`until`): a later one without a race
goes on from its items. Nothing else of the race is kept: who is out after which items follows from the seed, the
questions and the stored values, so a race that was killed goes on with the same items and ends with the same decision.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.evaluation.compare import by_item, results
from harness.evaluation.compare_values import Item, tested
from harness.evaluation.planning import Plan, TaskPlan, make_plan
from harness.evaluation.sampling.race_outcome import Standing, TaskRace
from harness.evaluation.sampling.sampled import TaskSampling
from harness.evaluation.sampling.stopping import Items, why_whole
from harness.evaluation.several import run_several
from harness.evaluation.task_result import MACRO, more_is_better
from harness.options.until import items_text
from harness.progress import SILENT, Progress
from harness.results import Store
from harness.stats.drawing import unit_key
from harness.stats.intervals import UNIT
from harness.stats.race import ALPHA, Race, looks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.evaluation.run import Result
    from harness.options import RunOptions
    from harness.results import RunRow
    from harness.types import Task

    Floats = NDArray[np.float64]

OUT, WINNER = "when out of the race", "as the winner of the race"  # why a run stopped, behind "stopped"


@dataclass(frozen=True, slots=True)
class Entrant:
    """A configuration: the options of a run of each of its trainings."""

    name: str
    runs: tuple[RunOptions, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    races: list[TaskRace]
    runs: list[list[RunRow]]  # of each entrant, in the order of its options


@dataclass(slots=True)
class _Running:
    """A task's race as it goes."""

    plan: TaskPlan
    race: Race
    looks: list[int]  # still to come, in units; none where the winner was read whole
    items_after: Sequence[int]  # 0, 1, 2, … units

    @classmethod
    def of(cls, task: TaskPlan, plan: Plan, entrants: int) -> _Running:
        order = TaskSampling.of(task, Items(1), plan.options.seed, plan.device).drawn  # as each of the runs reads
        groups = {item.id: item.group for item in task.items} if task.task.metric.endswith(MACRO) else None
        counts = [0, *accumulate(len(unit.items) for unit in order)]
        return cls(task, Race(entrants, order, groups, ALPHA / len(plan.tasks)), looks(len(order)), counts)

    @property
    def next_items(self) -> list[str]:
        return self.race.next_items(self.looks[0] - self.race.read)

    def take(self, values: Mapping[int, Floats]) -> None:
        """What comes of the next look."""
        self.race.add(self.looks.pop(0) - self.race.read, values)


def race(
    entrants: Sequence[Entrant],
    progress: Progress = SILENT,
    objects: Sequence[Task] = (),
    measure: Callable[..., Iterable[tuple[int, Result]]] = run_several,
    winner_whole: bool = False,
) -> Outcome:
    """Measure configurations until each task has its winner, and that one to the end if `winner_whole`. All their runs
    ask the same tasks, and `objects`.

    Raises UsageError before a model is loaded where there is nothing to race, or a task has to be read whole."""
    if len(entrants) < 2:
        raise UsageError("A race needs at least two models, and there is one. Measure it without a race.")
    refuse_mixed_chats((entrant.name, options.chat) for entrant in entrants for options in entrant.runs)
    first = entrants[0].runs[0]
    with progress.step("reading the tasks"):
        plan = make_plan(first, objects)
    for task in plan.tasks:
        refuse_whole(task.task)
    running = {task.task.name: _Running.of(task, plan, len(entrants)) for task in plan.tasks}
    store = Store(first.db)
    runs: list[list[RunRow]] = [[] for _ in entrants]
    wanted = [dict.fromkeys(running, 0) for _ in entrants]  # items, by task

    def read(places: Collection[int]) -> None:
        """As many items as are wanted of these entrants."""
        asked = [
            (place, options.replace(until=items_text(wanted[place])))
            for place in sorted(places)
            for options in entrants[place].runs
        ]
        measured = dict(measure([options for _, options in asked], progress, objects=objects))
        for place in places:
            runs[place] = [measured[number].run for number, (own, _) in enumerate(asked) if own == place]

    while going := {name: one for name, one in running.items() if not one.race.is_decided}:
        for name, one in going.items():
            for place in one.race.still_in:
                wanted[place][name] = one.items_after[one.looks[0]]
        read({place for one in going.values() for place in one.race.still_in})
        for name, one in going.items():
            items, before = one.next_items, one.race.still_in
            one.take({place: _values(store, runs[place], one.plan, items) for place in before})
            for place in (place for place in before if place in one.race.out):
                progress.end(f"{entrants[place].name}: {name}", f"out of the race after {len(one.race.items):,} items")
    if winner_whole and (early := {name: one for name, one in running.items() if one.looks}):
        for name, one in early.items():
            for place in one.race.still_in:
                wanted[place][name] = one.items_after[-1]
        read({place for one in early.values() for place in one.race.still_in})
        for one in early.values():
            one.looks.clear()
    _say_why(store, runs, running)
    names = [entrant.name for entrant in entrants]
    races = [_ended(store, runs, one, names) for one in running.values()]
    return Outcome(races, [[store.resolve(row.id) for row in own] for own in runs])


def refuse_whole(task: Task) -> None:
    """UsageError for a task that has to be read whole."""
    if reason := why_whole(task):
        raise UsageError(f"{task.name} cannot be raced: {reason} Measure it without a race.")


def refuse_mixed_chats(asked: Iterable[tuple[str, bool]]) -> None:
    """`asked`: each model's name, and whether it is asked in a chat template. UsageError where some are and others are
    not."""
    names: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for name, chat in asked:
        names[chat][name] = None
    if all(names.values()):
        raise UsageError(
            f"A race asks all models in the same way, and {', '.join(names[True])}: in a chat template; "
            f"{', '.join(names[False])}: without one. Measure them without a race."
        )


def stopped_by_race(run: RunRow) -> bool:
    """Whether a run was read in part, as far as a race that has ended wanted it."""
    return run.status == "sampled" and all(read["stopped"] in (OUT, WINNER) for read in run.sampled.values())


def _values(store: Store, runs: Sequence[RunRow], plan: TaskPlan, items: Sequence[str]) -> Floats:
    """Of the first metric, [runs, items], turned so that more is better."""
    import numpy as np

    metric = plan.task.metric.removesuffix(MACRO)
    rows = []
    for row in runs:
        (result,) = results(store, row, [plan.task.name])
        known = by_item(result)
        rows.append([known[item].get(metric, -1.0) for item in items])
    values = np.asarray(rows, dtype=float)
    if values.min() < UNIT[0] or values.max() > UNIT[1]:
        raise UsageError(
            f"{plan.task.name} cannot be raced: {metric} is no mean of values from 0 to 1, of which a part of the "
            "items could tell. Measure it without a race."
        )
    return values if more_is_better(plan.task.metric, plan.task.settings) else 1 - values


def _say_why(store: Store, runs: Sequence[Sequence[RunRow]], running: Mapping[str, _Running]) -> None:
    """Keep with each run that was read in part why it stopped."""
    for place, own in enumerate(runs):
        for row in (store.resolve(one.id) for one in own):
            out = {task for task, one in running.items() if place in one.race.out}
            words = {task: OUT if task in out else WINNER for task in running}
            tasks = {task: {**read, "stopped": words[task]} for task, read in row.sampled.items()}
            if tasks:
                store.update(row.id, totals={**row.totals, "sampled": {**row.totals["sampled"], "tasks": tasks}})


def _ended(store: Store, runs: Sequence[Sequence[RunRow]], one: _Running, names: Sequence[str]) -> TaskRace:
    task = one.plan.task
    sign = 1 if more_is_better(task.metric, task.settings) else -1
    headlines = {(score.run, score.task): score.value for score in store.headlines()}
    values = [fmean(headlines[row.id, task.name] for row in own) for own in runs]
    ranked = sorted(one.race.still_in, key=lambda place: (-sign * values[place], place))
    winners = {ranked[0], *_alike(store, {place: runs[place] for place in ranked}, one.plan)}

    def rank(place: int) -> tuple[bool, bool, bool, float, int]:
        return place != ranked[0], place in one.race.out, place not in winners, -sign * values[place], place

    of_winner = len(one.race.items) if one.looks else one.items_after[-1]
    standings = [
        Standing(
            names[place],
            values[place],
            one.items_after[one.race.out[place]] if place in one.race.out else of_winner,
            place in one.race.out,
            place in winners,
        )
        for place in sorted(range(len(runs)), key=rank)
    ]
    return TaskRace(task.name, task.metric, len(one.plan.items), tuple(standings))


def _alike(store: Store, ranked: Mapping[int, Sequence[RunRow]], plan: TaskPlan) -> list[int]:
    """Those that the comparison of whole runs cannot tell from the first."""
    first, *others = ranked
    where = {item.id: (item.group, unit_key(item.id, item.cluster)) for item in plan.items}
    items = sorted(where)  # the order of `harness compare`, and so its p
    values = {place: _values(store, ranked[place], plan, items).T.tolist() for place in (ranked if others else ())}
    alike = []
    for place in others:
        rows = [
            Item(*where[item], tuple(a), tuple(b))
            for item, a, b in zip(items, values[place], values[first], strict=True)
        ]
        if tested(rows, plan.task.metric.endswith(MACRO)).p >= ALPHA:
            alike.append(place)
    return alike
