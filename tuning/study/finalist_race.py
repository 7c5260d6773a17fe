"""`tune top --race`: the finalists of a study raced on benchmarks (harness/evaluation/sampling/race.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.progress import Progress
from tuning.objectives import objectives
from tuning.store import Store, StudyRow
from tuning.study.finalist_evaluation import Top, audit_all, run_all, run_document, runs_of
from tuning.study.finalists import Finalist
from tuning.study.options import Options

if TYPE_CHECKING:
    from harness.evaluation.sampling.race_outcome import TaskRace
    from harness.options import RunOptions


def measure(
    outcome: Top, options: Options, tasks: str, progress: Progress, race: bool
) -> tuple[list[dict[str, Any]], list[TaskRace], list[dict[str, Any]]]:
    """The runs, the races where there are any, and the audits: what `--run` and `--race` give."""
    if race:
        runs, races = race_all(outcome, options, tasks, progress)
    else:
        runs, races = run_all(outcome, options, tasks, progress), []
    return runs, races, audit_all(outcome, options, tasks, runs, progress)


def race_all(
    outcome: Top, options: Options, tasks: str, progress: Progress
) -> tuple[list[dict[str, Any]], list[TaskRace]]:
    """`run_all`, where who cannot end among the best of a benchmark is asked no more of its items; and how each race
    ended."""
    from harness.evaluation.sampling.race import Entrant, race

    store = Store(options.db)
    members: dict[str, list[tuple[Finalist, RunOptions]]] = {}
    for finalist, of_run in runs_of(outcome, options, tasks):
        members.setdefault(finalist.configuration, []).append((finalist, of_run))
    names = [
        finalist.name if finalist.study is outcome.row else f"{finalist.study.name} {finalist.name}"
        for ((finalist, _), *_) in members.values()
    ]
    entrants = [
        Entrant(name, tuple(of_run for _, of_run in own)) for name, own in zip(names, members.values(), strict=True)
    ]
    ended = race(entrants, progress)
    runs = [
        run_document(store, outcome, finalist, of_run, run)
        for own, rows in zip(members.values(), ended.runs, strict=True)
        for (finalist, of_run), run in zip(own, rows, strict=True)
    ]
    return runs, ended.races


def check_race(row: StudyRow, tasks: str, bench_data: str | None) -> None:
    """UsageError where a benchmark of a race was an objective of the search: its items flatter some finalists."""
    from harness import tasks as known_tasks

    if parts := objectives.slices(row.config["objectives"], row.config["constraints"]):
        asked = {selected.task.name for selected in known_tasks.load(tasks, bench_data, shots=0)}
        refuse_flattered(row.name, parts, asked)


def refuse_flattered(study: str, parts: Iterable[objectives.Slice], asked: Collection[str]) -> None:
    """UsageError where the search of `study` read `parts` of tasks that are asked in a race."""
    if flattered := sorted({part.task for part in parts} & set(asked)):
        raise UsageError(
            f"{', '.join(flattered)} cannot be raced: the search of {study} chose trials by a part of its items. "
            "Name other tasks, or measure it whole, without a race."
        )


def print_races(console: Any, races: Sequence[TaskRace]) -> None:
    """Who won on each benchmark, and who was out when."""
    from harness.cli.tables import plain

    for race in races:
        console.print(plain(" ".join(race.sentences)), soft_wrap=True)
