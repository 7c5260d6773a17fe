"""From options to a plan: which items, asked how, and under which identity. Nothing heavy is loaded here,
so that a finished run answers at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from data.sources import DataError
from harness import tasks
from harness.evaluation import identity
from harness.models.checkpoint import Checkpoint, resolve
from harness.models.served import is_address, resolve_served
from harness.options import BackendSettings, ModelSpec, OptionError, ResolvedModel, RunOptions
from harness.prompting import prompt_options, thinking
from harness.tasks import Selected
from harness.tasks import objects as task_objects
from harness.types import Generate, Item, Request, Task

if TYPE_CHECKING:
    from harness.tasks.lm_eval_bridge.groups import Aggregate

Key = tuple[int, int, int]  # (index of the item, repeat, part)


Options = RunOptions  # the name of before


@dataclass(frozen=True, slots=True)
class TaskPlan:
    task: Task
    groups: tuple[str, ...]  # () is all
    items: Sequence[Item]
    repeats: int
    keys: Sequence[Key]  # of each request
    requests: Sequence[Request]
    departures: tuple[str, ...]  # from the protocol's own settings
    warnings: tuple[str, ...]
    asked: str = ""  # of a task object: a digest of its questions

    @property
    def samples(self) -> int:
        return len(self.items) * self.repeats

    @property
    def settings(self) -> dict[str, Any]:
        """What is stored with the task: its own settings, and what this run changed."""
        changed: dict[str, Any] = {"repeats": self.repeats} if self.repeats > 1 else {}
        if self.groups:
            changed["groups"] = sorted(self.groups)
        if self.departures:
            changed["departures"] = list(self.departures)
        if self.asked:
            changed["asked"] = self.asked
        return {**self.task.settings, **changed}


@dataclass(frozen=True, slots=True)
class Plan:
    options: RunOptions
    checkpoint: Checkpoint
    device: Literal["cpu", "cuda", "mps"] | str
    dtype: str
    tasks: Sequence[TaskPlan]
    identity: str
    partial: bool
    aggregates: Sequence[Aggregate] = ()  # figures over several of the tasks

    @property
    def settings(self) -> BackendSettings:
        """What a backend takes of the options."""
        return self.options.settings

    @property
    def model(self) -> ResolvedModel:
        """What a backend loads."""
        address = self.options.model if self.checkpoint.kind == "served" else ""
        return ResolvedModel(self.checkpoint, self.device, self.dtype, self.options.load_in_4bit, address)


def make_plan(options: RunOptions, objects: Sequence[Task] = ()) -> Plan:
    """Raises the errors of checkpoints, tasks and data; touches neither store nor model weights' values.

    `objects` are asked beside the tasks that the options name, which may then be none."""
    return make_plans([options], objects)[0]


def make_plans(several: Sequence[RunOptions], objects: Sequence[Task] = ()) -> list[Plan]:
    """`make_plan` of each. Rows are read, and requests made, once for all that differ in their model alone."""
    asked: dict[RunOptions, _Questions] = {}
    plans = []
    for given in several:
        _check(given)
        checkpoint, device, dtype = find_model(given, given)
        options = prompt_options.pinned(given, checkpoint)
        same = options.replace(model=several[0].model, base=None, revision=None, name=None, tags=())
        questions = asked.get(same) or _questions(options, objects)
        asked[same] = questions
        if checkpoint.kind == "served" and options.tokenizer is None:
            from harness.backends.endpoint.text import refuse_without_tokenizer

            refuse_without_tokenizer([request for p in questions.tasks for request in p.requests], options.chat)
        plans.append(_plan(options, checkpoint, device, dtype, questions))
    return plans


@dataclass(frozen=True, slots=True)
class _Questions:
    tasks: Sequence[TaskPlan]
    aggregates: Mapping[str, Aggregate]


def _questions(options: RunOptions, objects: Sequence[Task]) -> _Questions:
    selected = (
        tasks.load(options.tasks, options.data, options.protocol, options.shots, options.chat, options.include_path)
        if options.tasks or not objects
        else []
    )
    plans = [_plan_task(s, options) for s in selected]
    for task in task_objects.check(objects, [plan.task.name for plan in plans]):
        plan = _plan_task(Selected(task, ()), options)
        plans.append(replace(plan, asked=task_objects.asked(task, plan.items)))
    if options.repeats > 1 and all(p.repeats == 1 for p in plans):
        text = " is for answers that are generated, and these tasks only weigh given options."
        raise OptionError("repeats", options.repeats, text)
    return _Questions(plans, {aggregate.name: aggregate for s in selected for aggregate in s.aggregates})


def _plan(options: RunOptions, checkpoint: Checkpoint, device: str, dtype: str, questions: _Questions) -> Plan:
    plans, aggregates = questions.tasks, questions.aggregates
    content = {
        "model": checkpoint.digest,
        "dtype": dtype,
        "four_bit": options.load_in_4bit,
        "seed": options.seed,
        "chat": options.chat,
        "system": options.system,
        **prompt_options.content(options),
        "strip_thinking": options.strip_thinking,
        "limit": options.limit,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "max_new_tokens": options.max_new_tokens,
        "tasks": [
            {
                "task": p.task.name,
                "protocol": p.task.protocol,
                "version": p.task.version,
                "data": p.task.data_digest,
                "shots": p.task.shots,
                "settings": p.settings,
            }
            for p in sorted(plans, key=lambda p: p.task.name)
        ],
    }
    if any(isinstance(request, Generate) for p in plans for request in p.requests):
        content["texts"] = thinking.VERSION
    if aggregates:
        content["aggregates"] = [[a.name, a.version, a.settings] for _, a in sorted(aggregates.items())]
    partial = options.limit is not None or any(p.groups for p in plans)
    return Plan(options, checkpoint, device, dtype, plans, identity.digest(content), partial, list(aggregates.values()))


def find_model(spec: ModelSpec, settings: BackendSettings) -> tuple[Checkpoint, str, str]:
    """(checkpoint, device, dtype) of the model that is named, here or on a server."""
    if is_address(spec.model):
        checkpoint = resolve_served(spec.model, settings.served_name, settings.base_name, settings.tokenizer)
        return checkpoint, "server", checkpoint.dtype
    checkpoint = resolve(spec.model, spec.base, spec.revision, spec.trust_remote_code)
    device = find_device(spec.device)
    dtype = spec.dtype
    if dtype == "auto":
        dtype = "float32" if device == "cpu" else checkpoint.dtype
    return checkpoint, device, dtype


def _check(options: RunOptions) -> None:
    """OptionError where options do not go together; of each alone, its declaration has seen to it."""
    _check_place(options)
    if options.system and not options.chat:
        text = " goes with `chat`: without a chat template there is no place for it."
        raise OptionError("system", options.system, text)
    prompt_options.check(options, is_address(options.model))


def _check_place(options: RunOptions) -> None:
    """Options that belong to a model here, or to a server, and not to the other."""
    here = ["base", "revision", "trust_remote_code", "device", "dtype", "load_in_4bit", "batch_tokens"]
    here += ["lora", "tensor_parallel", "data_parallel", "gpu_memory"]
    there = ["served_name", "base_name", "tokenizer", "concurrency"]
    served = is_address(options.model)
    for name in here if served else there:
        value = getattr(options, name)
        if value != RunOptions.model_fields[name].default:
            counterpart = (
                "a model on this machine, and this one is a server's" if served else "a server (`model` is its address)"
            )
            raise OptionError(name, value, f" goes with {counterpart}.")


def _plan_task(selected: Selected, options: RunOptions) -> TaskPlan:
    task = selected.task
    items = [i for i in task.items() if not selected.groups or i.group in selected.groups]
    if options.limit is not None:
        seen: dict[str, int] = {}
        kept = []
        for item in items:
            seen[item.group] = seen.get(item.group, 0) + 1
            if seen[item.group] <= options.limit:
                kept.append(item)
        items = kept
    if not items:
        raise DataError(f"{task.name} has no item to ask: its data ({task.data_source}) leaves none over.")
    departures: dict[str, None] = {}
    keys: list[Key] = []
    requests: list[Request] = []
    repeats = 1
    for index, item in enumerate(items):
        asked = list(task.requests(item))
        if index == 0 and any(isinstance(r, Generate) for r in asked):
            repeats = options.repeats
        for repeat in range(repeats):
            for part, request in enumerate(asked):
                changed = request
                if isinstance(request, Generate):
                    changed = _changed(request, options, departures)
                    seed = identity.answer_seed(options.seed, task.name, item.id, repeat, part)
                    changed = replace(changed, sampling=replace(changed.sampling, seed=seed))
                    if repeats > 1 and changed.sampling.temperature == 0:
                        text = (
                            f" asks {task.name} for different answers, and at temperature 0 all are alike. Give "
                            "`temperature`, for example 0.8 with `top_p` 0.95."
                        )
                        raise OptionError("repeats", repeats, text)
                keys.append((index, repeat, part))
                requests.append(changed)
    return TaskPlan(
        task,
        selected.groups,
        items,
        repeats,
        keys,
        requests,
        tuple(departures),
        tuple(task.warnings),
    )


def _changed(request: Generate, options: RunOptions, departures: dict[str, None]) -> Generate:
    """The request with the run's own sampling settings; what differs from the protocol's is noted."""
    sampling = request.sampling
    if options.temperature is not None and options.temperature != sampling.temperature:
        departures[f"temperature {options.temperature:g} instead of {sampling.temperature:g}"] = None
        sampling = replace(sampling, temperature=options.temperature)
    if options.top_p is not None and options.top_p != sampling.top_p:
        departures[f"top_p {options.top_p:g} instead of {sampling.top_p:g}"] = None
        sampling = replace(sampling, top_p=options.top_p)
    tokens = request.max_tokens
    if options.max_new_tokens is not None and options.max_new_tokens != tokens:
        departures[f"at most {options.max_new_tokens} new tokens instead of {tokens}"] = None
        tokens = options.max_new_tokens
    return replace(request, sampling=sampling, max_tokens=tokens, after_thinking=options.strip_thinking)


def find_device(wanted: str) -> str:
    """ "auto" is a GPU where there is one. torch is asked only where a driver is present."""
    if wanted != "auto":
        return wanted
    import sys
    from pathlib import Path

    if not (Path("/proc/driver/nvidia").exists() or Path("/dev/kfd").exists() or sys.platform == "darwin"):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
