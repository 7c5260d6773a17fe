"""`harness compare`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.options import DEFAULT_DB, Db, Json, print_json

if TYPE_CHECKING:
    from harness.compare import Comparison, TaskResult
    from harness.store import RunRow, Store


def compare(
    a: Annotated[str, typer.Argument(help="The baseline: a run's id, name or tag.")],
    b: Annotated[str, typer.Argument(help="The candidate.")],
    metric: Annotated[list[str] | None, typer.Option(help="Only these metrics.")] = None,
    groups: Annotated[bool, typer.Option("--groups", help="By subject or task too.")] = False,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Compare two runs on the items they share."""
    from harness.compare import compare_runs
    from harness.store import Store

    store = Store(db)
    first, second = store.resolve(a), store.resolve(b)
    found = compare_runs(results(store, first), results(store, second), metric, groups)
    if json:
        unverified = [side for side, run in (("a", first), ("b", second)) if run.unverified]
        print_json([{**asdict(c), "unverified": unverified} for c in found])
    else:
        _print(found, first, second)
        of_one = {t.task for t in store.tasks(first.id)} ^ {t.task for t in store.tasks(second.id)}
        if of_one:
            typer.echo(f"Only one of the runs has {', '.join(sorted(of_one))}.", err=True)


def results(store: Store, run: RunRow) -> list[TaskResult]:
    """A run's tasks with their samples, as `harness.compare` takes them."""
    from harness.compare import TaskResult

    config: dict[str, Any] = dict(run.config)
    return [
        TaskResult(
            run=f"{run.name} ({run.id[:12]})",
            task=t.task,
            protocol=t.protocol,
            version=t.version,
            shots=t.shots,
            chat=t.chat,
            system=config.get("system") or "",
            data_digest=t.data_digest,
            settings=t.settings,
            metric=t.metric,
            partial=run.partial,
            samples=store.samples(run.id, t.task),
        )
        for t in store.tasks(run.id)
    ]


def _print(found: list[Comparison], first: RunRow, second: RunRow) -> None:
    from rich.console import Console

    from harness.tables import plain, table

    console = Console()
    columns = ("task", "group", "metric", "n", "a", "b", "b - a [95%]", "p", "p (Holm)", "lost / gained")
    a_run, b_run = (f"{r.name} ({r.id[:12]}{', unverified' if r.unverified else ''})" for r in (first, second))
    shown = table(f"a = {a_run}, b = {b_run}", columns, columns[3:])
    for c in found:
        flips = "" if c.flips is None else f"{c.lost} / {c.gained}"
        holm = "" if c.p_holm is None else f"{c.p_holm:.3g}"
        scale = 100 if all(0 <= v <= 1 for v in (c.a, c.b)) else 1  # points of a hundred, or as they are
        a, b, difference, low, high = (scale * v for v in (c.a, c.b, c.difference, c.low, c.high))
        values = (f"{a:.1f}", f"{b:.1f}", f"{difference:+.1f} [{low:+.1f}, {high:+.1f}]")
        cells = (c.task, c.group, c.metric, c.n, *values, f"{c.p_value:.3g}", holm, flips)
        clear = c.low > 0 or c.high < 0
        shown.add_row(*map(plain, cells), style="bold" if clear else "")
    console.print(shown)
