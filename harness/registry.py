"""The parts that this installation has, by kind and name. Ours and those of other packages are registered in the same
way, by entry points in a package's pyproject.toml:

    [project.entry-points."harness.tasks"]
    capitals = "my_package.capitals:Capitals"

Names come from the installed packages' metadata; nothing of a package is imported before one of its parts is asked
for. What each kind of part has to be stands in CONTRIBUTING.md, and `harness.testing` has a contract suite for each.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import HarnessError, MissingError, UsageError, suggest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OURS = "lora-harness"
KINDS = {  # entry-point group without "harness.": what one of it is called
    "tasks": "task",
    "backends": "backend",
    "optimizers": "optimizer",
    "judges": "judge",
    "objectives": "objective",
    "pages": "page",
    "commands": "command",
    "api": "function",
}
NAMES = ("data", "harness", "judges", "tuning", "leaderboard")  # the packages that we install, floor by floor


class Problem(NamedTuple):
    """A part of another package that cannot be used, and why."""

    kind: str
    name: str
    package: str
    reason: str


def names(kind: str) -> list[str]:
    """The names of all parts of a kind, ours first, each in the order of the alphabet."""
    return list(_parts()[kind])


def plugins(kind: str) -> dict[str, str]:
    """Name to package of the parts that other packages add."""
    return {name: _package(entry) for name, entry in _parts()[kind].items() if _package(entry) != OURS}


def listed(kind: str) -> str:
    """All names of a kind for a message: "mmlu, bbh and (from lora-plugin) capitals"."""
    added = plugins(kind)
    return ", ".join(f"{name} (from {added[name]})" if name in added else name for name in names(kind))


def load(kind: str, name: str) -> Any:
    """The part of that name. UsageError where there is none, MissingError where a plug-in's cannot be imported."""
    entry = _parts()[kind].get(name)
    if entry is None:
        word = KINDS[kind]
        hint = suggest(name, names(kind))
        raise UsageError(f"There is no {word} {name!r}.{hint} There are {listed(kind) or 'none'}.")
    return _load(kind, entry)


def problems() -> list[Problem]:
    """What is wrong with other packages' parts; each is really imported. Never raises."""
    found = list(_shadowed())
    for kind in KINDS:
        for name, package in plugins(kind).items():
            try:
                _load(kind, _parts()[kind][name])
            except HarnessError as error:
                found.append(Problem(kind, name, package, str(error)))
    return found


def claim_names() -> None:
    """Import our packages under their names. In a notebook or a script the working folder comes first on the path, and
    may hold packages called data or judges too. UsageError where one of those is imported already."""
    import importlib
    import sys
    from pathlib import Path

    home = Path(__file__).resolve().parent.parent
    sys.path.insert(0, str(home))
    try:
        for name in NAMES:
            package = importlib.import_module(name)
            place = Path(package.__file__ or next(iter(package.__path__))).resolve()
            if not place.is_relative_to(home / name):
                raise UsageError(
                    f"The package {name} at {place} was imported before ours of the same name, and there is room for "
                    "one in a process. Start a new one (in a notebook: restart the kernel), and use harness first "
                    f"or leave {name} out."
                )
    finally:
        sys.path.remove(str(home))


def _load(kind: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except HarnessError:
        raise
    except Exception as error:
        if _package(entry) == OURS:
            raise
        reason = f"{entry.value} cannot be loaded: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise MissingError(
            f"The {KINDS[kind]} {entry.name} comes from the package {_package(entry)}, and {reason}. "
            "Update or remove that package."
        ) from error


@functools.cache
def _entries() -> Mapping[str, tuple[EntryPoint, ...]]:
    """All entry points by kind, ours first. MissingError where ours are not there: the program is not installed."""
    from importlib.metadata import entry_points

    every = entry_points()
    by_kind = {
        kind: tuple(sorted(every.select(group=f"harness.{kind}"), key=lambda e: (_package(e) != OURS, e.name)))
        for kind in KINDS
    }
    if not any(_package(entry) == OURS for entry in by_kind["commands"]):
        raise MissingError(f"This copy of {OURS} is not installed, so its parts are not registered: pip install -e .")
    return by_kind


@functools.cache
def _parts() -> Mapping[str, Mapping[str, EntryPoint]]:
    """By kind and name. The first of a name counts, and ours come first: a plug-in replaces nothing of ours."""
    parts: dict[str, dict[str, EntryPoint]] = {}
    for kind, entries in _entries().items():
        parts[kind] = {}
        for entry in entries:
            parts[kind].setdefault(entry.name, entry)
    return parts


def _shadowed() -> list[Problem]:
    return [
        Problem(
            kind,
            entry.name,
            _package(entry),
            f"{_package(_parts()[kind][entry.name])} has a {KINDS[kind]} of this name already, which is used.",
        )
        for kind, entries in _entries().items()
        for entry in entries
        if entry is not _parts()[kind][entry.name]
    ]


def _package(entry: EntryPoint) -> str:
    return entry.dist.name.lower().replace("_", "-") if entry.dist else ""
