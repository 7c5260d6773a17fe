"""One run: plan, answer, score, store. The same plan again goes on with what is missing."""

from __future__ import annotations

import gc
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness import peak_memory
from harness.evaluation.answering import Clock, answer_task
from harness.evaluation.grading import Graded, grade_task, grading_of
from harness.evaluation.planning import Plan, make_plan
from harness.evaluation.sampling.sampled import TaskSampling, answer_sampled, samplings_of
from harness.evaluation.sampling.stopping import rules_of
from harness.evaluation.summarizing import summarize
from harness.models.training_record import chat_warnings
from harness.progress import SILENT, Progress
from harness.prompting import thinking
from harness.results import RunRow, ScoreRow, Store, TaskRow

if TYPE_CHECKING:
    from harness.options import RunOptions
    from harness.tasks.lm_eval_bridge.groups import Aggregate
    from harness.types import Backend, Task


@dataclass(frozen=True, slots=True)
class Result:
    run: RunRow
    scores: Sequence[ScoreRow]
    resumed: int  # samples that were there before
    computed: bool  # False when a finished run answered


def run(
    options: RunOptions,
    progress: Progress = SILENT,
    command: Sequence[str] = (),
    make: Callable[[Plan], tuple[Backend, list[str]]] | None = None,
    objects: Sequence[Task] = (),
) -> Result:
    """Measure a checkpoint, on the tasks that the options name and on `objects`.

    Raises HarnessError, DataError, or KeyboardInterrupt; whatever was answered is stored."""
    session = Session()
    with session.clock("planning"), progress.step("reading the tasks"):
        plan = make_plan(options, objects)
    return run_plan(plan, progress, command, make, session)


@dataclass(slots=True)
class Session:
    """One go at a run: since when, and where its seconds went."""

    began: float = field(default_factory=time.perf_counter)
    clock: Clock = field(default_factory=Clock)


def run_plan(
    plan: Plan,
    progress: Progress = SILENT,
    command: Sequence[str] = (),
    make: Callable[[Plan], tuple[Backend, list[str]]] | None = None,
    session: Session | None = None,
    until_graded: bool = False,
) -> Result:
    """`run` of what is planned. `until_graded`: answers that a grader reads wait for the next session."""
    session, store = session or Session(), Store(plan.options.db)
    known = known_run(store, plan)
    if known is None or known.goes_on:
        rules = rules_of(plan, store)
        with store.lease(plan.identity[:16]):
            known = known_run(store, plan)  # another process may have finished it meanwhile
            if known is None or known.goes_on:
                samplings = samplings_of(plan, rules, store, known.id if known else None)
                if known and known.status == "sampled" and _is_over(samplings):
                    return Result(known, store.scores(known.id), _scored(store, known, plan), computed=False)
                return _measure(plan, samplings, store, known, progress, command, make, session, until_graded)
    return Result(known, store.scores(known.id), sum(t.items for t in store.tasks(known.id)), computed=False)


def known_run(store: Store, plan: Plan) -> RunRow | None:
    """The run that this plan goes on with, under the name and tags that it is now called by."""
    options = plan.options
    known = None if options.fresh else store.find(plan.identity)
    if known is None:
        return None
    if options.name and options.name != known.name:
        store.update(known.id, name=options.name)
    for tag in set(options.tags) - set(store.tags().get(known.id, [])):
        store.tag(known.id, tag)
    return store.resolve(known.id)


