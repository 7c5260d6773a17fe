"""`harness gate`: may the candidate replace the baseline? For a CI: the answer is the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json

if TYPE_CHECKING:
    from harness.evaluation.compare import Comparison
    from harness.evaluation.sampling.gating import Gated
    from harness.evaluation.task_result import TaskResult
    from harness.results import RunRow, Store

CODES = {"pass": 0, "fail": 1, "undecided": 2, "not yet": 2}


def gate(
    baseline: Annotated[str, typer.Option(help="A run's id, name or tag.")],
    candidate: Annotated[str | None, typer.Option(help="The run that has to be as good.")] = None,
    model: Annotated[
        str | None, typer.Option(help="In its place a model or adapter, which is measured as the baseline was.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="The base of an adapter.")] = None,
    max_drop: Annotated[float, typer.Option(help="Points of a hundred that a score may lose.", min=0, max=100)] = 1.0,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Only this task; may be given several times. All the baseline's, if left out."),
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="All items are read; a part is not enough.")] = False,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Pass or fail a candidate against a baseline: 0 pass, 1 fail, 2 undecided.

    Each task's first metric is compared as by `harness compare`. A task passes when the lower end of the 95% interval
    of candidate - baseline is above -MAX_DROP, fails when its upper end is below, and is undecided otherwise. One task
    that fails fails the candidate; it passes when every task does.

    A run that has read a part of its items (harness run --until) is enough where it tells what the verdict on all items
    is going to be. So --model reads only as many as that takes, or goes on from what it has read. Before the verdict
    stands how far off the limit a drop has to be to be told."""
    from harness.errors import IncompleteError, UsageError
    from harness.evaluation.compare import results
    from harness.evaluation.sampling.gating import gated, overall, sentence
    from harness.results import Store

    if (candidate is None) == (model is None):
        raise UsageError("Name the candidate: a run with --candidate, or what is to be measured with --model.")
    store = Store(db)
    first = store.resolve(baseline)
    if model is not None:
        candidate = _measured(store, first, model, base, None if whole else max_drop, task, json)
    runs = first, store.resolve(str(candidate))
    for run in runs:
        if run.status == "running":
            raise IncompleteError(
                f"The run {_called(run)} is not finished: its command goes on, and then there is a gate."
            )
        if whole and run.goes_on:
            raise IncompleteError(
                f"The run {_called(run)} has read a part of its items: its command goes on to the end without --until."
            )
    pairs = list(zip(*_paired(results(store, runs[0]), results(store, runs[1]), task), strict=True))
    for pair in pairs:
        _check_metric(pair[0])
    tasks = [gated(*pair, max_drop) for pair in pairs]
    for one in tasks:
        _check_values(one.comparison)
    verdicts = {one.comparison.task: one.verdict for one in tasks}
    worst = overall(list(verdicts.values()))
    conclusion = sentence(verdicts, max_drop)
    if json:
        print_json(
            {
                "verdict": worst,
                "sentence": conclusion,
                "max_drop": max_drop,
                "baseline": _about(runs[0]),
                "candidate": _about(runs[1]),
                "tasks": [
                    {**asdict(one.comparison), "verdict": one.verdict, "distance_told": one.distance_told}
                    for one in tasks
                ],
            }
        )
    else:
        _print(tasks, runs, max_drop, conclusion)
    raise typer.Exit(CODES[worst])


def _measured(
    store: Store,
    baseline: RunRow,
    model: str,
    base: str | None,
    max_drop: float | None,
    tasks: Sequence[str] | None,
    json: bool,
) -> str:
    """The id of the run that measured the model as the baseline was, as far as is needed. What a part of the items can
    tell is said first, on the standard error where the output is one document."""
    from harness.evaluation.compare import results
    from harness.evaluation.run import run
    from harness.evaluation.sampling.candidate import candidate_options
    from harness.evaluation.sampling.gating import foretold
    from harness.progress import shown

    options = candidate_options(baseline, model, base, max_drop, tasks, str(store.path))
    if max_drop is not None:
        for result in results(store, baseline, tasks):
            typer.echo(foretold(result.task, len({row.item for row in result.samples}), max_drop), err=json)
    with shown() as progress:
        return run(options, progress).run.id


