"""A store with a study that was searched (by a trainer without a model), and runs that measured its trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.results import ScoreRow
from tests.harness.results import make
from tests.tuning import fakes
from tuning.store import Store, StudyRow
from tuning.study import session


def searched(folder: Path, **changes: Any) -> StudyRow:
    """A finished study in `folder/s.duckdb`."""
    return session.run(fakes.options(folder, **{"no_rungs": True, **changes}), setup=fakes.setup()).row


def measure(store: Store, study: StudyRow, values: dict[int, dict[str, float]], **columns: Any) -> dict[int, str]:
    """Finished runs with these headline scores (by trial, by task), as `tune top --run` tags them; gives their ids."""
    ids = {}
    for trial, scores in values.items():
        run = make.run(**{"name": f"trial {trial}", "status": "finished", "model_digest": f"t{trial}", **columns})
        store.create(run, [make.task(run.id, task, metric="acc") for task in scores])
        store.tag(run.id, f"study-{study.id[:12]}-trial-{trial}")
        rows = [
            ScoreRow(run.id, task, "all", "standard", "acc", value, value - 0.05, value + 0.05, 100, "wilson")
            for task, value in scores.items()
        ]
        store.save_scores(run.id, rows)
        ids[trial] = run.id
    return ids
