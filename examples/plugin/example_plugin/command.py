"""The command `latest`: what the newest run measured."""

from __future__ import annotations

import typer

from harness.cli.options import DEFAULT_DB, Db


def latest(db: Db = DEFAULT_DB) -> None:
    """Print the newest run's name and its overall scores."""
    from harness.errors import UsageError
    from tuning.store import Store

    store = Store(db)
    runs = store.runs() if store.exists() else []
    if not runs:
        raise UsageError(f"{store.path} holds no runs. `harness run` makes one.")
    newest = max(runs, key=lambda run: run.created)
    typer.echo(newest.name)
    for score in store.scores(newest.id):
        if score.group == "all":
            typer.echo(f"{score.task} {score.metric} {score.value:.4f}")
