"""Configurations: what was trained in one way, whatever the seed. Their runs are ranked and compared as one.

A run belongs to a configuration by the tag `configuration=NAME`, and says its training's seed by `seed=N`. Whoever
makes several trainings gives the tags: `harness tune top --run`, a whole study, or a user with `--tag`. A run without
such a tag is a configuration of its own. NAME may end in `@` and what tells it from others of that name in any store;
tables leave that out where it is not needed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import UsageError, suggest
from harness.evaluation.compare import SAME, results

if TYPE_CHECKING:
    from harness.evaluation.task_result import TaskResult
    from harness.results import RunRow, Store, TaskRow

MEMBER, SEED = "configuration=", "seed="
_SAME = ("metric", *(field for field in SAME.values() if field != "system"))  # of a task; the system text is its run's


@dataclass(frozen=True, slots=True)
class Training:
    """A checkpoint of a configuration, and its runs."""

    seed: int | None  # None where it is not recorded
    runs: tuple[RunRow, ...]  # the newest first

    @property
    def words(self) -> str:
        """ "seed 3", or the beginning of a run's id."""
        return f"run {self.runs[0].id[:8]}" if self.seed is None else f"seed {self.seed}"


@dataclass(frozen=True, slots=True)
class Configuration:
    name: str  # what tables call it
    key: str  # the tag's NAME; "" of a run without one
    trainings: tuple[Training, ...]  # by seed

    @property
    def runs(self) -> list[RunRow]:
        """Of all trainings, the newest first."""
        return sorted((run for training in self.trainings for run in training.runs), key=_age)

    @property
    def newest(self) -> RunRow:
        return self.runs[0]

    @property
    def called(self) -> str:
        """For messages: the run's name and the beginning of its id, or the name and how many seeds it has."""
        if len(self.trainings) > 1:
            return f"{self.name} ({len(self.trainings)} seeds)"
        return f"{self.name} ({self.newest.id[:12]})"

    @property
    def unverified(self) -> str:
        return next((run.unverified for run in self.runs if run.unverified), "")


class Part(NamedTuple):
    """Runs of a configuration that were asked the same: what stands in one row."""

    configuration: Configuration
    ways: Mapping[str, Any]  # by task


def member_tags(name: str, seed: int | None) -> tuple[str, ...]:
    """The tags of a run of a configuration; a base has no seed."""
    return (MEMBER + name, *(() if seed is None else (f"{SEED}{seed}",)))


def without_member_tags(tags: Iterable[str]) -> list[str]:
    """The tags that people gave for other reasons."""
    return [tag for tag in tags if not tag.startswith((MEMBER, SEED))]


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """What tables call configurations: up to the last `@`, unless two would be called alike."""
    short = {key: key.rpartition("@")[0] or key for key in keys}
    often = Counter(short.values())
    return {key: name if often[name] == 1 else key for key, name in short.items()}


def configurations(store: Store) -> list[Configuration]:
    """All of the store, the one with the newest run first. Runs that a fresh one replaced are left out, once that has
    a score."""
    with store.read():
        runs, tags = store.runs(), store.tags()
        scored = {score.run for score in store.headlines()}
    replaced: set[str] = set()
    seen: set[str] = set()
    for run in runs:
        if run.identity in seen:
            replaced.add(run.id)
        elif run.id in scored:
            seen.add(run.identity)
    return _grouped([run for run in runs if run.id not in replaced], tags)


def resolve(store: Store, word: str) -> Configuration:
    """The configuration that a person means, by its name, whole or as tables show it; else the run that is meant,
    alone. A run that has the word for its name, tag or id comes before a configuration that it is not of.

    UsageError when none or several remain."""
    with store.read():
        known = [one for one in configurations(store) if one.key]
        tags = store.tags()
        meant = next((one for one in known if word in (one.key, one.name, MEMBER + one.key)), None)
        try:
            run = store.resolve(word)
        except UsageError as error:
            if meant:
                return meant
            near = suggest(word, [one.name for one in known])
            raise UsageError(f"{error}{near}") if near else error from None
    own = tags.get(run.id, [])
    if meant and (word not in (run.id, run.name, *own) or any(run.id == other.id for other in meant.runs)):
        return meant
    return alone(run, own)


def alone(run: RunRow, tags: Sequence[str] = ()) -> Configuration:
    """One run by itself."""
    return Configuration(run.name, "", (Training(_seed(tags), (run,)),))


