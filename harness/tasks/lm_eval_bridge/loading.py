"""Finding and building tasks of lm-evaluation-harness: its index, a user's folder, what is refused, and why.

Source: lm-evaluation-harness 0.4.13, `lm_eval/tasks/manager.py` and `lm_eval/evaluator.py` (seeds).
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UsageError, suggest
from harness.options import OptionError
from harness.tasks import declared

SEED, OTHER_SEED = 0, 1234  # of lm-eval's command line: Python's generator; numpy's and the shots'


def own_folder(include_path: str | Path | None) -> Path | None:
    if include_path is None:
        return None
    if not (folder := Path(include_path).expanduser().resolve()).is_dir():
        raise OptionError("include_path", str(include_path), " must be a folder with lm-eval YAML files.")
    return folder


def _index(folder: Path | None) -> Any:
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=str(folder) if folder else None, include_defaults=folder is None)


@functools.cache
def _builtin() -> Any:
    """lm-eval's own index. Its 14,683 names take 10 s to read: once a process, and only if needed."""
    return _index(None)


def manager_of(name: str, folder: Path | None) -> Any:
    """The lm-eval TaskManager that knows `name`. A user's task stands before lm-eval's of the same name."""
    if folder is None:
        manager = _builtin()
    else:
        manager = _index(folder)
        own = manager.task_index
        if name in own and all(member in own for member, _ in _members(name, own, set())):
            return manager
        own |= {other: entry for other, entry in _builtin().task_index.items() if other not in own}
    if name not in manager.task_index:
        broken = f" {_broken_yaml(folder)}" if folder else ""
        hint = suggest(name, manager.task_index)
        raise UsageError(f"lm-eval has no task, group or tag named {name!r}.{hint}{broken}".strip())
    return manager


def _broken_yaml(folder: Path) -> str:
    """lm-eval passes over files that it cannot read; here they are the likely reason."""
    from harness.compat import load_lm_eval_yaml

    for path in sorted(folder.glob("**/*.yaml")):
        try:
            load_lm_eval_yaml(path)
        except Exception as error:
            return f"{path} could not be read: {error}"
    return ""


def refuse_unsafe(name: str, manager: Any) -> None:
    """Before anything is loaded: `unsafe_code` in the task, in a member of the group, or in a member's overrides."""
    for task, config in _members(name, manager.task_index, set()):
        if config.get("unsafe_code"):
            raise UsageError(
                f"lm-eval's task {task!r} runs code that a model wrote, without a sandbox, so it is refused. "
                f"Use the native task `{'` or `'.join(declared.running_programs())}`, which runs programs in ours."
            )


def _members(name: str, index: Mapping[str, Any], seen: set[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The task, group or tag `name` and all that it holds, with their configurations ({} for a name not in `index`)."""
    if name in seen:
        return
    seen.add(name)
    entry = index.get(name)
    config: Mapping[str, Any] = (entry.cfg if entry else None) or {}
    yield name, config
    held = config.get("task")
    tagged = sorted(entry.tags) if entry and entry.yaml_path is None else []  # a task's `tags` are those it bears
    for member in [*tagged, *(held if isinstance(held, list) else [])]:
        known = member
        if isinstance(member, dict):  # with settings of its own, or a group or task that stands only here
            known = str(member.get("group") or member.get("task"))
            yield name, member
            if known not in index:
                continue
        yield from _members(known, index, seen)


def load(name: str, manager: Any) -> tuple[dict[str, Any], list[Any]]:
    """lm-eval's tasks by name, and its groups."""
    try:
        contents = manager.load([name])
        loaded, groups = dict(contents["tasks"]), list(contents["groups"].values())
    except Exception as error:
        raise _explained(name, error) from error
    if not loaded:
        raise UsageError(f"lm-eval's group {name!r} has no tasks.")
    for task in loaded.values():
        if getattr(task, "UNSAFE_CODE", False) or getattr(task, "MULTIMODAL", False):
            why = (
                "runs code that a model wrote" if getattr(task, "UNSAFE_CODE", False) else "asks about images or sound"
            )
            raise UsageError(f"lm-eval's task {task.config.task!r} {why}, which is refused here.")
    return loaded, groups


def _explained(name: str, error: Exception) -> Exception:
    from data.sources import DataError

    frames, trace = [], error.__traceback__
    while trace:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"
    if "load_dataset" in frames:
        return DataError(
            f"The rows of lm-eval's task {name!r} could not be loaded ({reason}). Go online once so that `datasets` "
            "caches them, or write a YAML file with `dataset_path: json` and `dataset_kwargs: {data_files: …}` that "
            "names local files, and pass its folder with --include-path."
        )
    return UsageError(f"lm-eval cannot build its task {name!r} ({reason}). Look into the task's YAML file.")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """lm-eval logs a line a task and `datasets` draws a bar a split; neither is for our user."""
    import datasets

    logger = logging.getLogger("lm_eval")
    level, bars = logger.level, datasets.are_progress_bars_disabled()
    logger.setLevel(logging.ERROR)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if not bars:
            datasets.enable_progress_bars()


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    """The global generators as lm-eval's command line seeds them (some tasks shuffle options with them)."""
    import random

    import numpy as np

    before, np_before = random.getstate(), np.random.get_state()
    random.seed(SEED)
    np.random.seed(OTHER_SEED)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(np_before)
