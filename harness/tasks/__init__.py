"""The benchmarks: parts by name (harness/registry.py), those of lm-eval, and a user's own test files. `load` turns what
`--tasks` says into tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import registry
from harness.errors import UsageError, suggest
from harness.options import OptionError, about

if TYPE_CHECKING:
    from harness.tasks.lm_eval_bridge.groups import Aggregate
    from harness.types import Task, TaskFactory

LM_EVAL = "lm_eval:"
FILE = "file:"


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
        elif word.startswith(FILE):
            path, group = _path_and_group(word.removeprefix(FILE))
            name = FILE + path
        else:
            more = f", {LM_EVAL}NAME for any task of lm-evaluation-harness, and {FILE}PATH for a test file of your own"
            registry.check("tasks", name, more)
        groups = wanted.setdefault(name, [])
        if group:
            groups.append(group)
        else:
            whole.add(name)
    if not wanted:
        raise UsageError(f"No task is named. There are {registry.listed('tasks')}.")
    return {name: () if name in whole else tuple(dict.fromkeys(groups)) for name, groups in wanted.items()}


def _path_and_group(word: str) -> tuple[str, str]:
    """Of file:PATH:GROUP. Both may hold a colon: the longest PATH that is a file counts."""
    ends = [len(word), *(at for at in range(len(word) - 1, 0, -1) if word[at] == ":")]
    end = next((at for at in ends if Path(word[:at]).expanduser().is_file()), len(word))
    return word[:end], word[end + 1 :]


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
    with about("tasks", tasks):
        named = parse(tasks)
    for name, groups in named.items():
        if name.startswith(LM_EVAL):
            if protocol != "standard":
                text = f": {name} is scored as lm-evaluation-harness does, and has no such protocol."
                raise OptionError("protocol", protocol, text)
            from harness.tasks.lm_eval_bridge.tasks import load_lm_eval

            known = {selected.task.name for selected in chosen}  # a group may hold what was named by itself
            members, aggregates = load_lm_eval(name.removeprefix(LM_EVAL), include_path, shots, chat)
            chosen += [Selected(task, (), tuple(aggregates)) for task in members if task.name not in known]
            continue
        if name.startswith(FILE):
            from harness.tasks.file_tasks.tasks import FileTask

            path = name.removeprefix(FILE)
            task: Task = FileTask.load(path, protocol, shots, chat)
            if any(task.name == selected.task.name for selected in chosen):
                raise UsageError(f'Two test files are called {task.name}. Write name = "…" into {path}.toml for one.')
        else:
            make: TaskFactory = registry.load("tasks", name)
            task = make(data, protocol, shots, chat)
        with about("tasks", tasks):
            chosen.append(_selected(task, groups))
    return chosen


def _selected(task: Task, groups: Sequence[str]) -> Selected:
    known = dict.fromkeys(item.group for item in task.items())
    for group in groups:
        if group not in known:
            raise UsageError(f"{task.name} has no group {group!r}.{suggest(group, known)} It has: {', '.join(known)}.")
    return Selected(task, tuple(groups))
