"""`harness export` and `harness import`: runs leave for other programs, and lm-eval's results come in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json


class Format(StrEnum):
    parquet = "parquet"
    csv = "csv"
    json = "json"


def export(
    run: Annotated[str, typer.Argument(help="The run's name, tag or id.")],
    out: Annotated[Path, typer.Argument(help="A folder; it is made where it is missing.")],
    format: Annotated[Format, typer.Option(help="json is lm-eval's results layout.")] = Format.parquet,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Write a run to files: Parquet or CSV tables, or lm-eval's results with samples."""
    from harness.exchange import export as write
    from harness.results import Store

    store = Store(db)
    run_row = store.resolve(run)
    files = write(store, run_row.id, out, format.value)
    if json:
        print_json({"run": run_row.id, "format": format.value, "files": [str(file) for file in files]})
        return
    for file in files:
        typer.echo(file)


def import_(
    path: Annotated[
        Path, typer.Argument(help="lm-eval's --output_path, or one results_*.json, with samples beside it.")
    ],
    name: Annotated[str | None, typer.Option(help="The run's name. [default: the model's]", show_default=False)] = None,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Take in results of lm-eval that have samples (--log_samples), or those that `export` wrote."""
    from harness.exchange import import_results
    from harness.results import Store

    done = import_results(Store(db), path, name)
    if json:
        runs = [
            {
                "run": one.run.id,
                "name": one.run.name,
                "model": one.run.model,
                "new": one.new,
                "tasks": [{"task": t.task, "protocol": t.protocol, "version": t.version} for t in one.tasks],
                "warnings": list(one.run.warnings),
            }
            for one in done
        ]
        print_json({"runs": runs})
        return
    for one in done:
        tasks = ", ".join(f"{task.task} ({task.protocol}, {task.version})" for task in one.tasks)
        before = "" if one.new else " was imported before"
        typer.echo(f"{one.run.id[:12]} {one.run.name}{before}: {tasks}")
        for warning in one.run.warnings:
            typer.echo(f"warning: {warning}", err=True)
