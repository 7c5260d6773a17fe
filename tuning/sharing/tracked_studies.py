"""The studies of a store, as experiment trackers keep them: a child for each trial that has ended."""

from __future__ import annotations

import math
from typing import Any

from harness.errors import UsageError
from harness.exchange.tracked import Metric, Tracked
from tuning.store import AttemptRow, Store, StudyRow, TrialRow
from tuning.study.definition import ledger_of
from tuning.study.ledger import Ledger

_SETTINGS = ("template", "max_tokens", "dtype", "data", "split", "data_seed", "sizes", "mix", "fractions", "packed")


def studies(db: str, word: str | None) -> list[Tracked]:
    """The part `studies` of the kind `harness.tracked`: all studies, the oldest first, with what is known by now."""
    store = Store(db)
    if word is None:
        return [of_study(store, row) for row in reversed(store.studies())]
    try:
        return [of_study(store, store.resolve_study(word))]
    except UsageError:
        return []


def of_study(store: Store, row: StudyRow) -> Tracked:
    ledger = ledger_of(store, row)
    curves = store.curves(row.id)
    ended = [trial for trial in ledger.trials if trial.state != "running"]
    params: dict[str, Any] = {
        "model": row.model,
        "optimizer": row.optimizer,
        "seed": row.seed,
        "budget": row.budget,
        "objectives": ", ".join(row.config["objectives"]),
        "constraints": ", ".join(row.config["constraints"]),
        **{name: row.config[name] for name in _SETTINGS if row.config.get(name) is not None},
    }
    tags: dict[str, Any] = {
        "lora-harness.study": row.id,
        "lora-harness.identity": row.identity,
        "lora-harness.base_digest": row.base_digest,
        "lora-harness.data_digest": row.data_digest,
        "lora-harness.status": row.status,
        "lora-harness.git_revision": row.provenance.get("git_revision") or "",
        "lora-harness.best_trial": ledger.best.number if ledger.best else "",
        **{f"rows/{part}": digest for part, digest in row.config["data_digests"].items()},
    }
    return Tracked(
        key=f"study:{row.id}",
        name=row.name,
        status="finished" if row.status == "finished" else "running",
        started=row.created,
        ended=row.finished,
        params=_texts(params),
        metrics=_best_so_far(row, ended),
        tags=_texts(tags),
        children=[_of_trial(row, ledger, trial, curves) for trial in ended],
    )


def _best_so_far(row: StudyRow, ended: list[TrialRow]) -> list[Metric]:
    """The least first objective after each trial that was trained on all rows; the step is the trial's number."""
    best, points = math.inf, []
    for trial in ended:
        if trial.state == "finished" and trial.objectives and math.isfinite(trial.objectives[0]):
            best = min(best, trial.objectives[0])
            points.append(Metric(f"best/{row.config['objectives'][0]}", best, trial.number))
    return points


def _of_trial(row: StudyRow, ledger: Ledger, trial: TrialRow, curves: Any) -> Tracked:
    """Rungs are steps: the step is the percentage of the rows. A training with another seed, after the search, has
    its seed in its metrics' names."""
    metrics: list[Metric] = []
    own = [attempt for attempt in ledger.attempts.values() if attempt.trial == trial.number]
    for attempt in own:
        searched = attempt.purpose == "search"
        metrics += _measured(row, attempt, "" if searched else f"final/seed {attempt.seed}/")
        curve = curves.get((attempt.trial, attempt.purpose, attempt.fraction, attempt.seed), ())
        place = f"loss/{100 * attempt.fraction:g}% of rows" if searched else f"final/seed {attempt.seed}/loss"
        metrics += [Metric(place.replace("%", " percent"), float(loss), step) for step, loss in curve]
    tags: dict[str, Any] = {
        "lora-harness.study": row.id,
        "lora-harness.digest": trial.digest,
        "lora-harness.state": trial.state,
        "lora-harness.source": trial.source,
        "lora-harness.label": trial.label,
        "lora-harness.reason": trial.reason,
        "lora-harness.estimated": trial.estimated,
    }
    return Tracked(
        key=f"trial:{row.id}/{trial.number}",
        name=f"{row.name} trial {trial.number}",
        status="failed" if trial.state == "failed" else "finished",
        started=trial.created,
        ended=trial.finished,
        params=_texts(dict(trial.hyperparameters)),
        metrics=[metric for metric in metrics if math.isfinite(metric.value)],
        tags=_texts(tags),
    )


def _measured(row: StudyRow, attempt: AttemptRow, before: str) -> list[Metric]:
    if attempt.failed:
        return []
    figures: dict[str, float | None] = {
        "validation_loss": attempt.validation_loss,
        "train_loss": attempt.train_loss,
        "seconds": attempt.seconds,
        "peak_bytes": attempt.peak_bytes,
        **{
            f"objective/{name}": value
            for name, value in zip(row.config["objectives"], attempt.objectives, strict=False)
        },
    }
    if attempt.test_tokens:
        figures["test_loss"] = sum(attempt.test_nats) / sum(attempt.test_tokens)
    step = round(100 * attempt.fraction)
    return [Metric(f"{before}{name}", float(value), step) for name, value in figures.items() if value is not None]


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value != ""}
