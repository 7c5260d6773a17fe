"""`harness doctor`: is everything here that a run needs?"""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Show what is installed, what is missing and how to get it. The exit code is 6 where a run cannot work."""
    from harness.doctor import examine, fit
    from harness.errors import MissingError

    findings = examine()
    ready = fit(findings)
    if json:
        from dataclasses import asdict
        from json import dumps

        typer.echo(dumps({"ready": ready, "findings": [asdict(one) for one in findings]}, indent=2))
        raise typer.Exit(0 if ready else MissingError.exit_code)
    for one in findings:
        word, colour = ("ok", "green") if one.ok else ("MISSING", "red") if one.needed else ("absent", "yellow")
        mark = typer.style(f"{word:7}", fg=colour)
        typer.echo(f"{mark}  {one.name:14} {one.detail}")
        if not one.ok and one.remedy:
            typer.echo(f"{'':25}{one.remedy}")
    typer.echo("Ready to run." if ready else "Not ready: see what is missing above.")
    raise typer.Exit(0 if ready else MissingError.exit_code)
