"""`harness samples`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json


def samples(
    run: Annotated[str, typer.Argument(help="A run's id, name or tag.")],
    task: Annotated[str | None, typer.Option(help="Only this task.")] = None,
    group: Annotated[str | None, typer.Option(help="Only this subject or task group.")] = None,
    item: Annotated[str | None, typer.Option(help="Only this item.")] = None,
    wrong: Annotated[bool, typer.Option("--wrong", help="Only wrong ones.")] = False,
    flips: Annotated[
        str | None, typer.Option(help="Only where this other run is right and RUN is not, or the reverse.")
    ] = None,
    search: Annotated[str | None, typer.Option(help="Text in prompt, response, answer or note.")] = None,
    page: Annotated[int, typer.Option(min=1)] = 1,
    per_page: Annotated[int, typer.Option(min=1, max=1000)] = 10,
    shots: Annotated[bool, typer.Option("--shots", help="Show the shared prompt too.")] = False,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Read prompts, responses and scores."""
    from harness.errors import UsageError, suggest
    from harness.results import Store

    store = Store(db)
    run_row = store.resolve(run)
    known = [t.task for t in store.tasks(run_row.id) if t.items]
    if task is not None and task not in known:
        raise UsageError(
            f"The run {run_row.name} has no task {task!r}.{suggest(task, known)} It has {', '.join(known)}."
        )
    other = None if flips is None else store.resolve(flips)
    if other is not None and not {t.task for t in store.tasks(other.id)} & ({task} if task else set(known)):
        raise UsageError(f"The runs {run_row.name} and {other.name} share no task{f' {task}' if task else ''}.")
    against = None if other is None else other.id
    total = store.count(run_row.id, task, group, wrong, item, search, against)
    rows = store.page(run_row.id, task, group, wrong, item, search, (page - 1) * per_page, per_page, against)
    if json:
        print_json({"run": run_row.id, "total": total, "page": page, "samples": rows})
    else:
        _print(rows, total, page, per_page, shots)


def _print(rows: list[dict[str, Any]], total: int, page: int, per_page: int, shots: bool) -> None:
    from rich.console import Console
    from rich.rule import Rule

    from harness.cli.tables import plain

    console = Console()
    for row in rows:
        marks = ", ".join(f"{name} {value:g}" for name, value in row["metrics"].items())
        repeat = f" · answer {row['repeat'] + 1}" if row["repeat"] else ""
        console.print(Rule(plain(f"{row['task']} · {row['item']}{repeat} · {marks}"), align="left"))
        for response in row["responses"]:
            if shots and response["shared"]:
                console.print(plain(response["shared"]), style="dim")
            console.print(plain(response["own"]))
            named = response["options"] or [""] * len(response["logprobs"])
            for option, logprob in zip(named, response["logprobs"], strict=True):
                console.print(plain(f"{logprob:9.3f}  {option!r}"), style="cyan")
            if response["text"] or response["kind"] == "generate":
                console.print(plain(response["text"]), style="cyan")
            for warning in response["warnings"]:
                console.print(plain(f"! {warning}"), style="yellow")
        console.print(plain(f"read as: {row['answer']}    expected: {row['expected']}"), style="bold")
        if row["note"]:
            console.print(plain(row["note"]), style="red")
    pages = -(-total // per_page)
    console.print(plain(f"{total} samples, page {page} of {max(1, pages)}"), style="dim")
