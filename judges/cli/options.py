"""Options that several commands on preference share."""

from __future__ import annotations

from typing import Annotated

import typer

# `--models A B C`: what stands behind the option's own value is arguments
More = Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", show_default=False, help="More models.")]


def words(*given: list[str] | None) -> list[str]:
    """Words of an option and of the arguments behind it, several by comma too; each once."""
    parts = [part.strip() for some in given for word in some or () for part in word.split(",")]
    return list(dict.fromkeys(part for part in parts if part))
