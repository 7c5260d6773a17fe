"""Runs, their scores and samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.evaluation.identity import digest
from tuning.store import Store
from tuning.trace import recomputing
from tuning.trace.checkpoints import checkpoint_link
from tuning.trace.links import Link, address, command, of_number
from tuning.trace.studies import begun, program_link

if TYPE_CHECKING:
    from harness.results import RunRow, SampleRow, ScoreRow, TaskRow

_ASKED_BY = ("system", "add_bos", "date", "chat_template", "temperature", "top_p", "max_new_tokens", "limit")


def score_link(store: Store, run: RunRow, task: str, deep: bool = True) -> Link:
    """A task's scores. `deep`: with the run's whole chain."""
    with store.read():
        of_run = store.tasks(run.id)
        row = next(known for known in of_run if known.task == task)
        samples = store.samples(run.id, task)
        scores = [score for score in store.scores(run.id) if score.task == task]
    missing = []
    if not row.items:
        missing.append(f"{task} is a group of tasks: its score is made of theirs, and it has no samples of its own.")
    elif len(samples) < row.items:
        missing.append(f"{len(samples):,} of {row.items:,} samples are stored" + _why(run))
    figures = recomputing.figures(run, row, samples, sorted(scores, key=lambda score: _place(row, score)))
    unseen = [figure.name for figure in figures if not figure.made_from]
    if task in run.sampled:
        missing.append("Scores of a part of the items, drawn at random, are not computed anew.")
    elif unseen and row.items:
        missing.append(f"Not computed anew, because the task's rows are not at hand: {', '.join(unseen)}.")
    return Link(
        "score",
        f"{task} of {run.name}",
        _settings(run, row),
        figures,
        missing,
        command(store, "trace", run.id[:12], task) if not deep else command(store, "show", run.id[:12], "--groups"),
        address("run", run=run.id[:12], task=task),
        (
            *([samples_link(store, run, task, samples)] if row.items else []),
            *([run_link(store, run)] if deep else []),
        ),
    )


def _why(run: RunRow) -> str:
    return {
        "running": ": the run is not finished, and the same command goes on.",
        "sampled": ": a part of the items was drawn at random. Without a stopping rule the same command goes on.",
        "imported": ": the files that it was imported from have no more.",
    }.get(run.status, ".")


def _place(task: TaskRow, score: ScoreRow) -> tuple[Any, ...]:
    return score.group != "all", score.group, score.metric != task.metric, score.metric


def _settings(run: RunRow, task: TaskRow) -> dict[str, Any]:
    """How a task was asked."""
    asked = {name: run.config[name] for name in _ASKED_BY if run.config.get(name) not in (None, "", False)}
    return {
        "protocol": task.protocol,
        "version": task.version,
        "metric": task.metric,
        "shots": task.shots,
        "chat": task.chat,
        "rows": task.data_source,
        "rows' digest": task.data_digest,
        "settings": dict(task.settings),
        **asked,
    }


def samples_link(store: Store, run: RunRow, task: str, samples: Sequence[SampleRow]) -> Link:
    values = [[s.item, s.repeat, s.group, s.cluster, dict(s.metrics), s.answer, s.expected, s.note] for s in samples]
    items = len({sample.item for sample in samples})
    return Link(
        "samples",
        f"{len(samples):,} of {task}",
        {"run": run.id, "task": task, "count": len(samples), "items": items, "digest": digest({"samples": values})},
        command=command(store, "samples", run.id[:12], "--task", task),
        page=address("run", run=run.id[:12], view="samples", task=task),
    )


def sample_link(store: Store, run: RunRow, task: str, item: str) -> Link:
    """An item's answers, each with its metrics. UsageError where the run has none of it."""
    samples = [sample for sample in store.samples(run.id, task) if sample.item == item]
    if not samples:
        shows = command(store, "samples", run.id[:12], "--task", task)
        raise UsageError(f"The run {run.name} has no sample {item!r} of {task}. `{shows}` shows those that it has.")
    responses = store.responses(run.id, task, [item])
    return Link(
        "sample",
        f"{item} of {task}",
        {
            "run": run.id,
            "task": task,
            "item": item,
            "group": samples[0].group,
            "expected": samples[0].expected,
            "read as": [sample.answer for sample in samples],
            "note": [sample.note for sample in samples if sample.note],
            "responses": [r.text or dict(zip(r.options, r.logprobs, strict=False)) for r in responses],
        },
        [
            of_number(name + (f", answer {sample.repeat + 1}" if len(samples) > 1 else ""), "{:g}", (value, None, None))
            for sample in samples
            for name, value in sample.metrics.items()
        ],
        [] if responses else ["What the model answered is not in the store."],
        command(store, "samples", run.id[:12], "--task", task, "--item", item),
        address("run", run=run.id[:12], view="samples", task=task, item=item),
        (score_link(store, run, task),),
    )


def run_link(store: Store, run: RunRow, scores: bool = False) -> Link:
    """`scores`: with each task's."""
    missing = []
    if run.status == "running":
        missing.append("The run is not finished: it is being computed, or was broken off.")
    if run.status == "sampled":
        missing.append("A part of its items was drawn at random: the others were not asked.")
    if run.status == "imported":
        missing.append("It was imported from files of another program: what these do not say is not known.")
    if run.unverified:
        missing.append(run.unverified)
    shown = command(store, "show", run.id[:12])
    tasks = [task.task for task in store.tasks(run.id)] if scores else []
    return Link(
        "run",
        run.name,
        {
            "id": run.id,
            "identity": run.identity,
            "status": run.status + (", partial" if run.partial else ""),
            "computed by": f"{run.backend}, {run.dtype} on {run.device}",
            "seed": run.seed,
            "tags": store.tags().get(run.id, []),
            **begun(run),
        },
        missing=missing,
        command=shown,
        page=address("run", run=run.id[:12], view="provenance"),
        sources=(
            *(score_link(store, run, task, deep=False) for task in tasks),
            checkpoint_link(store, run, shown),
            program_link(run.provenance),
        ),
    )
