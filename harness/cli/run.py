"""`harness run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.declared import Given, command_of
from harness.cli.options import Json, print_json

if TYPE_CHECKING:
    from harness.evaluation.run import Result
    from harness.options import RunOptions


@command_of("harness.options:RunOptions")
def run(
    given: Given[RunOptions],
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what it would take, and begin nothing.", rich_help_panel="Computing")
    ] = False,
    json: Json = False,
) -> None:
    """Measure a checkpoint on benchmarks; the same command again goes on."""
    if plan:
        _plan(given.options(), json)
        return
    from harness.evaluation.run import run as measure
    from harness.progress import shown
    from harness.results import Store

    options = given.options()
    with shown() as progress:
        result = measure(options, progress)
    if json:
        from harness.evaluation.report import run_document

        print_json(run_document(Store(options.db), result.run))
    else:
        _print(result, options)


def _plan(options: RunOptions, json: bool) -> None:
    from harness.estimate.estimating import estimate
    from harness.estimate.report import print_estimate

    document = estimate(options)
    if json:
        print_json(document)
        return
    from rich.console import Console

    print_estimate(Console(), document)


def _print(result: Result, options: RunOptions) -> None:
    from rich.console import Console

    from harness.backends import begun_with
    from harness.cli.tables import plain, print_run
    from harness.options.run_options import AUTO
    from harness.results import Store

    console = Console()
    if not result.computed and result.run.sampled:
        console.print("Nothing to do: this run has read as many items as --until asks for.")
    elif not result.computed:
        begun = begun_with(result.run)
        by = "" if options.backend in (AUTO, begun) else f", with --backend {begun}"
        console.print(plain(f"This run was finished before{by}; --fresh measures again."))
    elif result.resumed:
        console.print(f"{result.resumed} samples were there from before.")
    print_run(console, Store(options.db), result.run)
