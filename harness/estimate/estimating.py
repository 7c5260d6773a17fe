"""From options to an estimate. What the run would refuse is refused here, in the same words."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import peak_memory
from harness.estimate import measure
from harness.estimate.contention import Contention, sentence, widened
from harness.estimate.ranges import NOTHING, Range
from harness.evaluation.grading import grading_of
from harness.evaluation.planning import Plan, make_plans
from harness.evaluation.run import shown_name
from harness.evaluation.sampling.stopping import rules_of
from harness.evaluation.several import Engine, Kind, groups_of, is_finished, known_run
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


@dataclass(frozen=True, slots=True)
class Measured:
    parts: Parts
    peak: int  # bytes of memory; 0 where they cannot be told
    spent: float  # seconds


def estimate(options: RunOptions, objects: Sequence[Task] = ()) -> dict[str, Any]:
    """The document that `harness run --plan --json` prints; kept in the store where there is something to do."""
    ((document,),) = estimate_groups([options], objects)
    return document


def estimate_several(several: Sequence[RunOptions]) -> dict[str, Any]:
    """The document of several models: `groups` of runs that are computed on one engine, with what each group takes, and
    what all take. Groups are computed one after another, so memory is that of the largest."""
    groups = [{**_sum(runs), "runs": runs} for runs in estimate_groups(several)]
    return {"kind": "runs", **_sum(groups), "groups": groups}


def _sum(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of runs or groups; those that were finished before take nothing."""
    due = [part for part in parts if part["seconds"] != NOTHING.to_dict()]
    computed = [part["tokens"]["computed"] for part in due]
    return {
        "seconds": Range.sum(part["seconds"] for part in due).to_dict(),
        "tokens": {
            "asked": sum(part["tokens"]["asked"] for part in due),
            "computed": sum(computed) if all(computed) else 0,  # 0: it is not known
            "generated": Range.sum(part["tokens"]["generated"] for part in due).to_dict(),
        },
        "memory_bytes": max((part["memory_bytes"] for part in due), default=0),
        "disk_bytes": sum(part["disk_bytes"] for part in due),
        "measured_seconds": round(sum(part["measured_seconds"] for part in due), 1),
        "notes": list(dict.fromkeys(note for part in due for note in part["notes"])),
    }


def estimate_groups(several: Sequence[RunOptions], objects: Sequence[Task] = ()) -> list[list[dict[str, Any]]]:
    """The document of each model's run, by the groups that are computed on one engine, in the order of their runs."""
    began = time.perf_counter()
    plans = make_plans(several, objects)
    store = Store(plans[0].options.db)
    for plan in plans:
        if not is_finished(plan):
            rules_of(plan, store)  # refuses what the run would refuse
    groups = []
    for kind, places in groups_of(plans):
        groups.append(_group(kind, [plans[place] for place in places], store, began))
        began = time.perf_counter()
    return groups


def _group(kind: Kind, plans: Sequence[Plan], store: Store, began: float) -> list[dict[str, Any]]:
    """`began`: when its loading did. What the first model that asks given questions takes is measured, and taken for
    the others that ask them; so is how long the second takes to be loaded behind the first."""
    contention = Contention()
    engine = Engine(kind, [plan.checkpoint for plan in plans if not is_finished(plan)])
    measured: dict[int, Measured] = {}  # by the questions
    loadings: list[float] = []  # seconds
    documents = []
    peak_memory.reset(plans[0].device)
    try:
        for plan in plans:
            if is_finished(plan):
                nothing = {"seconds": NOTHING.to_dict(), "measured_seconds": 0.0}
                documents.append({**_head(plan, known_run(plan), store), **nothing})
                continue
            is_new = id(plan.tasks) not in measured
            if is_new or len(loadings) < 2:
                backend, _ = engine.load(plan)
                loadings.append(time.perf_counter() - began)
                if is_new:
                    measured[id(plan.tasks)] = _measured(plan, backend)
                began = time.perf_counter()
            documents.append(_document(plan, store, measured[id(plan.tasks)], loadings[-1], is_new, contention))
    finally:
        engine.close()
    return documents


def _document(
    plan: Plan, store: Store, measured: Measured, loading: float, is_new: bool, contention: Contention
) -> dict[str, Any]:
    """`is_new`: it was measured for this run."""
    parts = measured.parts
    slowdown = contention.slowdown if plan.device == "cpu" else 1.0
    of_loading = Range.of(loading, UNEVEN_LOADING)
    seconds = widened(of_loading + parts.model + parts.scoring + parts.store, slowdown) + CLOSING
    document = {
        **_head(plan, known_run(plan), store),
        "seconds": seconds.to_dict(),
        "parts": {
            "loading": of_loading.to_dict(),
            "model": parts.model.to_dict(),
            "scoring": parts.scoring.to_dict(),
            "store": parts.store.to_dict(),
        },
        "tokens": {"asked": parts.asked, "computed": parts.computed, "generated": parts.generated.to_dict()},
        "memory_bytes": measured.peak + parts.more_memory if measured.peak else 0,
        "disk_bytes": _disk(plan, parts.generated),
        "measured_seconds": round(measured.spent, 1) if is_new else 0.0,
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
        "name": shown_name(plan.options),
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


def _measured(plan: Plan, backend: Backend) -> Measured:
    with tempfile.TemporaryDirectory(prefix="harness-plan-") as folder:
        sampler = measure.Sampler(plan, backend, Path(folder))
        parts = _parts(plan, backend, sampler)
    return Measured(parts, peak_memory.peak(plan.device), sampler.spent)


def _parts(plan: Plan, backend: Backend, sampler: measure.Sampler) -> Parts:
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
    from harness.backends.transformers.attention.decode import ROOM

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
