"""A checkpoint that was measured, and the trial or the base that it came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.training_record import MERGE_FILE
from tuning.report import trial_scores
from tuning.store import AttemptRow, Store, StudyRow
from tuning.store.rows import BASE
from tuning.trace.files import state_of
from tuning.trace.links import Link
from tuning.trace.studies import base_link, trial_link

if TYPE_CHECKING:
    from harness.results import RunRow
    from judges.store.rows import AnswerSetRow


def checkpoint_link(store: Store, made: RunRow | AnswerSetRow, shown_by: str = "") -> Link:
    """Of a run, or of answers; `shown_by` is the command that shows it."""
    studies = {row.id: row for row in store.studies()}
    merge = {} if made.base_digest else _merge(made.model)
    adapter = merge.get("adapter", made.model)
    trained = next(((row, a) for row in studies.values() for a in store.attempts(row.id) if a.adapter == adapter), None)
    place = (trained[0].id, trained[1].trial) if trained else _place(store, made)
    study = studies.get(place[0]) if place else None
    base = str(made.config.get("base") or (study.model if study else ""))
    kind = "adapter" if made.base_digest else "merged" if merge else "whole model"
    facts: dict[str, Any] = {"digest": made.model_digest, "kind": kind}
    if merge:
        facts |= {"adapter": adapter, "adapter's digest": merge.get("adapter_digest", "")}
    if trained:
        facts |= {"seed": trained[1].seed, "part of the rows": trained[1].fraction, "purpose": trained[1].purpose}
    missing = state_of(made.model, made.model_digest, base if made.base_digest and base else None)
    if study and place and place[1] != BASE and not trained:
        missing.append(f"Which of the trial's trainings made it is not recorded: no training keeps {made.model}.")
    if made.base_digest and not study:
        missing.append("No study of this store trained it.")
    return Link(
        "checkpoint",
        made.model,
        facts,
        missing=missing,
        command=shown_by,
        sources=_sources(store, made, study, place, base, trained[1] if trained else None),
    )


def _merge(model: str) -> dict[str, str]:
    """What `harness merge` and a study wrote into a merged checkpoint's folder; nothing of any other."""
    try:
        note = json.loads((Path(model) / MERGE_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: str(note[name]) for name in ("adapter", "adapter_digest") if name in note}


def _sources(
    store: Store,
    made: RunRow | AnswerSetRow,
    study: StudyRow | None,
    place: tuple[str, int] | None,
    base: str,
    training: AttemptRow | None,
) -> tuple[Link, ...]:
    if study and place and place[1] != BASE:
        return (trial_link(store, study, place[1], deep=True, training=training),)
    if made.base_digest:
        return (base_link(base or "its base", made.base_digest),)
    return ()


def _place(store: Store, made: RunRow | AnswerSetRow) -> tuple[str, int] | None:
    """(study's id, trial) by the tags of the run itself, or of a run on the same checkpoint."""
    by_run = trial_scores.places(store)
    if made.id in by_run:
        return by_run[made.id][-1]
    alike = [run.id for run in store.runs() if made.model_digest and run.model_digest == made.model_digest]
    return next((by_run[run][-1] for run in alike if run in by_run), None)
