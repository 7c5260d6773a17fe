"""From options to an estimate. What the run would refuse is refused here, in the same words."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import peak_memory
from harness.estimate import measure
from harness.estimate.contention import Contention, sentence, widened
from harness.estimate.ranges import NOTHING, Range
from harness.evaluation.grading import grading_of
from harness.evaluation.planning import Plan, make_plan
from harness.evaluation.run import make_backend
from harness.evaluation.sampling.stopping import rules_of
from harness.results import Store
from harness.types import Rolling

if TYPE_CHECKING:
    from harness.estimate.workload import Workload
    from harness.options import RunOptions
    from harness.results import RunRow
    from harness.types import Backend, Task

UNEVEN_LOADING = 0.3  # reading files and importing, which depends on what the machine has in memory
SERVED_SPREAD = 0.5
ROW_BYTES = 400  # of a response and its sample in the store, beside their texts
CLOSING = Range(0.1, 0.4, 1.5)  # seconds from the last answer to a finished run


@dataclass(slots=True)
class Parts:
    """What an estimate is made of."""

    model: Range = NOTHING
    scoring: Range = NOTHING
    store: Range = NOTHING
    generated: Range = NOTHING  # tokens
    asked: int = 0
    computed: int = 0
    more_memory: int = 0  # bytes beyond the peak that was measured
    notes: list[str] = field(default_factory=list)


def estimate(options: RunOptions, objects: Sequence[Task] = ()) -> dict[str, Any]:
    """The document that `harness run --plan --json` prints; kept in the store where there is something to do."""
    began, contention = time.perf_counter(), Contention()
    plan = make_plan(options, objects)
    store = Store(options.db)
    known = None if options.fresh else store.find(plan.identity)
    if known is not None and not known.goes_on:
        return {**_head(plan, known, store), "seconds": NOTHING.to_dict(), "measured_seconds": 0.0}
    rules_of(plan, store)  # refuses what the run would refuse
    peak_memory.reset(plan.device)
    backend, _ = make_backend(plan, known)
    loading = time.perf_counter() - began
    try:
        with tempfile.TemporaryDirectory(prefix="harness-plan-") as folder:
            sampler = measure.Sampler(plan, backend, Path(folder))
            parts = _measured(plan, backend, sampler)
    finally:
        backend.close()
    slowdown = contention.slowdown if plan.device == "cpu" else 1.0
    seconds = widened(Range.of(loading, UNEVEN_LOADING) + parts.model + parts.scoring + parts.store, slowdown) + CLOSING
    peak = peak_memory.peak(plan.device)
    document = {
        **_head(plan, known, store),
        "seconds": seconds.to_dict(),
        "parts": {
            "loading": Range.of(loading, UNEVEN_LOADING).to_dict(),
            "model": parts.model.to_dict(),
            "scoring": parts.scoring.to_dict(),
            "store": parts.store.to_dict(),
        },
        "tokens": {"asked": parts.asked, "computed": parts.computed, "generated": parts.generated.to_dict()},
        "memory_bytes": peak + parts.more_memory if peak else 0,
        "disk_bytes": _disk(plan, parts.generated),
        "measured_seconds": round(sampler.spent, 1),
        "notes": [*parts.notes, *sentence(slowdown)],
    }
    store.keep_estimate(plan.identity, document)
    return document


def _head(plan: Plan, known: RunRow | None, store: Store) -> dict[str, Any]:
    """What is known without a measurement."""
    answered = 0 if known is None else sum(len(store.answered(known.id, p.task.name)) for p in plan.tasks)
    return {
        "kind": "run",
        "identity": plan.identity,
        "finished": known is not None and not known.goes_on,
        "until": plan.options.until,
        "model": plan.options.model,
        "device": plan.device,
        "dtype": plan.dtype,
        "tasks": [
            {
                "task": p.task.name,
                "protocol": p.task.protocol,
                "items": len(p.items),
                "repeats": p.repeats,
                "prompts": len(p.requests),
                "distinct_prompts": len({_text(request) for request in p.requests}),
            }
            for p in plan.tasks
        ],
        "answered": answered,
    }


def _text(request: Any) -> Any:
    return request.text if isinstance(request, Rolling) else request.prompt


def _measured(plan: Plan, backend: Backend, sampler: measure.Sampler) -> Parts:
    from harness.backends.transformers.backend import TransformersLM

    parts = Parts()
    if isinstance(backend, TransformersLM):
        commits = _in_this_process(plan, backend, sampler, parts)
    else:
        commits = _elsewhere(plan, sampler, parts)
    for task in plan.tasks:
        if grading_of(task.task) is not None:
            parts.notes.append(f"{task.task.name}: the time and the money of its judge are not in the estimate.")
            continue
        each = sampler.scoring / max(1, sampler.scored) * task.samples
        # programs run beside the model, and cost what the model does not cover
        parts.scoring += Range(0.0, each / 2, each) if task.task.slow_scoring else Range.of(each, 0.5)
    parts.store = Range.of(sampler.storing / max(1, sampler.commits) * commits, 0.5)
    return parts


def _in_this_process(plan: Plan, lm: Any, sampler: measure.Sampler, parts: Parts) -> int:
    """Of the backend `transformers`. How often the store will be written."""
    from harness.estimate.model_size import ModelSize
    from harness.estimate.workload import of_requests

    size = ModelSize.of(lm.model)
    loads = [(task, *of_requests(lm, size, task.requests)) for task in plan.tasks]
    scored = [(task, load) for task, load, _ in loads if load.batches]
    if scored:
        operations = sum(load.operations for _, load in scored)
        parts.model += measure.scoring_rate(sampler, lm, size, scored) * operations
    texts = [(task, load) for task, _, load in loads if load.batches]
    for task, load in texts:
        limit = min(measure.LIMIT / len(texts), 10.0)
        generation = measure.generation_of(sampler, lm, size, task, load, limit)
        steps = generation.steps.seconds(load.lengths)
        parts.model += generation.prompts * load.operations + steps.times(Range.of(1.0, generation.uneven))
        tokens = generation.steps.tokens(load.lengths)
        parts.generated += tokens
        parts.more_memory = max(parts.more_memory, _kept_bytes(lm, load, generation.kept, tokens))
        if tokens.high > 1.5 * tokens.low:
            seen = f"{generation.steps.seen:,} tokens, in which {generation.steps.ended} answers ended"
            parts.notes.append(f"{task.task.name}: how long its answers get is guessed from {seen}.")
    for _, *of_task in loads:
        parts.asked += sum(load.asked for load in of_task)
        parts.computed += sum(load.computed for load in of_task)
    return sum(load.batches for _, *of_task in loads for load in of_task) + len(plan.tasks)


def _kept_bytes(lm: Any, load: Workload, measured: int, tokens: Range) -> int:
    """Keys and values of the largest batch beyond those of the measured rows, which were fewer and shorter."""
    from harness.backends.limits import bytes_of_token
    from harness.backends.transformers.decode_attention import ROOM

    most = max(map(len, load.lengths))
    answer = tokens.expected / sum(map(len, load.lengths))
    more = max(0, load.kept - measured) + most * max(0.0, answer - ROOM)
    return int(bytes_of_token(lm.model) * more)


def _elsewhere(plan: Plan, sampler: measure.Sampler, parts: Parts) -> int:
    """Of a server, or an engine in processes of its own: some questions as they are. Its memory is not ours to see."""
    for task in plan.tasks:
        count = len(task.items)
        began, answered, seconds = sampler.spent, 0, 0.0
        for size in (4, 16, 64):
            if size > count // 4 and answered:
                break
            items = sorted({at * count // min(size, count) for at in range(min(size, count))})
            timed = sampler.ask(task, items)
            answered, seconds = timed.items, timed.seconds["model"]  # the last and largest: so are requests together
            parts.asked += round(sum(row.asked for row in timed.responses) / len(items) * count) * task.repeats
            if sampler.spent - began > measure.LIMIT / len(plan.tasks) / 4:
                break
        parts.model += Range.of(seconds / max(1, answered) * task.samples, SERVED_SPREAD)
        parts.notes.append(f"{task.task.name}: from {answered} answers; the time of the others is in proportion.")
    return 1 + sum(-(-len(task.requests) // 16) for task in plan.tasks)


def _disk(plan: Plan, generated: Range) -> int:
    """Bytes of the store, at most: it packs texts."""
    texts: set[str] = set()
    total = 0
    for task in plan.tasks:
        for request in task.requests:
            if isinstance(request, Rolling):
                total += len(request.text)
                continue
            texts.add(request.prompt.shared)
            options = getattr(request, "options", ())
            total += len(request.prompt.own) + sum(map(len, options)) + 16 * len(options)
        total += ROW_BYTES * len(task.requests)
    return total + sum(map(len, texts)) + int(8 * generated.high)
