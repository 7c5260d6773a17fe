"""Options that several commands on preference share."""

from __future__ import annotations

from typing import Annotated

import typer

# `--models A B C`: what stands behind the option's own value is arguments
More = Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", show_default=False, help="More models.")]


def words(*given: list[str] | None) -> list[str]:
    """Words of an option and of the arguments behind it, several by comma too; each once. Blank ones stay: they are
    for the declaration to refuse."""
    parts = [part for texts in given for text in texts or () for part in text.split(",")]
    return list(dict.fromkeys(part.strip() or part for part in parts))
