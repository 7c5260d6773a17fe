"""`harness compare`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json

if TYPE_CHECKING:
    from harness.evaluation.compare import Comparison
    from harness.results import RunRow


def compare(
    a: Annotated[str, typer.Argument(help="The baseline: a run's id, name or tag.")],
    b: Annotated[list[str], typer.Argument(help="The candidate; several are each compared with the baseline.")],
    metric: Annotated[list[str] | None, typer.Option(help="Only these metrics.")] = None,
    groups: Annotated[bool, typer.Option("--groups", help="By subject or task too.")] = False,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Compare runs with a baseline on the items they share."""
    from harness.evaluation.compare import against, results
    from harness.evaluation.compare_notes import prompt_notes
    from harness.results import Store

    store = Store(db)
    first, others = store.resolve(a), [store.resolve(word) for word in b]
    compared = against(results(store, first), [results(store, other) for other in others], metric, groups)
    if json:
        print_json(
            [
                document
                for other, rows in zip(others, compared, strict=True)
                for document in documents(first, other, rows)
            ]
        )
        return
    for other, rows in zip(others, compared, strict=True):
        _print(rows, first, other)
        for note in prompt_notes([first, other]):
            typer.echo(f"warning: {note}", err=True)
        of_one = {t.task for t in store.tasks(first.id)} ^ {t.task for t in store.tasks(other.id)}
        if of_one:
            typer.echo(f"Only one of the runs has {', '.join(sorted(of_one))}.", err=True)


def documents(a: RunRow, b: RunRow, comparisons: list[Comparison]) -> list[dict[str, Any]]:
    """As `--json` prints them."""
    from harness.evaluation.compare_notes import prompt_notes

    of_runs = {
        "runs": {"a": a.id, "b": b.id},
        "unverified": [side for side, run in (("a", a), ("b", b)) if run.unverified],
        "warnings": prompt_notes([a, b]),
    }
    return [{**asdict(row), **of_runs} for row in comparisons]


def _print(comparisons: list[Comparison], first: RunRow, second: RunRow) -> None:
    from rich.console import Console

    from harness.cli.tables import plain, table

    console = Console()
    columns = ("task", "group", "metric", "n", "a", "b", "b - a [95%]", "p", "p (Holm)", "lost / gained")
    a_run, b_run = (f"{r.name} ({r.id[:12]}{', unverified' if r.unverified else ''})" for r in (first, second))
    shown = table(f"a = {a_run}, b = {b_run}", columns, columns[3:])
    for c in comparisons:
        flips = "" if c.flips is None else f"{c.lost} / {c.gained}"
        holm = "" if c.p_holm is None else f"{c.p_holm:.3g}"
        scale = 100 if all(0 <= v <= 1 for v in (c.a, c.b)) else 1  # points of a hundred, or as they are
        a, b, difference, low, high = (scale * v for v in (c.a, c.b, c.difference, c.low, c.high))
        values = (f"{a:.1f}", f"{b:.1f}", f"{difference:+.1f} [{low:+.1f}, {high:+.1f}]")
        cells = (c.task, c.group, c.metric, c.n, *values, f"{c.p_value:.3g}", holm, flips)
        clear = c.low > 0 or c.high < 0
        shown.add_row(*map(plain, cells), style="bold" if clear else "")
    console.print(shown)
