"""Scores from the stored samples, whichever session they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.errors import IncompleteError
from harness.evaluation import no_answer
from harness.results import ScoreRow, Store
from harness.types import Sample, Score

if TYPE_CHECKING:
    from harness.evaluation.answering import Clock
    from harness.evaluation.grading import Graded
    from harness.evaluation.planning import Plan, TaskPlan
    from harness.evaluation.sampling.sampled import TaskSampling


def summarize(
    store: Store,
    run_id: str,
    plan: Plan,
    clock: Clock,
    graded: Mapping[str, Graded],
    samplings: Mapping[str, TaskSampling],
) -> list[ScoreRow]:
    """The run's scores, which are stored. What of the samples is no answer is said. `samplings`: of the tasks that are
    read in random order."""
    scores: dict[str, list[Score]] = {}
    warnings = [sampling.warning for sampling in samplings.values() if sampling.unfit]
    in_part = {name: sampling for name, sampling in samplings.items() if not sampling.is_whole}
    for part in plan.tasks:
        task, sampling = part.task, in_part.get(part.task.name)
        samples = _samples(store, run_id, part, clock, sampling)
        with clock("scoring"):
            scores[task.name], lost = no_answer.numbers_only(task.summarize(samples))
            if sampling is not None:
                scores[task.name], left_out = sampling.scores(samples, scores[task.name])
                lost = [*lost, *left_out]
        if task.name in graded:
            scores[task.name] += graded[task.name].scores
            lost = [*lost, *graded[task.name].warnings]
        warnings += [f"{task.name}: {sentence}" for sentence in lost]
        warnings += no_answer.summary(task.name, [s.note for s in samples], plan.dtype)
        warnings += [f"{task.name}: {warning}" for warning in task.warnings if warning not in part.warnings]
    warnings += _aggregate(plan, scores, in_part)
    protocols = {part.task.name: part.task.protocol for part in plan.tasks}
    rows = [
        ScoreRow(
            run_id, name, s.group, protocols.get(name, "standard"), s.metric, s.value, s.low, s.high, s.n, s.method
        )
        for name, own in scores.items()
        for s in own
    ]
    with clock("store"):
        store.save_scores(run_id, rows)
        _note(store, run_id, warnings, in_part, plan.options.until)
    return rows


def _samples(store: Store, run_id: str, part: TaskPlan, clock: Clock, sampling: TaskSampling | None) -> list[Sample]:
    """All of a task, or of what was read of it. IncompleteError where some are missing."""
    with clock("store"):
        stored = store.samples(run_id, part.task.name)
    if sampling is not None:
        return sampling.samples(stored)
    items = {item.id: item for item in part.items}
    samples = [Sample(items[s.item], s.metrics, s.answer, s.expected, s.note) for s in stored]
    if len(samples) != part.samples:
        raise IncompleteError(
            f"{part.task.name}: {len(samples)} of {part.samples} samples are there. The same command goes on."
        )
    return samples


def _aggregate(plan: Plan, scores: dict[str, list[Score]], in_part: Mapping[str, TaskSampling]) -> list[str]:
    """Adds the figures over several tasks to `scores`; gives what there is to say of them."""
    sizes = {part.task.name: len(part.items) for part in plan.tasks}
    remarks = []
    for aggregate in plan.aggregates:
        if read_in_part := [name for name in aggregate.members if name in in_part]:
            remarks.append(f"{aggregate.name}: no figure, because {', '.join(read_in_part)} was read in part")
            continue
        scores[aggregate.name], notes = aggregate.figures(scores, sizes)
        remarks += [f"{aggregate.name}: {note}" for note in notes]
    return remarks


def _note(
    store: Store, run_id: str, warnings: Sequence[str], in_part: Mapping[str, TaskSampling], until: str | None
) -> None:
    """Keep the warnings, and what was read in part. What was said of an earlier part is no longer true, and goes."""
    run = store.resolve(run_id)
    totals = dict(run.totals)
    before = totals.pop("sampled", {}).get("warnings", ())
    if in_part:
        tasks = {
            name: {"items": len(own.items), "of": len(own.plan.items), "stopped": own.stopped}
            for name, own in in_part.items()
        }
        totals["sampled"] = {"until": until, "tasks": tasks, "warnings": warnings}
    kept = [warning for warning in run.warnings if warning not in before]
    if warnings or before or totals != run.totals:
        store.update(run_id, warnings=tuple(dict.fromkeys((*kept, *warnings))), totals=totals)
