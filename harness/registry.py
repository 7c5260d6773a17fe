"""The parts that this installation has, by kind and name. Ours and those of other packages are registered in the same
way, by entry points in a package's pyproject.toml:

    [project.entry-points."harness.tasks"]
    capitals = "my_package.capitals:Capitals.load"

Names come from the installed packages' metadata; nothing of a package is imported before one of its parts is asked
for. What each kind of part has to be stands in CONTRIBUTING.md, and `harness.testing` has a contract suite for each.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import HarnessError, MissingError, UsageError, suggest

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

OURS = "lora-harness"
PACKAGES = ("data", "harness", "judges", "tuning", "leaderboard")  # that we install, floor by floor
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # it stands in lists with commas, before a colon and in addresses


class Kind(NamedTuple):
    word: str  # what one of it is called
    members: tuple[str, ...] = ()  # that an entry point's object has; without them it is called
    ours_only: str = ""  # why those of other packages are listed and not used


KINDS = {  # by entry-point group without "harness."
    "tasks": Kind("task"),
    "backends": Kind("backend"),
    "optimizers": Kind("optimizer", ("ask", "tell", "close", "max_objectives", "takes_constraints")),
    "judges": Kind("judge"),
    "graders": Kind("grader"),
    "objectives": Kind("objective"),
    "pages": Kind("page", ("title", "render")),
    "commands": Kind("command"),
    "api": Kind("function"),
    "schemas": Kind(
        "schema",
        ("steps", "take", "orphans"),
        ours_only="the version of a store is one number, which two packages could mean different things by",
    ),
    "show": Kind("view"),
    "export": Kind("exporter"),
    "tracked": Kind("source of tracked runs"),
}


class Problem(NamedTuple):
    """What is wrong with a part of another package, in sentences. `name` is "" where it is the whole package."""

    package: str
    name: str
    reason: str


def names(kind: str, first: Sequence[str] = ()) -> list[str]:
    """The names of all parts of a kind: those of `first` in its order, ours and then those of other packages, both in
    the order of the alphabet."""
    parts = _parts()[kind]
    return [*(name for name in first if name in parts), *(name for name in parts if name not in first)]


def plugins(kind: str) -> dict[str, str]:
    """Name to package of the parts that other packages add."""
    return {name: package for name, entry in _parts()[kind].items() if (package := _package(entry)) != OURS}


def listed(kind: str, shown: Iterable[str] | None = None) -> str:
    """Names of a kind for a message, all where none are given: "mmlu, bbh, capitals (from lora-plugin)"."""
    added = plugins(kind)
    chosen = names(kind) if shown is None else shown
    return ", ".join(f"{name} (from {added[name]})" if name in added else name for name in chosen)


def check(kind: str, name: str, more: str = "") -> None:
    """UsageError, with all names of the kind and then `more`, where there is no part of that name. Imports nothing."""
    if name not in _parts()[kind]:
        hint = suggest(name, names(kind))
        raise UsageError(f"There is no {KINDS[kind].word} {name!r}.{hint} There are {listed(kind) or 'none'}{more}.")


def load(kind: str, name: str) -> Any:
    """The part of that name. UsageError where there is none, MissingError where a plug-in's cannot be imported."""
    check(kind, name)
    return _load(kind, _parts()[kind][name])


def problems() -> list[Problem]:
    """What is wrong with other packages' parts, each of which is really imported. Never raises."""
    _, broken = _entries()
    return [*broken, *_left_out(), *_not_loading()]


def claim_names() -> None:
    """Import our packages under their names. In a notebook or a script the working folder comes first on the path, and
    may hold packages called data or judges too. UsageError where one of those is imported already."""
    import importlib
    import sys
    from pathlib import Path

    home = Path(__file__).resolve().parent.parent
    sys.path.insert(0, str(home))
    try:
        for name in PACKAGES:
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
    """An object that is what its kind says; of another package nothing can go wrong but with a sentence."""
    try:
        part = entry.load()
        if lacking := [member for member in KINDS[kind].members if not hasattr(part, member)]:
            raise TypeError(f"it has no {' and no '.join(lacking)}")
        if not KINDS[kind].members and not callable(part):
            raise TypeError("it cannot be called")
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:
        if _package(entry) == OURS:
            raise
        reason = f"{entry.value} cannot be loaded: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise MissingError(
            f"The {KINDS[kind].word} {entry.name} is a plug-in of the package {_package(entry)}, and {reason}. "
            "Update or remove that package."
        ) from error
    return part


