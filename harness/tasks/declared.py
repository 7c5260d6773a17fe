"""What tasks declare beside the contract of `harness/types.py`, as attributes of the class whose `load` is registered
(or of the function that is):

    rows: RowSpec        benchmark rows of its own, which `harness data` takes in and lists
    default_place: int   of our own tasks: asked where --tasks is not given, and first on the board, in this order
    categories: Mapping  by protocol: the category of each group, of scores whose group is "category:NAME"
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from data.row_spec import RowSpec
from data.sources import DataError
from harness import registry
from harness.errors import HarnessError, suggest


@functools.cache
def defaults() -> tuple[str, ...]:
    """The tasks that are asked where none is named. Tasks of other packages are never among them."""
    added = registry.plugins("tasks")
    places = {name: _declared(name, "default_place", int) for name in registry.names("tasks") if name not in added}
    placed = {name: place for name, place in places.items() if place is not None}
    return tuple(sorted(placed, key=placed.__getitem__))


def running_programs() -> list[str]:
    """Those of `defaults` that run what a model wrote, in a sandbox."""
    return [name for name in defaults() if _declared(name, "slow_scoring", bool)]


def rows_of(name: str) -> RowSpec:
    """The rows that a task declares. DataError where there is no such task, or where it has no rows of its own."""
    known = registry.names("tasks")
    if name not in known:
        raise DataError(f"no benchmark {name!r}.{suggest(name, known)} There are {', '.join(with_rows())}.")
    spec = _declared(name, "rows", RowSpec)
    if spec is None:
        raise DataError(f"{name} has no rows to take in: it brings its own. There are {', '.join(with_rows())}.")
    return spec


def with_rows() -> dict[str, RowSpec]:
    """The rows of every task that declares some, those of `defaults` first. A task of another package that cannot be
    imported is passed over here; `harness doctor` says why."""
    specs: dict[str, RowSpec] = {}
    for name in dict.fromkeys((*defaults(), *registry.names("tasks"))):
        try:
            spec = _declared(name, "rows", RowSpec)
        except HarnessError:
            continue
        if spec is not None:
            specs[name] = spec
    return specs


def categories_of(name: str, protocol: str) -> Mapping[str, str]:
    """The category of each group; none where the task declares none, or is not installed here."""
    if name not in registry.names("tasks"):
        return {}
    own: Mapping[str, str] = (_declared(name, "categories", dict) or {}).get(protocol, {})
    return own


def _declared(name: str, attribute: str, kind: type) -> Any:
    make = registry.load("tasks", name)
    value = getattr(getattr(make, "__self__", make), attribute, None)
    return value if isinstance(value, kind) else None
