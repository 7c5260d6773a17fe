"""`harness gate`: may the candidate replace the baseline? For a CI: the answer is the exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json

if TYPE_CHECKING:
    from harness.evaluation.compare import Comparison, TaskResult
    from harness.results import RunRow

CODES = {"pass": 0, "fail": 1, "undecided": 2}


def gate(
    baseline: Annotated[str, typer.Option(help="A run's id, name or tag.")],
    candidate: Annotated[str, typer.Option(help="The run that has to be as good.")],
    max_drop: Annotated[float, typer.Option(help="Points of a hundred that a score may lose.", min=0, max=100)] = 1.0,
    task: Annotated[
        list[str] | None,
        typer.Option(help="Only this task; may be given several times. All the baseline's, if left out."),
    ] = None,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Pass or fail a candidate against a baseline: 0 pass, 1 fail, 2 undecided.

    Each task's first metric is compared as by `harness compare`. A task passes when the lower end of the 95% interval
    of candidate - baseline is above -MAX_DROP, fails when its upper end is below, and is undecided otherwise. One task
    that fails fails the candidate; it passes when every task does."""
    from harness.errors import IncompleteError
    from harness.evaluation.compare import results
    from harness.results import Store

    store = Store(db)
    runs = store.resolve(baseline), store.resolve(candidate)
    for run in runs:
        if run.status == "running":
            raise IncompleteError(
                f"The run {_called(run)} is not finished: its command goes on, and then there is a gate."
            )
    comparisons = _compared(*_paired(results(store, runs[0]), results(store, runs[1]), task))
    verdicts = {comparison.task: verdict(comparison, max_drop) for comparison in comparisons}
    whole = overall(list(verdicts.values()))
    conclusion = sentence(verdicts, max_drop)
    if json:
        print_json(
            {
                "verdict": whole,
                "sentence": conclusion,
                "max_drop": max_drop,
                "baseline": _about(runs[0]),
                "candidate": _about(runs[1]),
                "tasks": [{**asdict(comparison), "verdict": verdicts[comparison.task]} for comparison in comparisons],
            }
        )
    else:
        _print(comparisons, verdicts, runs, conclusion)
    raise typer.Exit(CODES[whole])


def verdict(comparison: Comparison, max_drop: float) -> str:
    """One task's: "pass", "fail" or "undecided". `max_drop` is in points of a hundred."""
    limit = -max_drop / 100
    return "pass" if comparison.low > limit else "fail" if comparison.high < limit else "undecided"


def overall(verdicts: Sequence[str]) -> str:
    """Of the tasks' verdicts the worst. That all pass needs no correction for their number; the more tasks there are,
    the likelier one fails by chance (2.5% each, where the true drop is just the limit)."""
    return next(word for word in ("fail", "undecided", "pass") if word in verdicts)


def sentence(verdicts: Mapping[str, str], max_drop: float) -> str:
    """The verdict for people."""
    whole = overall(list(verdicts.values()))
    those = ", ".join(task for task, own in verdicts.items() if own == whole)
    if whole == "pass":
        return f"Pass: {those} dropped by less than {max_drop:g} points (95% interval)."
    if whole == "fail":
        return f"Fail: {those} dropped by more than {max_drop:g} points (95% interval)."
    return (
        f"Undecided: there are too few items to say whether {those} dropped by more than {max_drop:g} points."
        " More items, or a larger --max-drop, would tell."
    )


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


def _compared(a: Sequence[TaskResult], b: Sequence[TaskResult]) -> list[Comparison]:
    """Each task's first metric. UsageError where it is none that can drop by points of a hundred."""
    from harness.errors import UsageError
    from harness.evaluation.compare import compare

    comparisons = []
    for one, other in zip(a, b, strict=True):
        (row,) = compare(one, other, [one.metric])
        higher = dict(one.settings).get("higher_is_better", {}).get(one.metric, True)
        if not higher or not (0 <= row.a <= 1 and 0 <= row.b <= 1):
            raise UsageError(
                f"{one.task}: {one.metric} is no share of which more is better, so it cannot drop by points of a"
                " hundred. Name the other tasks with --task."
            )
        comparisons.append(row)
    return comparisons


def _called(run: RunRow) -> str:
    return f"{run.name} ({run.id[:12]})"


def _about(run: RunRow) -> dict[str, object]:
    return {"run": run.id, "name": run.name, "partial": run.partial, "unverified": run.unverified}


def _print(
    comparisons: Sequence[Comparison], verdicts: Mapping[str, str], runs: tuple[RunRow, RunRow], conclusion: str
) -> None:
    from rich.console import Console

    from harness.cli.tables import plain, table

    console = Console()
    columns = ("task", "metric", "n", "baseline", "candidate", "difference [95%]", "verdict")
    shown = table(f"baseline {_called(runs[0])}, candidate {_called(runs[1])}", columns, columns[2:6])
    for comparison in comparisons:
        a, b, difference, low, high = (
            100 * v for v in (comparison.a, comparison.b, comparison.difference, comparison.low, comparison.high)
        )
        values = (f"{a:.1f}", f"{b:.1f}", f"{difference:+.1f} [{low:+.1f}, {high:+.1f}]")
        shown.add_row(
            *map(plain, (comparison.task, comparison.metric, comparison.n, *values, verdicts[comparison.task]))
        )
    console.print(shown)
    for side, run in zip(("baseline", "candidate"), runs, strict=True):
        for mark in ("partial", "unverified"):
            if getattr(run, mark):
                console.print(plain(f"! The {side} is {mark}."), style="yellow")
    console.print(plain(conclusion), style="bold")