def way(task: TaskRow, run: RunRow) -> str:
    """How a task was asked: equal for two runs whose scores of it can be compared, where their items are the same."""
    asked = [getattr(task, name) for name in _SAME]
    return json.dumps([*asked, run.config.get("system") or "", task.settings], sort_keys=True, default=str)


def parts(configuration: Configuration, ways: Mapping[str, Mapping[str, Any]]) -> list[Part]:
    """A configuration's runs that can be one row, the newest first, then those that cannot: a run whose task was asked
    in another way or on other items than the others', or a second run of a training on a task. `ways` has what has to
    be equal, by run and task."""
    made: list[_Gathered] = []
    of_training = {run.id: place for place, training in enumerate(configuration.trainings) for run in training.runs}
    for run in configuration.runs:
        fitting = (part for part in made if part.takes(ways[run.id], of_training[run.id]))
        part = next(fitting, None)
        if part is None:
            made.append(part := _Gathered())
        part.add(run, ways[run.id], of_training[run.id])
    return [
        Part(
            replace(
                configuration,
                trainings=tuple(
                    replace(training, runs=tuple(part.runs[place]))
                    for place, training in enumerate(configuration.trainings)
                    if place in part.runs
                ),
            ),
            part.ways,
        )
        for part in made
    ]


def results_of(store: Store, configuration: Configuration, tasks: Sequence[str] | None = None) -> list[TaskResult]:
    """All its tasks (or some of them), one result of each training and way of asking: the newest."""
    made: list[TaskResult] = []
    for training in configuration.trainings:
        known: set[tuple[str, str]] = set()
        for run in training.runs:
            ways = {task.task: way(task, run) for task in store.tasks(run.id)}
            wanted = [
                task for task, own in ways.items() if (task, own) not in known and (tasks is None or task in tasks)
            ]
            known |= {(task, ways[task]) for task in wanted}
            made += results(store, run, wanted) if wanted else []
    return made


class _Gathered:
    def __init__(self) -> None:
        self.ways: dict[str, Any] = {}  # by task
        self.there: set[tuple[int, str]] = set()  # a training's place, and a task
        self.runs: dict[int, list[RunRow]] = {}  # by a training's place

    def takes(self, ways: Mapping[str, Any], place: int) -> bool:
        return all(self.ways.get(task, own) == own and (place, task) not in self.there for task, own in ways.items())

    def add(self, run: RunRow, ways: Mapping[str, Any], place: int) -> None:
        self.ways |= ways
        self.there |= {(place, task) for task in ways}
        self.runs.setdefault(place, []).append(run)


def _grouped(runs: Sequence[RunRow], tags: Mapping[str, Sequence[str]]) -> list[Configuration]:
    members: dict[str, list[RunRow]] = {}
    for run in runs:
        own = [tag.removeprefix(MEMBER) for tag in tags.get(run.id, ()) if tag.startswith(MEMBER)]
        for key in own or [""]:
            members.setdefault(key or run.id, []).append(run)
    ids = {run.id for run in runs}
    names = short_names(key for key in members if key not in ids)
    made = [
        alone(own[0], tags.get(key, ())) if key in ids else Configuration(names[key], key, _trainings(own, tags))
        for key, own in members.items()
    ]
    return sorted(made, key=lambda configuration: _age(configuration.newest))


def _trainings(runs: Iterable[RunRow], tags: Mapping[str, Sequence[str]]) -> tuple[Training, ...]:
    """Runs of one checkpoint are one training."""
    by_checkpoint: dict[str, list[RunRow]] = {}
    for run in runs:
        by_checkpoint.setdefault(run.model_digest or run.id, []).append(run)
    made = []
    for own in by_checkpoint.values():
        seeds = [seed for run in own if (seed := _seed(tags.get(run.id, ()))) is not None]
        made.append(Training(seeds[0] if seeds else None, tuple(sorted(own, key=_age))))
    return tuple(sorted(made, key=lambda t: (t.seed is None, t.seed or 0, t.runs[-1].created, t.runs[-1].id)))


def _seed(tags: Iterable[str]) -> int | None:
    numbers = [tag.removeprefix(SEED) for tag in tags if tag.startswith(SEED)]
    return next((int(number) for number in numbers if number.isdecimal()), None)


def _age(run: RunRow) -> Any:
    """The newest first, and of one moment by id, as `Store.runs` has them."""
    return -run.created.timestamp(), run.id