def _measure(
    plan: Plan,
    samplings: Mapping[str, TaskSampling],
    store: Store,
    known: RunRow | None,
    progress: Progress,
    command: Sequence[str],
    make: Callable[[Plan], tuple[Backend, list[str]]] | None,
    session: Session,
    until_graded: bool,
) -> Result:
    clock, began = session.clock, session.began
    record, backend, stopped = known, None, False
    peak_memory.reset(plan.device)
    last_words: Sequence[str] | None = None  # the warnings of a backend that is gone, or was not needed
    is_graded = any(grading_of(task.task) is not None for task in plan.tasks)
    try:
        resumed = _scored(store, known, plan) if known else 0
        if known and (_is_over(samplings) or (is_graded and _all_answered(store, known, plan))):
            record, last_words = known, ()
        else:
            with clock("loading"), progress.step(f"loading {_short(plan.options.model)}"):
                backend, warnings = make(plan) if make else make_backend(plan, known)
            for warning in backend.warnings:  # at once: some say why all that follows takes long
                progress.end(_short(plan.options.model), f"warning: {warning}")
            record = known or create(store, plan, backend, warnings, command)
            if record.status == "sampled":
                store.update(record.id, status="running")
            for task in plan.tasks:
                strip = plan.options.strip_thinking
                if sampling := samplings.get(task.task.name):
                    answer_sampled(sampling, backend, store, record.id, strip, clock, progress)
                else:
                    answer_task(task, backend, store, record.id, strip, clock, progress)
            if is_graded and make is None:  # a judge may need its memory
                last_words = tuple(backend.warnings)
                backend.close()
                backend = None
                gc.collect()
        if is_graded and until_graded:
            _close_session(store, record.id, plan, _said(backend, last_words) or (), clock, began)
            return Result(store.resolve(record.id), (), resumed, computed=True)
        graded = _grade(store, record.id, plan, clock, progress)
        scores = summarize(store, record.id, plan, clock, graded, samplings)
    except KeyboardInterrupt:
        stopped = True
    except BaseException:
        if record is not None and (said := _said(backend, last_words)) is not None:
            _close_session(store, record.id, plan, said, clock, began)
        raise
    finally:
        if make is None and backend is not None:  # it is ours
            backend.close()
    if stopped:
        gc.collect()  # Ctrl-C may have struck between a lock and its `with`: the error's frames held it until now
    if record is not None and (said := _said(backend, last_words)) is not None:
        _close_session(store, record.id, plan, said, clock, began)
    if stopped or record is None:
        raise KeyboardInterrupt(_how_far(store, record, plan))
    if any(not sampling.is_whole for sampling in samplings.values()):
        store.update(record.id, status="sampled", partial=True)
    else:
        store.update(record.id, status="finished", partial=plan.partial, finished=datetime.now(UTC))
    return Result(store.resolve(record.id), scores, resumed, computed=True)


def make_backend(plan: Plan, known: RunRow | None) -> tuple[Backend, list[str]]:
    """The backend that is asked for; of a run that goes on, the one that it began with."""
    from harness import backends

    return backends.make(
        backends.to_go_on(plan.options.backend, known), plan.model, backends.settings_to_go_on(plan.settings, known)
    )


def _said(backend: Backend | None, last_words: Sequence[str] | None) -> Sequence[str] | None:
    """A backend's warnings; None where there was none."""
    return last_words if backend is None else backend.warnings


def _is_over(samplings: Mapping[str, TaskSampling]) -> bool:
    """Whether a sampled run needs no more answers; False of any other run."""
    return bool(samplings) and all(sampling.is_over for sampling in samplings.values())


def _scored(store: Store, known: RunRow, plan: Plan) -> int:
    return sum(len(store.scored(known.id, task.task.name)) for task in plan.tasks)


def _all_answered(store: Store, known: RunRow, plan: Plan) -> bool:
    return all(len(store.answered(known.id, task.task.name)) == len(task.requests) for task in plan.tasks)


def _grade(store: Store, run_id: str, plan: Plan, clock: Clock, progress: Progress) -> dict[str, Graded]:
    """By task, where answers are graded."""
    graded = {}
    for task in plan.tasks:
        if grading := grading_of(task.task):
            strip = plan.options.strip_thinking
            graded[task.task.name] = grade_task(task, grading, plan.checkpoint, store, run_id, strip, clock, progress)
    return graded


def _how_far(store: Store, record: RunRow | None, plan: Plan) -> str:
    if record is None:
        return "Stopped before the first question. Nothing was stored."
    answered = sum(len(store.answered(record.id, p.task.name)) for p in plan.tasks)
    asked = sum(len(p.requests) for p in plan.tasks)
    return f"Stopped. {answered:,} of {asked:,} answers are stored; the same command goes on from there."


