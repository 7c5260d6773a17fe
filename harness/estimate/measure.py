"""A few of a run's own questions, asked and stored as the run would, in a store that is thrown away.

LIMIT seconds are spent at most where a pass is quick, SHARE of what the run is then thought to take where that is less,
and one pass of each kind in any case.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.estimate.generation import Steps
from harness.estimate.ranges import Range
from harness.estimate.workload import Workload, of_requests
from harness.evaluation.answering import Clock, answer_task
from harness.evaluation.planning import Plan, TaskPlan
from harness.progress import Progress
from harness.results import ResponseRow, Store
from harness.types import Backend, Generate

if TYPE_CHECKING:
    from harness.backends.transformers.backend import TransformersLM
    from harness.estimate.model_size import ModelSize

LIMIT = 40.0
SHARE = 0.1
MOST = 40  # samples
UNEVEN = 0.12  # what a machine's speed is thought to change by, from one minute to the next
FIRST_STEPS = 12  # tokens that are generated to see how long one takes


@dataclass(frozen=True, slots=True)
class Timed:
    items: int
    seconds: dict[str, float]  # by kind of work: model, scoring, store
    responses: list[ResponseRow]


class Commits(Progress):
    """Counts how often answers were stored."""

    count = 0

    def update(self, *_: object, **__: object) -> None:
        self.count += 1


class Sampler:
    """Asks parts of a run's questions. Each time is a run of its own in the store, so that nothing is there before."""

    def __init__(self, plan: Plan, backend: Backend, folder: Path) -> None:
        self.plan, self.backend = plan, backend
        self.store = Store(folder / "measured.duckdb")
        self.spent = 0.0
        self.scoring = self.storing = 0.0
        self.scored = self.commits = 0

    def ask(self, task: TaskPlan, items: Sequence[int], max_tokens: int | None = None) -> Timed:
        """The first answer to each of these items, of at most so many tokens."""
        from harness.evaluation.run import create

        part = sample_of(task, items, max_tokens)
        run = create(self.store, self.plan, self.backend, [], ["--plan"]).id
        clock, began, commits = Clock(), time.perf_counter(), Commits()
        answer_task(part, self.backend, self.store, run, self.plan.options.strip_thinking, clock, commits)
        self.spent += time.perf_counter() - began
        self.scoring += clock.seconds.get("scoring", 0.0)
        self.storing += clock.seconds.get("store", 0.0)
        self.scored += len(items)
        self.commits += commits.count + 1  # it looks first for what is there
        return Timed(len(items), clock.seconds, self.store.responses(run, task.task.name))


def sample_of(task: TaskPlan, items: Sequence[int], max_tokens: int | None = None) -> TaskPlan:
    """Some items of a task, each asked once, texts cut at `max_tokens`."""
    place = {index: n for n, index in enumerate(items)}
    keys, requests = [], []
    for (index, repeat, part), request in zip(task.keys, task.requests, strict=True):
        if index in place and repeat == 0:
            keys.append((place[index], 0, part))
            if isinstance(request, Generate) and max_tokens is not None:
                request = replace(request, max_tokens=min(request.max_tokens, max_tokens))
            requests.append(request)
    return replace(task, items=[task.items[index] for index in items], repeats=1, keys=keys, requests=requests)


def rate_of(measured: Sequence[tuple[float, float]]) -> Range:
    """Seconds an operation, from samples of (seconds, operations)."""
    import numpy as np

    seconds, operations = (np.asarray(column) for column in zip(*measured, strict=True))
    rate = float(seconds.sum() / operations.sum())
    logs = np.log(seconds / operations)
    scatter = float(logs.std(ddof=1)) / len(measured) ** 0.5 if len(measured) > 1 else 0.2
    return Range.of(rate, (UNEVEN**2 + (2 * scatter) ** 2) ** 0.5)


