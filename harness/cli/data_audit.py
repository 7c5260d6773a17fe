"""`harness data audit`: which items of benchmarks stand in training rows."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import Json, print_json

MOST = 50  # flagged items of a task that are printed


def audit(
    train: Annotated[str, typer.Option(help="Training rows, as harness tune --data has them.")],
    tasks: Annotated[str, typer.Option(help="Tasks, as harness run --tasks has them.")],
    data: Annotated[
        str | None, typer.Option(help="Benchmark rows, as harness run --data has them.", show_default="each task's own")
    ] = None,
    columns: Annotated[str, typer.Option(help="Columns of --train by meaning: instruction=…,input=…,output=…")] = "",
    chat: Annotated[
        bool, typer.Option("--chat", help="For test files of messages, which are asked in a chat.")
    ] = False,
    include_path: Annotated[str | None, typer.Option(help="A folder of lm-eval tasks of your own.")] = None,
    json: Json = False,
) -> None:
    """Compare training rows with benchmark items: 13 words in a row, whole questions, and near copies."""
    from data.instruction_rows import sources
    from harness import tasks as known_tasks
    from harness.audit.audit import audit as compare
    from harness.audit.audit import lines_of
    from harness.cli.declared import in_flags
    from harness.options import about
    from harness.options.row_columns import columns_of

    with in_flags("tasks", "data", "columns", "chat", "include_path"):
        with about("columns", columns):
            declared = columns_of(columns)
        selected = known_tasks.load(tasks, data, shots=0, chat=chat, include_path=include_path)
    loaded = sources.load(train, declared=declared)
    audits = compare(selected, loaded.rows)
    if json:
        print_json({"sources": loaded.sources, "notes": loaded.notes, "tasks": [one.document for one in audits]})
        return
    from rich.console import Console

    from harness.cli.tables import plain

    console = Console()
    for note in loaded.notes:
        console.print(plain(note))
    for one in audits:
        for line in lines_of(one, MOST):
            console.print(plain(line), soft_wrap=True)
