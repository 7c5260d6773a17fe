"""`harness data`: what rows are kept, and taking rows in from a folder or a hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Json, print_json

if TYPE_CHECKING:
    from data.benchmarks import Benchmark

app = typer.Typer(help="Benchmark rows: what is cached, and taking rows in.", no_args_is_help=True)


@app.command()
def status(json: Json = False) -> None:
    """List the rows that are cached, with their source and digest."""
    from data import benchmarks, cache

    kept = benchmarks.status()
    if json:
        rows = [
            {"name": one.name, "source": one.source, "rows": one.rows, "digest": one.digest, "bytes": one.size}
            for one in kept
        ]
        print_json({"cache": str(cache.folder(None)), "benchmarks": rows})
    elif kept:
        _print_table(
            f"Rows in {cache.folder(None)}",
            ("benchmark", "rows", "source", "digest", "MB"),
            [(one.name, _counts(one.rows), one.source, one.digest[:12], f"{one.size / 1e6:.1f}") for one in kept],
        )
    else:
        typer.echo(f"Nothing is cached in {cache.folder(None)}. Take rows in with: harness data import all DIR")


@app.command("import")
def import_(
    name: Annotated[str, typer.Argument(help="A benchmark, or all.")],
    source: Annotated[str, typer.Argument(help="A folder in the upstream format, hub, or hub:ID@REVISION.")],
    json: Json = False,
) -> None:
    """Read rows, check them, and keep them for later runs with the same --data."""
    from data import benchmarks
    from harness.tasks import declared

    taken = _all(source) if name == "all" else [benchmarks.refill(declared.rows_of(name), source)]
    counts = [{split: len(rows) for split, rows in one.splits.items()} for one in taken]
    if json:
        imported = [
            {"name": one.name, "source": one.source, "rows": rows, "digest": one.digest, "notes": one.notes}
            for one, rows in zip(taken, counts, strict=True)
        ]
        print_json({"imported": imported})
        return
    _print_table(
        f"Taken in from {source}",
        ("benchmark", "rows", "digest"),
        [(one.name, _counts(rows), one.digest[:12]) for one, rows in zip(taken, counts, strict=True)],
    )
    for one in taken:
        for note in one.notes:
            typer.echo(f"note: {note}", err=True)


def _all(source: str) -> list[Benchmark]:
    """Every benchmark's rows. A folder of ours need not hold those of other packages too."""
    from data import benchmarks
    from data.sources import DataError
    from harness import registry
    from harness.tasks import declared

    taken = []
    added = registry.plugins("tasks")
    for name, spec in declared.with_rows().items():
        try:
            taken.append(benchmarks.refill(spec, source))
        except DataError as error:
            if name not in added:
                raise
            typer.echo(f"note: {name} (from {added[name]}) is left out: {error}", err=True)
    return taken


def _counts(rows: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {split}" for split, count in rows.items())


def _print_table(title: str, heads: tuple[str, ...], lines: list[tuple[str, ...]]) -> None:
    from rich.console import Console

    from harness.cli.tables import plain, table

    shown = table("", heads, right=("MB",))
    for line in lines:
        shown.add_row(*map(plain, line))
    console = Console()
    console.print(plain(title))
    console.print(shown)
