"""`harness show`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json


def show(
    run: Annotated[
        str | None, typer.Argument(help="A run's id, name or tag, or a study's; without it, the leaderboard.")
    ] = None,
    groups: Annotated[bool, typer.Option("--groups", help="Scores by subject or task too.")] = False,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Show the leaderboard, or one run."""
    from harness.errors import UsageError
    from harness.results import Store

    store = Store(db)
    if run is not None:
        try:
            run_row = store.resolve(run)
        except UsageError:
            if _shown_by_another(run, db, json):
                return
            raise
        if json:
            from harness.evaluation.report import run_document

            print_json(run_document(store, run_row))
            return
        from rich.console import Console

        from harness.cli.tables import print_run

        print_run(Console(), store, run_row, groups)
        return
    from harness.evaluation.report import leaderboard

    rows = leaderboard(store)
    if json:
        print_json({"runs": rows})
    else:
        _print(rows, db)


def _shown_by_another(word: str, db: str, json: bool) -> bool:
    """Whether one of the views that are registered knows the word (a study's name, say), and has shown it."""
    from harness import registry

    return any(registry.load("show", name)(word, db, json) for name in registry.names("show"))


def _print(rows: list[dict[str, Any]], db: str) -> None:
    from rich.console import Console

    from harness.cli.tables import interval, plain, table

    console = Console()
    if not rows:
        console.print(plain(f"{db} holds no scores yet. Begin with: harness run --model tiny --data sample"))
    for protocol in sorted({row["protocol"] for row in rows}):
        of_protocol = [row for row in rows if row["protocol"] == protocol]
        names = sorted({task for row in of_protocol for task in row["scores"]})
        shown = table(f"protocol {protocol}", ("run", *names), right=names)
        for row in of_protocol:
            cells = [interval(row["scores"][n]).replace(" ", "\n", 1) if n in row["scores"] else "" for n in names]
            marks = "".join(f" ({mark})" for mark in ("partial", "unverified", "chat") if row[mark])
            name = row["name"] + marks
            model = f"\n{_short(row['model'])}" if row["model"] != row["name"] else ""
            shown.add_row(
                *map(plain, (f"{name}\n{row['run'][:8]}{model}", *cells)), style="dim" if row["partial"] else ""
            )
        console.print(shown)


def _short(model: str) -> str:
    """A long path's end: `show RUN` has the whole."""
    from pathlib import PurePath

    parts = PurePath(model).parts
    return str(PurePath("…", *parts[-2:])) if len(parts) > 3 and "://" not in model else model
