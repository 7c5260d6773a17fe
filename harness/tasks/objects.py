"""Tasks that a caller made, which need no registration: checked before anything is asked."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from harness.errors import UsageError
from harness.types import Item, Task

# of harness.types.Task, by what each is
_TEXTS = ("name", "protocol", "version", "metric", "data_source", "data_digest")
_CALLED = ("items", "requests", "score", "summarize")
_OTHERS = ("shots", "settings", "slow_scoring", "warnings")


def check(tasks: Sequence[Any], names: Collection[str]) -> list[Task]:
    """The same objects. UsageError where one is no Task, or has the name of another (`names` are taken)."""
    taken = set(names)
    for task in tasks:
        kind = task.__name__ if isinstance(task, type) else type(task).__name__
        if isinstance(task, type):
            raise UsageError(f"{kind} is a class: tasks takes names and objects, as {kind}(…).")
        lacking = [name for name in (*_TEXTS, *_CALLED, *_OTHERS) if not hasattr(task, name)]
        if lacking:
            raise UsageError(
                f"A task is a name or an object with what harness.types.Task lists; this {kind} has no "
                f"{', '.join(lacking)}."
            )
        for name in _TEXTS:
            value = getattr(task, name)
            if not isinstance(value, str) or (name in ("name", "version", "metric") and not value.strip()):
                raise UsageError(f"The task object {kind}: {name} is a text, not {value!r}.")
        if task.name in taken:
            raise UsageError(f"Two of the tasks are called {task.name}: give the object {kind} another name.")
        taken.add(task.name)
        often = [item for item, count in Counter(item.id for item in task.items()).items() if count > 1]
        if often:
            raise UsageError(f"{task.name}: {len(often)} items share an id with another, {often[0]!r} among them.")
    return list(tasks)


def asked(task: Task, items: Sequence[Item]) -> str:
    """A digest of the items and of what is asked about them. A task that is edited in a notebook keeps its version more
    often than not, and its answers of before are not those to the new questions."""
    content = hashlib.sha256()
    for item in items:
        row = json.dumps(dict(item.row), sort_keys=True, default=str)
        content.update(f"{item.id!r} {item.group!r} {item.cluster!r} {row} {list(task.requests(item))!r}\n".encode())
    return content.hexdigest()