def scoring_rate(
    sampler: Sampler, lm: TransformersLM, size: ModelSize, tasks: Sequence[tuple[TaskPlan, Workload]]
) -> Range:
    """Seconds an operation of what is scored, from passes spread over all tasks."""
    total = sum(load.operations for _, load in tasks)
    chunks = [(task, chunk, False) for task, load in tasks for chunk in load.requests]
    for task, load in tasks:  # the logits of a pass are still there while the next is computed
        first = max(0, min(load.most_read, load.batches - 2))
        beside = load.requests[first : first + 2]
        chunks.append((task, [request for chunk in beside for request in chunk], True))
    random.Random(0).shuffle(chunks)
    chunks.sort(key=lambda chunk: not chunk[2])  # first what memory has to hold, then any
    began, measured = sampler.spent, []
    for task, chunk, _ in chunks[:MOST]:
        items = sorted({task.keys[request][0] for request in chunk})
        seconds = sampler.ask(task, items).seconds["model"]
        operations = of_requests(lm, size, sample_of(task, items).requests)[0].operations
        measured.append((seconds, operations))
        done = sum(o for _, o in measured)
        predicted = total * sum(s for s, _ in measured) / done
        enough = len(measured) >= 2 and sampler.spent - began > min(LIMIT, SHARE * predicted)
        if enough or done >= 0.99 * total:
            break
    return rate_of(measured)


@dataclass(frozen=True, slots=True)
class Generation:
    prompts: Range  # seconds an operation of reading prompts
    steps: Steps
    uneven: float  # how much longer or shorter a step may be
    kept: int  # Workload.kept, of what was measured


def generation_of(
    sampler: Sampler, lm: TransformersLM, size: ModelSize, task: TaskPlan, load: Workload, limit: float
) -> Generation:
    """How long prompts and steps take, and how soon rows end: of some rows, and of a quarter of them."""
    most = max(length for batch in load.lengths for length in batch)
    together = max(len(batch) for batch in load.lengths)
    count = len(task.items)
    rows = min(together, max(1, count // 4))
    began, measured, steps = sampler.spent, [], {}
    rows_seen: list[tuple[int, bool]] = []
    kept: list[int] = []

    def ask(rows: int, tokens: int) -> Timed:
        items = sorted({at * count // rows for at in range(rows)})
        return sampler.ask(task, items, tokens)

    def step(rows: int, tokens: int) -> None:
        first, whole = ask(rows, 1), ask(rows, tokens)
        items = sorted({at * count // rows for at in range(rows)})
        load_of_rows = of_requests(lm, size, sample_of(task, items).requests)[1]
        measured.append((first.seconds["model"], load_of_rows.operations))
        kept.append(load_of_rows.kept)
        rows_seen.extend((max(1, row.generated), row.finish == "stop") for row in whole.responses)
        taken = max((row.generated for row in whole.responses), default=1) - 1
        if taken > 0:
            alive = sum(row.generated - 1 for row in whole.responses) / taken
            steps[alive] = max(1e-6, whole.seconds["model"] - first.seconds["model"]) / taken

    tokens = min(most, 1 + FIRST_STEPS)
    if rows >= 4:
        step(rows // 4, tokens)
        left, a_step = limit - (sampler.spent - began), next(iter(steps.values()), 0.0)
        tokens = min(most, max(tokens, int(left / a_step / 2) if a_step else 0))  # more rows take longer
    step(rows, tokens)
    a, b = _line(steps)
    stretched = together / max(1, rows)
    uneven = 0.15 + 0.1 * min(2.0, max(0.0, stretched - 1.0))
    return Generation(rate_of(measured), Steps(a, b, tuple(rows_seen)), uneven, max(kept))


def _line(steps: dict[float, float]) -> tuple[float, float]:
    """a and b of seconds = a + b rows, both from 0 up."""
    if not steps:
        return 0.0, 0.0
    (few, quick), (many, slow) = min(steps.items()), max(steps.items())
    if many <= few:
        return slow, 0.0
    b = max(0.0, (slow - quick) / (many - few))
    a = slow - b * many
    return (a, b) if a >= 0 else (0.0, slow / many)
