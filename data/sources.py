"""What `--data` means: a folder in the upstream format, a hub data set, or the bundled sample.

Nothing here ever stands in for something else: what is asked for and not there is a `DataError`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SAMPLE = Path(__file__).resolve().parent / "sample"
WHAT_TO_DO = "Pass --data DIR for a folder in the upstream format, or --data sample for the small bundled sample."


class DataError(Exception):
    """Rows that are missing or broken. The message says what, where, and what to do."""

    exit_code = 3

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows (IPython asks for it): the sentence, as on the command line."""
        return [f"{type(self).__name__}: {self}"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where to look. `folder` is set for a folder and the sample, `repository` where a hub id was given."""

    kind: Literal["folder", "sample", "hub"]
    folder: Path = Path()
    repository: str = ""
    revision: str = ""  # a branch, a tag or a commit; "" is the pinned one


def near(word: str, known: Iterable[str]) -> str:
    """' Did you mean X?' for the nearest known name, or ''."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {matches[0]}?" if matches else ""


def resolve(source: str | Path | None) -> Source:
    """`None` and "hub" are the pinned hub data set, "hub:ID" and "hub:ID@REVISION" another, "sample" the
    bundled rows; anything else is a folder (a folder called `sample` is `./sample`)."""
    if source is None or source == "hub":
        return Source("hub")
    if source == "sample":
        return Source("sample", folder=SAMPLE)
    if isinstance(source, str) and source.startswith("hub:"):
        repository, _, revision = source.removeprefix("hub:").partition("@")
        if not repository:
            raise DataError(f"{source!r} names no hub data set. Write hub:OWNER/NAME or hub:OWNER/NAME@REVISION.")
        if ":" in repository or "#" in source:
            raise DataError(
                f"{source!r} names a configuration or a split, which only rows to train on have. Write "
                "hub:OWNER/NAME or hub:OWNER/NAME@REVISION."
            )
        return Source("hub", repository=repository, revision=revision or "main")
    return Source("folder", folder=_existing(Path(source).expanduser()))


def _existing(folder: Path) -> Path:
    if folder.is_dir():
        return folder.resolve()
    if folder.exists():
        raise DataError(f"{folder} is a file. --data takes the folder that holds it: {folder.parent}.")
    parent = folder.absolute().parent
    while not parent.is_dir():
        parent = parent.parent
    missing = folder.absolute().relative_to(parent).parts[0]
    try:
        beside = {path.name: str(path) for path in parent.iterdir() if path.is_dir()}
    except OSError:
        beside = {}
    matches = difflib.get_close_matches(missing, beside, n=1, cutoff=0.6)
    hint = f" Did you mean {beside[matches[0]]}?" if matches else ""
    raise DataError(f"no such folder: {folder}.{hint} {WHAT_TO_DO}")
