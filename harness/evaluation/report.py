"""A run as plain data: what commands print and pages show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.estimate.outcome import outcome

if TYPE_CHECKING:
    from harness.results import RunRow, ScoreRow, Store


def run_document(store: Store, run: RunRow) -> dict[str, Any]:
    """`run`, `model`, `scores`, `tokens`, `seconds`, `warnings` and what made them. Scores stand in the order of the
    run's tasks, overall rows (group "all") before groups, a task's headline metric before its others."""
    tasks = store.tasks(run.id)
    place = {t.task: (n, t.metric) for n, t in enumerate(tasks)}

    def order(score: ScoreRow) -> tuple[Any, ...]:
        number, headline = place[score.task]
        return number, score.group != "all", score.group, score.metric != headline, score.metric

    return {
        "run": run.id,
        "name": run.name,
        "status": run.status,
        "partial": run.partial,
        "model": run.model,
        "model_digest": run.model_digest,
        "backend": run.backend,
        "device": run.device,
        "dtype": run.dtype,
        "seed": run.seed,
        "created": run.created.isoformat(),
        "tags": store.tags().get(run.id, []),
        "tasks": [
            {
                "task": t.task,
                "protocol": t.protocol,
                "version": t.version,
                "metric": t.metric,
                "shots": t.shots,
                "chat": t.chat,
                "data_source": t.data_source,
                "data_digest": t.data_digest,
                "samples": t.items,
                "settings": dict(t.settings),
            }
            for t in tasks
        ],
        "scores": [score_document(s, run) for s in sorted(store.scores(run.id), key=order)],
        "sampled": {task: dict(read) for task, read in run.sampled.items()},
        "tokens": dict(run.totals.get("tokens", {})),
        "seconds": dict(run.totals.get("seconds", {})),
        "peak_bytes": run.totals.get("peak_bytes", 0),
        "estimate": outcome(
            store,
            run.identity,
            run.finished,
            run.totals.get("seconds", {}).get("total"),
            run.totals.get("peak_bytes", 0),
        ),
        "unverified": run.unverified,
        "warnings": list(run.warnings),
    }


def score_document(score: ScoreRow, run: RunRow) -> dict[str, Any]:
    """`sampled_of`: of a score that is from items drawn at random, how many there are; None of another, and of the
    groups of such a task."""
    sampled = run.sampled.get(score.task) if score.group == "all" else None
    return {
        "task": score.task,
        "group": score.group,
        "protocol": score.protocol,
        "metric": score.metric,
        "value": score.value,
        "low": score.low,
        "high": score.high,
        "n": score.n,
        "sampled_of": sampled["of"] if sampled else None,
        "interval": score.method,
    }


def items_count(score: Mapping[str, Any]) -> str:
    """Of a `score_document`: "14,042", or "1,200 of 14,042" where it is sampled."""
    of = score["sampled_of"]
    return f"{score['n']:,} of {of:,}" if of else f"{score['n']:,}"


def items_words(score: Mapping[str, Any]) -> str:
    """Of a `score_document`: "14,042 items", or "sampled: 1,200 of 14,042 items"."""
    return f"{'sampled: ' if score['sampled_of'] else ''}{items_count(score)} items"


def tokens_per_second(document: Mapping[str, Any]) -> float | None:
    """Of a `run_document`: tokens that went through the model, by the seconds it worked; None where not counted."""
    computed, seconds = document["tokens"].get("computed"), document["seconds"].get("model")
    return computed / seconds if computed and seconds else None
