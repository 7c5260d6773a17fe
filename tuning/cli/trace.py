"""`harness trace`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json

Thing = Annotated[
    list[str],
    typer.Argument(
        metavar="THING...",
        help="RUN TASK (a score), RUN TASK ITEM, RUN against RUN, STUDY TRIAL; a run, a study, answers, a judge or a "
        "verdict by id or name; configuration=NAME; a page's address; a study's file or report.",
    ),
]


def trace(thing: Thing, db: Db = DEFAULT_DB, json: Json = False) -> None:
    """Show where a number comes from: samples, run, checkpoint, trial, study, rows, base, program and machine."""
    from tuning.store import Store
    from tuning.trace import links, naming

    link = naming.trace(Store(db), thing)
    if json:
        print_json(links.document(link))
        return
    from rich.console import Console

    from tuning.trace.printing import print_trace

    print_trace(Console(), link)