def create(store: Store, plan: Plan, backend: Backend, warnings: list[str], command: Sequence[str]) -> RunRow:
    from harness.provenance import provenance

    options, checkpoint = plan.options, plan.checkpoint
    run_id = uuid.uuid4().hex
    noted = [*checkpoint.warnings, *chat_warnings(checkpoint, options.chat), *warnings, *backend.warnings]
    for task in plan.tasks:
        prefix = f"{task.task.name}: "
        noted += [prefix + w.removeprefix(prefix) for w in (*task.warnings, *task.departures)]
    if plan.partial:
        noted.append("a part of the items only: not to be ranked with whole runs")
    record = RunRow(
        id=run_id,
        identity=plan.identity,
        name=shown_name(options),
        status="running",
        partial=plan.partial,
        model=checkpoint.given,
        model_digest=checkpoint.digest,
        base_digest=checkpoint.base.digest if checkpoint.base else "",
        backend=backend.info.name,
        device=backend.info.device,
        dtype=plan.dtype,
        seed=options.seed,
        created=datetime.now(UTC),
        command=" ".join(command or sys.argv),
        config={**options.model_dump(), "backend_details": dict(backend.info.details), "window": backend.info.window},
        provenance=provenance(),
        warnings=tuple(dict.fromkeys(noted)),
    )
    tasks = [
        TaskRow(
            run=run_id,
            task=p.task.name,
            protocol=p.task.protocol,
            version=p.task.version,
            metric=p.task.metric,
            data_source=p.task.data_source,
            data_digest=p.task.data_digest,
            shots=p.task.shots,
            chat=options.chat,
            settings=p.settings,
            items=p.samples,
        )
        for p in plan.tasks
    ]
    store.create(record, [*tasks, *(_group_row(aggregate, run_id, plan) for aggregate in plan.aggregates)])
    for tag in options.tags:
        store.tag(run_id, tag)
    return record


def shown_name(options: RunOptions) -> str:
    """What a run is called."""
    return options.name or options.served_name or _short(options.model)


def _group_row(aggregate: Aggregate, run_id: str, plan: Plan) -> TaskRow:
    """A group of tasks, which has a score and no samples of its own."""
    shots = {p.task.shots for p in plan.tasks if p.task.name in aggregate.members}
    return TaskRow(
        run=run_id,
        task=aggregate.name,
        protocol="standard",
        version=aggregate.version,
        metric=aggregate.metric,
        data_source="its tasks",
        data_digest=aggregate.data_digest,
        shots=max(shots, default=0),
        chat=plan.options.chat,
        settings=aggregate.settings,
        items=0,
    )


def _short(model: str) -> str:
    from pathlib import Path

    return Path(model).resolve().name if Path(model).exists() else model


def _close_session(store: Store, run_id: str, plan: Plan, said: Sequence[str], clock: Clock, began: float) -> None:
    """Add this session's seconds to the run's, and bring its token counts and its peak of memory up to date."""
    before = store.resolve(run_id)
    seconds = dict(before.totals.get("seconds", {}))
    session = {**clock.seconds, "waiting": store.waited, "total": time.perf_counter() - began}
    for kind, spent in session.items():
        seconds[kind] = round(seconds.get(kind, 0.0) + spent, 3)
    totals = {
        "tokens": store.tokens(run_id),
        "seconds": seconds,
        "sessions": before.totals.get("sessions", 0) + 1,
        "peak_bytes": max(before.totals.get("peak_bytes", 0), peak_memory.peak(plan.device)),
    }
    if "sampled" in before.totals:
        totals["sampled"] = before.totals["sampled"]
    new = [w for w in said if w not in before.warnings]
    warned = store.warned(run_id)
    counted = [f"{task}: {count} samples with a warning (harness samples shows them)" for task, count in warned.items()]
    for warning in (thinking.UNFINISHED, thinking.SCORED) if warned else ():
        of_it = store.warned_of(run_id, warning)
        counted += [f"{task}: {n} answers: {warning} (harness samples shows them)" for task, n in of_it.items()]
    kept = [w for w in before.warnings if not w.endswith("(harness samples shows them)")]
    store.update(run_id, totals=totals, warnings=(*kept, *new, *counted))
