"""`harness merge`: a LoRA adapter and its base become one checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(
    adapter: Annotated[str, typer.Argument(help="A LoRA adapter's folder, or its hub id.")],
    out: Annotated[Path, typer.Argument(help="The new folder, which must not hold anything.")],
    base: Annotated[str | None, typer.Option(help="The base model, where the adapter does not name it.")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16. [default: the base's]", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Write a LoRA adapter and its base as one checkpoint, and check it against the live adapter."""
    from harness.cli.declared import in_flags
    from harness.models.adapter import merge as write

    with in_flags("base", "dtype", "device"):
        note = write(adapter, out, base, dtype, device)
    if json:
        from json import dumps

        typer.echo(dumps({"out": str(out), **note}, indent=2))
        return
    for warning in note["warnings"]:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(
        f"{out}: {note['adapter']} merged into {note['base']} in {note['dtype']}. Logits differ from the live "
        f"adapter's by at most {note['largest_difference']:.1g} standard deviations (limit {note['tolerance']:g})."
    )