def _paired(
    a: Sequence[TaskResult], b: Sequence[TaskResult], wanted: Sequence[str] | None
) -> tuple[list[TaskResult], list[TaskResult]]:
    """The wanted tasks of both, in the baseline's order. UsageError where one of them is missing: a task that was not
    measured has not passed."""
    from harness.errors import UsageError, suggest

    ours, theirs = {result.task: result for result in a}, {result.task: result for result in b}
    names = list(dict.fromkeys(wanted or ours))
    for name in names:
        for run, tasks in ((a, ours), (b, theirs)):
            if name not in tasks:
                known = ", ".join(tasks)
                called = run[0].run if run else "The run"
                hint = "" if wanted else " Name the tasks to be compared with --task."
                raise UsageError(f"{called} has no task {name}; it has {known}.{suggest(name, tasks)}{hint}")
    return [ours[name] for name in names], [theirs[name] for name in names]


def _check_metric(result: TaskResult) -> None:
    """UsageError where a task's first metric is none that can drop by points of a hundred."""
    from harness.evaluation.task_result import more_is_better

    if not more_is_better(result.metric, result.settings):
        _refuse(result.task, result.metric)


def _check_values(comparison: Comparison) -> None:
    if not (0 <= comparison.a <= 1 and 0 <= comparison.b <= 1):
        _refuse(comparison.task, comparison.metric)


def _refuse(task: str, metric: str) -> NoReturn:
    from harness.errors import UsageError

    raise UsageError(
        f"{task}: {metric} is no share of which more is better, so it cannot drop by points of a hundred. Name the"
        " other tasks with --task."
    )


def _called(run: RunRow) -> str:
    return f"{run.name} ({run.id[:12]})"


def _about(run: RunRow) -> dict[str, object]:
    return {"run": run.id, "name": run.name, "partial": run.partial, "unverified": run.unverified}


def _print(tasks: Sequence[Gated], runs: tuple[RunRow, RunRow], max_drop: float, conclusion: str) -> None:
    from rich.console import Console

    from harness.cli.tables import plain, table

    console = Console()
    for one in tasks:
        row = one.comparison
        console.print(
            plain(
                f"{row.task}: {_items(row)} tell a change that lies {one.distance_told:.1f} points from {-max_drop:+g}"
                " with a chance of 80%."
            )
        )
    columns = ("task", "metric", "items", "baseline", "candidate", "difference [95%]", "verdict")
    shown = table(f"baseline {_called(runs[0])}, candidate {_called(runs[1])}", columns, columns[2:6])
    for one in tasks:
        row = one.comparison
        a, b, difference, low, high = (100 * v for v in (row.a, row.b, row.difference, row.low, row.high))
        values = (f"{a:.1f}", f"{b:.1f}", f"{difference:+.1f} [{low:+.1f}, {high:+.1f}]")
        read = str(row.n) if row.of is None else f"{row.n}\nof {row.of}"
        shown.add_row(*map(plain, (row.task, row.metric, read, *values, one.verdict)))
    console.print(shown)
    for side, run in zip(("baseline", "candidate"), runs, strict=True):
        for mark in ("partial", "unverified"):
            if getattr(run, mark) and not (mark == "partial" and run.sampled):
                console.print(plain(f"! The {side} is {mark}."), style="yellow")
    if any(one.comparison.of is not None for one in tasks):
        console.print(plain("Figures of a part of the items are what all of them will give, with 95%."))
    console.print(plain(conclusion), style="bold")


def _items(row: Comparison) -> str:
    return f"{row.n:,} items" if row.of is None else f"{row.n:,} of {row.of:,} items"
