"""`harness data`: what rows are kept, and taking rows in from a folder or a hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import data_tokens, file_explanation
from harness.cli.data_audit import audit
from harness.cli.options import Json, print_json

if TYPE_CHECKING:
    from data.benchmarks import Benchmark
    from data.instruction_rows.explanation import Explanation as RowsExplanation
    from data.sources import DataError
    from harness.tasks.file_tasks.explanation import Explanation

app = typer.Typer(
    help="Benchmark rows: what is cached, taking rows in, and what a file of your own holds.", no_args_is_help=True
)
app.command("audit")(audit)


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


@app.command()
def show(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A file of tests (--tasks file:PATH), of instruction rows, or of both; or what tune's --data takes.",
        ),
    ],
    columns: Annotated[
        str, typer.Option(help="Columns of instruction rows, as for tune: instruction=COLUMN,output=COLUMN.")
    ] = "",
    model: data_tokens.Model = None,
    template: data_tokens.Template = None,
    max_tokens: data_tokens.MaxTokens = None,
    add_bos: data_tokens.AddBos = False,
    json: Json = False,
) -> None:
    """Explain a file as a test, as instruction rows, or as both: its shape, what is in it, and its first rows as they
    will be asked or trained."""
    from data.sources import DataError

    test, rows = _as_test(source), _as_rows(source, columns)
    as_tokens = data_tokens.asked(model, template, max_tokens, add_bos)
    if isinstance(rows, DataError) and (columns or as_tokens or not _may_be_a_test(source)):
        raise rows
    if isinstance(test, DataError) and isinstance(rows, DataError):
        raise test if str(test) == str(rows) else DataError(f"As a test: {test} As instruction rows: {rows}")
    tokens = None if as_tokens is None or isinstance(rows, DataError) else as_tokens(rows.kept)
    if json:
        document = {} if isinstance(test, DataError) else test.document
        document["instruction_rows"] = None if isinstance(rows, DataError) else rows.document
        print_json({**document, **({"tokens": tokens.document} if tokens else {})})
        return
    if not isinstance(test, DataError):
        file_explanation.print_test(test)
    if not isinstance(rows, DataError):
        file_explanation.print_rows(rows, tokens)


def _may_be_a_test(source: str) -> bool:
    """Is it no hub data set, folder or list of files, which are rows to train on alone?"""
    from pathlib import Path

    path = Path(source).expanduser()
    return path.is_file() or not (
        source in ("hub", "sample") or source.startswith("hub:") or path.is_dir() or "," in source
    )


def _as_test(source: str) -> Explanation | DataError:
    from data.sources import DataError
    from harness.tasks.file_tasks.explanation import explain

    try:
        return explain(source)
    except DataError as error:
        return error


def _as_rows(source: str, columns: str) -> RowsExplanation | DataError:
    from data.instruction_rows.explanation import explain
    from data.sources import DataError
    from harness.errors import UsageError
    from harness.options.row_columns import columns_of

    try:
        declared = columns_of(columns)
    except UsageError as error:
        raise UsageError(f"--columns {columns}: {error}") from error
    try:
        return explain(source, declared)
    except DataError as error:
        return error


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
