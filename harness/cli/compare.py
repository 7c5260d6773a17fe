"""`harness compare`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from harness.evaluation.compare import Comparison
    from harness.evaluation.configurations import Configuration


def compare(
    a: Annotated[str, typer.Argument(help="The baseline: a run's id, name or tag, or a configuration's name.")],
    b: Annotated[list[str], typer.Argument(help="The candidate; several are each compared with the baseline.")],
    metric: Annotated[list[str] | None, typer.Option(help="Only these metrics.")] = None,
    groups: Annotated[bool, typer.Option("--groups", help="By subject or task too.")] = False,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Compare runs, or configurations over their seeds, with a baseline on the items they share."""
    from harness.evaluation.compare import against
    from harness.evaluation.compare_notes import prompt_notes
    from harness.evaluation.configurations import resolve, results_of
    from harness.results import Store

    store = Store(db)
    first, others = resolve(store, a), [resolve(store, word) for word in b]
    left_out: list[str] = []
    of_first, of_others = results_of(store, first), [results_of(store, other) for other in others]
    compared = against(of_first, of_others, metric, groups, left_out=left_out)
    if json:
        print_json(
            [
                document
                for other, rows in zip(others, compared, strict=True)
                for document in documents(first, other, rows, left_out)
            ]
        )
        return
    for other, own, rows in zip(others, of_others, compared, strict=True):
        _print(rows, first, other, groups)
        for note in prompt_notes([*first.runs, *other.runs]):
            typer.echo(f"warning: {note}", err=True)
        of_one = {result.task for result in of_first} ^ {result.task for result in own}
        if of_one:
            typer.echo(f"Only one of the two has {', '.join(sorted(of_one))}.", err=True)
    for note in dict.fromkeys(left_out):
        typer.echo(f"warning: {note}", err=True)


def documents(
    a: Configuration, b: Configuration, comparisons: list[Comparison], left_out: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """As `--json` prints them. `runs` has the newest of each side."""
    from harness.evaluation.compare_notes import prompt_notes

    of_runs = {
        "runs": {"a": a.newest.id, "b": b.newest.id},
        "configurations": {"a": a.key, "b": b.key},
        "unverified": [side for side, of_side in (("a", a), ("b", b)) if of_side.unverified],
        "warnings": list(dict.fromkeys([*prompt_notes([*a.runs, *b.runs]), *left_out])),
    }
    return [{**asdict(row), **of_runs} for row in comparisons]


def _print(comparisons: list[Comparison], first: Configuration, second: Configuration, groups: bool) -> None:
    from rich.console import Console

    from harness.cli.tables import fits, plain

    console = Console()
    names = (f"{side.called}{', unverified' if side.unverified else ''}" for side in (first, second))
    title = "a = {}\nb = {}".format(*names)
    wide = _table(title, comparisons, groups, stacked=False)
    console.print(wide if fits(console, wide) else _table(title, comparisons, groups, stacked=True))
    for c in comparisons:
        if c.of is not None and c.group == "all":
            word = "decided" if c.low > 0 or c.high < 0 else "undecided"
            sentence = (
                f"{c.task}, {c.metric}: {word} after {c.n:,} of {c.of:,} items. The figures are those of all items,"
                " from both runs together; harness show estimates a score from its run alone."
            )
            console.print(plain(sentence))


def _items(c: Comparison) -> str:
    return str(c.n) if c.of is None else f"{c.n} of {c.of}"


def _table(title: str, comparisons: list[Comparison], groups: bool, stacked: bool) -> Table:
    """`stacked`: what belongs together stands one below the other, as there is little room."""
    from harness.cli.tables import plain, table

    flipped = any(c.flips is not None for c in comparisons)
    corrected = any(c.p_holm is not None for c in comparisons)
    heads = [["task", *(["group"] if groups else []), "metric"], ["n"], ["a"], ["b"], ["b - a [95%]"]]
    heads += [["p", *(["p (Holm)"] if corrected else [])], *([["lost / gained"]] if flipped else [])]

    def laid_out(parts: list[list[str]]) -> list[str]:
        return ["\n".join(own) for own in parts] if stacked else [part for own in parts for part in own]

    columns = laid_out(heads)
    shown = table(title, columns, columns[columns.index("n") :])
    for c in comparisons:
        scale = 100 if all(0 <= v <= 1 for v in (c.a, c.b)) else 1  # points of a hundred, or as they are
        a, b, difference, low, high = (scale * v for v in (c.a, c.b, c.difference, c.low, c.high))
        cells = [[c.task, *([c.group] if groups else []), c.metric], [_items(c)], [f"{a:.1f}"], [f"{b:.1f}"]]
        cells += [[("{}\n{}" if stacked else "{} {}").format(f"{difference:+.1f}", f"[{low:+.1f}, {high:+.1f}]")]]
        cells += [[f"{c.p_value:.3g}", *(["" if c.p_holm is None else f"{c.p_holm:.3g}"] if corrected else [])]]
        cells += [["" if c.flips is None else f"{c.lost} / {c.gained}"]] if flipped else []
        clear = c.low > 0 or c.high < 0
        shown.add_row(*map(plain, laid_out(cells)), style="bold" if clear else "")
    return shown
