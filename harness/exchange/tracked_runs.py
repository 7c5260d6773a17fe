"""The runs of a store, as experiment trackers keep them."""

from __future__ import annotations

import math
from typing import Any

from harness.errors import UsageError
from harness.exchange.tracked import Metric, Tracked
from harness.results import Store
from harness.results.rows import RunRow


def runs(db: str, word: str | None) -> list[Tracked]:
    """The part `runs` of the kind `harness.tracked`: runs that have ended, the oldest first."""
    store = Store(db)
    if word is None:
        return [of_run(store, row) for row in reversed(store.runs()) if not row.goes_on]
    try:
        row = store.resolve(word)
    except UsageError:
        return []
    if row.goes_on:
        raise UsageError(f"The run {row.name} has not ended yet: the same harness run goes on with it.")
    return [of_run(store, row)]


def of_run(store: Store, row: RunRow) -> Tracked:
    """Scores with their intervals as metrics, settings as parameters, digests as tags."""
    tasks = store.tasks(row.id)
    params: dict[str, Any] = {
        "model": row.model,
        "backend": row.backend,
        "device": row.device,
        "dtype": row.dtype,
        "seed": row.seed,
    }
    tags: dict[str, Any] = {
        "lora-harness.run": row.id,
        "lora-harness.identity": row.identity,
        "lora-harness.model_digest": row.model_digest,
        "lora-harness.base_digest": row.base_digest,
        "lora-harness.status": row.status,
        "lora-harness.partial": row.partial,
        "lora-harness.unverified": row.unverified,
        "lora-harness.git_revision": row.provenance.get("git_revision") or "",
    }
    for task in tasks:
        params |= {
            f"{task.task}/protocol": task.protocol,
            f"{task.task}/version": task.version,
            f"{task.task}/shots": task.shots,
            f"{task.task}/chat": task.chat,
        }
        tags |= {f"{task.task}/rows": task.data_source, f"{task.task}/rows_digest": task.data_digest}
    metrics = []
    for score in store.scores(row.id):
        place = score.task if score.group == "all" else f"{score.task}/{score.group}"
        figures = {"": score.value, "/low": score.low, "/high": score.high, "/items": score.n}
        metrics += [
            Metric(f"{place}/{score.metric}{end}", float(value))
            for end, value in figures.items()
            if math.isfinite(value)
        ]
    metrics += [Metric(f"seconds/{part}", float(spent)) for part, spent in row.totals.get("seconds", {}).items()]
    return Tracked(
        key=f"run:{row.id}",
        name=row.name,
        status="finished",
        started=row.created,
        ended=row.finished,
        params={name: str(value) for name, value in params.items()},
        metrics=metrics,
        tags={name: str(value) for name, value in tags.items() if value != ""},
    )
