"""The files of a report, each whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from harness.errors import HarnessError


def write_files(folder: Path, content: Mapping[str, str]) -> None:
    """Files by name, in `folder`, which is made. HarnessError where they cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in content.items():
            new = folder / f".{name}.new"
            new.write_text(text, "utf-8")
            os.replace(new, folder / name)
    except OSError as error:
        raise HarnessError(f"The report cannot be written to {folder}: {error.strerror or error}.") from error


def as_markdown(text: str) -> str:
    """Text that Markdown shows as it stands: no markup, no HTML, one line."""
    return re.sub(r"([\\`*_\[\]<>|#!~&])", r"\\\1", " ".join(text.split()))
