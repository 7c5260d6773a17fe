"""`harness tune`: a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.declared import Given, command_of
from harness.cli.options import Json, print_json
from tuning.cli.studies import enqueue, list_, show, stop
from tuning.cli.top import report, top

if TYPE_CHECKING:
    from tuning.study.options import TuneOptions
    from tuning.study.session import Result

app = typer.Typer(
    help="Search for LoRA hyperparameters; the same command again goes on.",
    invoke_without_command=True,
    add_completion=False,
    subcommand_metavar="[COMMAND]",
)

for _name, _command in (
    ("list", list_),
    ("show", show),
    ("stop", stop),
    ("enqueue", enqueue),
    ("top", top),
    ("report", report),
):
    app.command(_name)(_command)


@app.callback()
@command_of("tuning.study.options:TuneOptions")
def tune(
    given: Given[TuneOptions],
    file: Annotated[
        Path | None,
        typer.Option("--study", help="A study file (TOML); options given here come first.", rich_help_panel="Search"),
    ] = None,
    sweep_validation: Annotated[
        str | None,
        typer.Option(help="Several sizes of the validation part: 50,100,200. A study each.", rich_help_panel="Rows"),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what it would take, and begin nothing.", rich_help_panel="Computing")
    ] = False,
    price_in: Annotated[
        float | None,
        typer.Option(help="With --plan: the judge's, per million tokens asked.", min=0, rich_help_panel="Computing"),
    ] = None,
    price_out: Annotated[
        float | None,
        typer.Option(help="With --plan: the judge's, per million tokens said.", min=0, rich_help_panel="Computing"),
    ] = None,
    json: Json = False,
) -> None:
    """Search for LoRA hyperparameters; the same command again goes on.

    harness tune --model tiny --data sample --optimizer nomad --budget 20"""
    if given.context.invoked_subcommand is not None:
        return
    from tuning.report.documents import require_a_trial

    options = given.options(file)
    if plan or price_in is not None or price_out is not None:
        swept = [options] if sweep_validation is None else _swept(options, sweep_validation)
        _plan(swept, plan, price_in, price_out, json)
        return
    if sweep_validation is None:
        require_a_trial(_search(options, json))
        return
    documents = [_search(sized, json, quiet=json) for sized in _swept(options, sweep_validation)]
    if json:
        print_json({"studies": documents})
    for document in documents:
        require_a_trial(document)


def _plan(several: list[TuneOptions], plan: bool, price_in: float | None, price_out: float | None, json: bool) -> None:
    from rich.console import Console

    from harness.errors import UsageError
    from judges.judging.cost import prices
    from tuning.estimate.estimating import estimate
    from tuning.estimate.report import print_estimate

    if not plan:
        raise UsageError("--price-in and --price-out go with --plan, which says what a judge would cost.")
    rates = prices(price_in, price_out, None)
    documents = [estimate(options, rates) for options in several]
    if json:
        print_json(documents[0] if len(documents) == 1 else {"studies": documents})
        return
    for document in documents:
        print_estimate(Console(), document)


def _swept(options: TuneOptions, validation: str) -> list[TuneOptions]:
    from harness.options import about
    from tuning.study.row_options import swept

    with about("sweep_validation", validation):
        several = swept(options.sizes, validation)
    return [options.replace(sizes=sizes) for sizes in several]


def _search(options: TuneOptions, json: bool, quiet: bool = False) -> dict[str, Any]:
    from harness.progress import shown
    from tuning.report.documents import study_document
    from tuning.study import session

    with shown() as progress:
        result = session.run(options, progress)
    document = study_document(result.row, result.ledger, result.merged)
    if json and not quiet:
        print_json(document)
    elif not json:
        _print(result, document)
    return document


def _print(result: Result, document: dict[str, Any]) -> None:
    from rich.console import Console

    from tuning.report.documents import print_study

    console = Console()
    if not result.computed:
        more = "" if document["study"]["ended"] else " A larger --budget goes on."
        console.print(f"This study was finished before.{more}")
    print_study(console, document)
