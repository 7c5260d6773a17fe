"""`harness board`."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import DEFAULT_DB, Db

PORT = 8501


def board(
    port: Annotated[int, typer.Option(help="Where to serve.", min=1, max=65535)] = PORT,
    host: Annotated[
        str, typer.Option(help="An address of this machine; others than 127.0.0.1 show the store to the network.")
    ] = "127.0.0.1",
    export: Annotated[
        str | None, typer.Option(help="Write the leaderboard as a static site into this folder, and end.")
    ] = None,
    db: Db = DEFAULT_DB,
) -> None:
    """Serve the leaderboard: scores, runs, comparisons, studies and preference on pages."""
    from pathlib import Path

    from tuning.store import Store

    store = Store(db)
    if export is not None:
        from leaderboard.site import write

        typer.echo(f"Written: {write(store, Path(export))}")
        return
    from judges.people import raters
    from leaderboard.app import server, server_settings

    # as with `harness rate`: by name on this machine, unless there are invitations
    invited = store.exists() and any(rater.token and not rater.revoked for rater in raters.raters(store))
    settings = server_settings.Settings(str(store.path.resolve()), names=host in server_settings.LOCAL and not invited)

    def ready() -> None:
        shown = f"[{host}]" if ":" in host else host
        typer.echo(f"The board of {db} is at http://{shown}:{port}. Ctrl-C ends it.", err=True)
        if host not in server_settings.LOCAL:
            typer.echo("Whoever reaches this address reads the whole store.", err=True)

    server.serve(settings, host, port, ready)