@functools.cache
def _entries() -> tuple[Mapping[str, tuple[EntryPoint, ...]], tuple[Problem, ...]]:
    """Entry points by kind, ours first, and packages whose lists cannot be read. MissingError where ours are not there:
    the program is not installed."""
    from importlib.metadata import entry_points

    broken: tuple[Problem, ...] = ()
    try:
        installed = entry_points()
        every = [entry for kind in KINDS for entry in installed.select(group=f"harness.{kind}")]
    except Exception:  # one package's list is broken, and which one it is takes longer to find
        every, broken = _one_by_one()
    groups: dict[str, list[EntryPoint]] = {f"harness.{kind}": [] for kind in KINDS}
    for entry in every:
        if entry.group in groups:
            groups[entry.group].append(entry)
    by_kind = {}
    for kind in KINDS:
        entries = sorted(groups[f"harness.{kind}"], key=lambda entry: (_package(entry) != OURS, entry.name))
        if not entries or _package(entries[0]) != OURS:
            raise MissingError(
                f"This copy of {OURS} is not installed, or was installed before its last update: its {kind} are not "
                "registered. Install it again: pip install -e . (or pip install lora-harness)."
            )
        by_kind[kind] = tuple(entries)
    return by_kind, broken


def _one_by_one() -> tuple[list[EntryPoint], tuple[Problem, ...]]:
    """All that can be read of what is installed, and what cannot. The first package of a name counts, as on import."""
    from importlib.metadata import distributions

    entries: list[EntryPoint] = []
    problems: list[Problem] = []
    seen: set[str] = set()
    for distribution in distributions():
        name = _name(distribution)
        if name in seen:
            continue
        seen.add(name)
        try:
            entries += distribution.entry_points
        except Exception as error:
            problems.append(Problem(name, "", f"Its entry points cannot be read: {' '.join(str(error).split())}."))
    return entries, tuple(problems)


@functools.cache
def _parts() -> Mapping[str, Mapping[str, EntryPoint]]:
    """By kind and name. The first of a name counts, and ours come first: a plug-in replaces nothing of ours."""
    parts: dict[str, dict[str, EntryPoint]] = {}
    for kind, entries in _entries()[0].items():
        parts[kind] = {}
        for entry in entries:
            if _NAME.fullmatch(entry.name):
                parts[kind].setdefault(entry.name, entry)
    return parts


def _left_out() -> Iterable[Problem]:
    for kind, entries in _entries()[0].items():
        word = KINDS[kind].word
        for entry in entries:
            used = _parts()[kind].get(entry.name)
            if used is None:
                form = "letters, digits, dots, dashes and underscores"
                yield Problem(_package(entry), entry.name, f"A {word}'s name is made of {form}, not {entry.name!r}.")
            elif used is not entry:
                owner = _package(used)
                yield Problem(_package(entry), entry.name, f"{owner} has a {word} of this name too, which is used.")


def _not_loading() -> Iterable[Problem]:
    for kind in KINDS:
        for name, package in plugins(kind).items():
            try:
                _load(kind, _parts()[kind][name])
            except HarnessError as error:
                yield Problem(package, name, str(error))


def _package(entry: EntryPoint) -> str:
    return _name(entry.dist) if entry.dist else ""


@functools.cache
def _name(distribution: Distribution) -> str:
    """As package indexes write it. Its metadata are read for that, which may be missing."""
    try:
        return re.sub(r"[-_.]+", "-", distribution.name).lower()
    except Exception:
        return "a package without a name"
