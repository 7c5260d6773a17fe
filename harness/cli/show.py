"""`harness show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import DEFAULT_DB, Db, Json, print_json

if TYPE_CHECKING:
    from harness.results import RunRow, Store


def show(
    run: Annotated[
        str | None,
        typer.Argument(
            help="A run's id, name or tag, or the name of a configuration or study; without it, the leaderboard."
        ),
    ] = None,
    groups: Annotated[bool, typer.Option("--groups", help="Scores of one run by subject or task too.")] = False,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Show the leaderboard, one run, or a configuration with its seeds' runs."""
    from harness.errors import UsageError
    from harness.evaluation.configurations import resolve
    from harness.evaluation.leaderboard import leaderboard
    from harness.results import Store

    store = Store(db)
    if run is None:
        _leaderboard(leaderboard(store), db, json)
        return
    try:
        meant = resolve(store, run)
    except UsageError:
        if _shown_by_another(run, db, json):
            return
        raise
    if len(meant.runs) == 1:
        _run(store, meant.newest, groups, json)
        return
    if groups:
        raise UsageError(f"--groups is for one run, and {meant.called} has several; `harness show {run!r}` lists them.")
    rows = leaderboard(store, meant)
    if json:
        print_json({"runs": rows})
    else:
        from rich.console import Console

        from harness.cli.leaderboard_tables import print_configuration

        print_configuration(Console(), rows)


def _run(store: Store, run: RunRow, groups: bool, json: bool) -> None:
    if json:
        from harness.evaluation.report import run_document

        print_json(run_document(store, run))
    else:
        from rich.console import Console

        from harness.cli.tables import print_run

        print_run(Console(), store, run, groups)


def _shown_by_another(word: str, db: str, json: bool) -> bool:
    """Whether one of the views that are registered knows the word (a study's name, say), and has shown it."""
    from harness import registry

    return any(registry.load("show", name)(word, db, json) for name in registry.names("show"))


def _leaderboard(rows: list[dict[str, Any]], db: str, json: bool) -> None:
    from rich.console import Console

    from harness.cli.leaderboard_tables import print_leaderboard
    from harness.cli.tables import plain

    if json:
        print_json({"runs": rows})
    elif rows:
        print_leaderboard(Console(), rows)
    else:
        Console().print(plain(f"{db} holds no scores yet. Begin with: harness run --model tiny --data sample"))
