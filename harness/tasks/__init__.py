"""The benchmarks: parts by name (harness/registry.py), and those of lm-eval. `load` turns what `--tasks` says into
tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import registry
from harness.errors import UsageError, suggest

if TYPE_CHECKING:
    from harness.tasks.lm_eval_bridge.groups import Aggregate
    from harness.types import Task, TaskFactory

LM_EVAL = "lm_eval:"


@dataclass(frozen=True, slots=True)
class Selected:
    task: Task
    groups: tuple[str, ...]  # () is all of them
    aggregates: tuple[Aggregate, ...] = ()  # of lm-eval groups that were asked for with it


def parse(tasks: str) -> dict[str, tuple[str, ...]]:
    """ "one:a,one:b,two" → {"one": ("a", "b"), "two": ()}."""
    wanted: dict[str, list[str]] = {}
    whole: set[str] = set()
    for word in (w.strip() for w in tasks.split(",")):
        if not word:
            continue
        name, _, group = word.partition(":")
        if word.startswith(LM_EVAL):
            name, group = word, ""
            if word == LM_EVAL:
                raise UsageError("lm_eval: wants the name of a task after the colon, as in lm_eval:hellaswag.")
        else:
            registry.check("tasks", name, f", and {LM_EVAL}NAME for any task of lm-evaluation-harness")
        groups = wanted.setdefault(name, [])
        if group:
            groups.append(group)
        else:
            whole.add(name)
    if not wanted:
        raise UsageError(f"--tasks names no task. There are {registry.listed('tasks')}.")
    return {name: () if name in whole else tuple(dict.fromkeys(groups)) for name, groups in wanted.items()}


def load(
    tasks: str,
    data: str | None = None,
    protocol: str = "standard",
    shots: int | None = None,
    chat: bool = False,
    include_path: str | None = None,
) -> list[Selected]:
    """Raises UsageError for a name, group or setting that does not exist, DataError for data that is not there."""
    chosen: list[Selected] = []
    for name, groups in parse(tasks).items():
        if name.startswith(LM_EVAL):
            if protocol != "standard":
                raise UsageError(
                    f"{name} is scored as lm-evaluation-harness does; --protocol {protocol} has no such task."
                )
            from harness.tasks.lm_eval_bridge.tasks import load_lm_eval

            known = {selected.task.name for selected in chosen}  # a group may hold what was named by itself
            members, aggregates = load_lm_eval(name.removeprefix(LM_EVAL), include_path, shots, chat)
            chosen += [Selected(task, (), tuple(aggregates)) for task in members if task.name not in known]
            continue
        chosen.append(_registered(name, groups, data, protocol, shots, chat))
    return chosen


def _registered(
    name: str, groups: Sequence[str], data: str | None, protocol: str, shots: int | None, chat: bool
) -> Selected:
    make: TaskFactory = registry.load("tasks", name)
    task = make(data, protocol, shots, chat)
    known = dict.fromkeys(item.group for item in task.items())
    for group in groups:
        if group not in known:
            raise UsageError(f"{name} has no group {group!r}.{suggest(group, known)} It has: {', '.join(known)}.")
    return Selected(task, tuple(groups))
