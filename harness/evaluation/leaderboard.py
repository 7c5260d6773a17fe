"""The leaderboard as plain data: what `harness show` prints and pages show. A row is a configuration."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.evaluation.configurations import (
    Configuration,
    Part,
    Training,
    configurations,
    parts,
    way,
    without_member_tags,
)
from harness.evaluation.report import score_document
from harness.evaluation.task_result import MACRO

if TYPE_CHECKING:
    from harness.results import RunRow, ScoreRow, Store, TaskRow

ROUNDING = 1e-9  # how far two ways to add up one mean may be apart


class _Known(NamedTuple):
    """What the rows are made of."""

    scores: Mapping[str, Mapping[str, ScoreRow]]  # headline scores by run and task
    tasks: Mapping[tuple[str, str], TaskRow]  # by run and task
    tags: Mapping[str, Sequence[str]]  # by run
    items: Mapping[tuple[str, str], str]  # a digest of the items, by run and task


def leaderboard(store: Store, only: Configuration | None = None) -> list[dict[str, Any]]:
    """A row a configuration and protocol, the newest first: the headline score of each of its tasks over all its seeds,
    and each training's own in `trainings`. Protocols are never in one row, nor whole and partial runs, nor weights that
    were quantised; a sampled run is a row by itself. Partial runs are marked, and those asked in a chat template. Why
    runs of one configuration are several rows is said in `apart`. `only`: of this configuration alone."""
    with store.read():
        every = configurations(store) if only is None else [only]
        several = [run.id for one in every if len(one.runs) > 1 for run in one.runs]
        scores: dict[str, dict[str, ScoreRow]] = {}
        for score in store.headlines():
            scores.setdefault(score.run, {})[score.task] = score
        tasks = {(task.run, task.task): task for task in store.tasks()}
        known = _Known(scores, tasks, store.tags(), store.item_digests(several) if several else {})
        return [
            _row(store, protocol, part, known, made[0] if place else None)
            for one in every
            for protocol, made in _alike(one, known)
            for place, part in enumerate(made)
        ]


def _alike(configuration: Configuration, known: _Known) -> list[tuple[str, list[Part]]]:
    """The protocol and the parts that are rows, whole or partial, quantised or not; runs without a score are left
    out."""
    kinds: dict[tuple[str, bool, bool, str], dict[str, dict[str, Any]]] = {}
    for run in configuration.runs:
        for task, score in known.scores.get(run.id, {}).items():
            asked = (way(known.tasks[run.id, task], run), known.items.get((run.id, task), ""))
            # sampled runs stop each at an item of its own: none is one row with another
            kind = (score.protocol, run.partial, is_quantised(run), run.id if run.sampled else "")
            kinds.setdefault(kind, {}).setdefault(run.id, {})[task] = asked
    return [(kind[0], parts(_of(configuration, ways), ways)) for kind, ways in sorted(kinds.items())]


def is_quantised(run: RunRow) -> bool:
    return bool(run.config.get("load_in_4bit"))


def _of(configuration: Configuration, runs: Iterable[str]) -> Configuration:
    """With some of its runs."""
    wanted = set(runs)
    kept = [
        Training(training.seed, own)
        for training in configuration.trainings
        if (own := tuple(run for run in training.runs if run.id in wanted))
    ]
    return Configuration(configuration.name, configuration.key, tuple(kept))


def _row(store: Store, protocol: str, part: Part, known: _Known, first: Part | None) -> dict[str, Any]:
    """`first`: the row that this part could not be merged into."""
    configuration = part.configuration
    newest, runs = configuration.newest, configuration.runs
    tags = [tag for run in runs for tag in without_member_tags(known.tags.get(run.id, ()))]
    return {
        "run": newest.id,
        "name": configuration.name,
        "configuration": configuration.key,
        "model": newest.model,
        "model_digest": newest.model_digest,
        "protocol": protocol,
        "partial": newest.partial,
        "sampled": bool(newest.sampled),
        "chat": any(task.chat for run in runs for task in _tasks(run, known)),
        "unverified": configuration.unverified,
        "status": newest.status,
        "created": newest.created.isoformat(),
        "tags": list(dict.fromkeys(tags)),
        "scores": {
            task: _over_seeds(store, own, known.tasks[own[0].run, task], _run_of(own[0], configuration.trainings))
            for task, own in _scores(configuration.trainings, protocol, part, known).items()
        },
        "trainings": [
            {
                "seed": training.seed,
                "runs": [run.id for run in training.runs],
                "scores": {
                    task: score_document(score, _run_of(score, [training]))
                    for task, (score,) in _scores([training], protocol, part, known).items()
                },
            }
            for training in configuration.trainings
        ],
        "apart": _apart(part, first) if first else "",
    }


def _tasks(run: RunRow, known: _Known) -> list[TaskRow]:
    return [known.tasks[run.id, task] for task in known.scores[run.id]]


def _scores(trainings: Sequence[Training], protocol: str, part: Part, known: _Known) -> dict[str, list[ScoreRow]]:
    """By task, one of each training that has it."""
    of_task: dict[str, list[ScoreRow]] = {}
    for task in sorted(part.ways):
        every = [known.scores[run.id].get(task) for training in trainings for run in training.runs]
        if own := [score for score in every if score is not None and score.protocol == protocol]:
            of_task[task] = own
    return of_task


def _run_of(score: ScoreRow, trainings: Iterable[Training]) -> RunRow:
    return next(run for training in trainings for run in training.runs if run.id == score.run)


def _over_seeds(store: Store, scores: Sequence[ScoreRow], task: TaskRow, run: RunRow) -> dict[str, Any]:
    """The mean over the seeds, with the interval of items and seeds; a metric that is no mean over items has none."""
    from harness.stats.crossed import crossed
    from harness.stats.intervals import UNIT

    first = scores[0]
    if len(scores) == 1:
        return {**score_document(first, run), "seeds": 1}
    value = statistics.fmean(score.value for score in scores)
    made = {
        **score_document(first, run),
        "value": value,
        "low": value,
        "high": value,
        "interval": "none",
        "seeds": len(scores),
    }
    runs = [score.run for score in scores]
    matrix = store.matrix(runs, task.task, task.metric)
    macro = matrix is None and task.metric.endswith(MACRO)
    if macro:
        matrix = store.matrix(runs, task.task, task.metric.removesuffix(MACRO))
    if matrix is None or len(matrix.runs) < len(runs):
        return made
    bounded = UNIT if matrix.values.min() >= 0 and matrix.values.max() <= 1 else None
    interval = crossed(matrix.values, matrix.clusters, matrix.groups if macro else None, bounded)
    if abs(interval.value - value) > ROUNDING * max(1.0, abs(value)):
        return made
    return {**made, "low": interval.low, "high": interval.high, "interval": "crossed"}


def _apart(part: Part, first: Part) -> str:
    """Why runs of one configuration are another row, in a sentence's words."""
    reasons: dict[str, list[str]] = {}
    for task, (asked, items) in part.ways.items():
        if task in first.ways:
            of_first, its_items = first.ways[task]
            why = "asked in another way" if asked != of_first else "on other items" if items != its_items else "again"
            reasons.setdefault(why, []).append(task)
    return "; ".join(f"{', '.join(tasks)} {why}" for why, tasks in reasons.items())
