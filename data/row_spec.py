"""What a benchmark declares about its rows; each benchmark's own file fills one in (`harness/tasks/`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.folder_rows import Files
from data.hub_rows import Repository
from data.rows import Content

TEXT, REPEATED_TEXT, INTEGER, NUMBER = "text", "repeated text", "integer", "number"
Kind = str | list[Any] | Mapping[str, Any]
"""The kind of a column's values: one of the four above ("repeated text" is kept once, however many rows have it),
[kind] for a list of such values, or {key: kind} for an object."""


def _nothing() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class HubSet:
    """The data set that published evaluations use. `read` is given that one, or the one that --data hub:ID names."""

    repository: str
    revision: str  # a commit; a branch is resolved when it is first loaded
    read: Callable[[Repository], Content]
    made_with: Callable[[], str] = _nothing  # the version of what else the rows are made from; "" for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSpec:
    """The rows of one benchmark. `find` and `read` raise DataError for whatever is odd, naming file and line."""

    name: str
    splits: tuple[str, ...]  # those it may have; "test" is always there
    columns: Mapping[str, Kind]  # by key, in the order of a row's keys: the digest depends on that order
    find: Callable[[Path], Files | None]  # its files by split, sorted, where the folder is its own; None where not
    read: Callable[[Files], Content]  # in a stable order
    looked_for: str  # what `find` looks for, for a message
    hub: HubSet | None = None
    archive_folders: tuple[str, ...] = ()  # what upstream's archives unpack to, looked into as well
    sample: Path | None = None  # the folder of its own sample; None where data/sample has one
    published: int | None = None  # rows of the published test set; a run on fewer or more says so
    version: str = ""  # changed when the readers change, so that rows cached before are read again
