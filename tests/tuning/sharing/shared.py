"""A searched study with runs that measured its trials, answer by answer, and names that try to be more than text."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.evaluation.rescoring import rescored
from harness.results import RunRow, ScoreRow
from tests.harness.results import make
from tests.leaderboard.searched import searched
from tuning.store import Store, StudyRow
from tuning.study.definition import ledger_of

HOSTILE = "a: [b\n---\n# <script>alert(1)</script> | *x* `y` {{z}} !!python/object:os.system ../../é"
HUB = "hub:cais/mmlu@c30699e8356da336a370243923dbaf21066bb9fe"


def measured(store: Store, answers: Sequence[float], tag: str = "", task: str = "mmlu", **columns: object) -> RunRow:
    """A finished run with these values of its items, and the score that they make."""
    run = make.run(**{"status": "finished", "finished": make.run().created, **columns})
    row = make.task(run.id, task, items=len(answers), data_source=HUB)
    store.create(run, [row])
    names = [f"{task}/{place}" for place in range(len(answers))]
    samples = [make.sample(run.id, name, acc=value, task=task) for name, value in zip(names, answers, strict=True)]
    store.record(run.id, [make.response(run.id, name, task=task) for name in names], samples)
    wanted = [ScoreRow(run.id, task, "all", "standard", metric, 0, 0, 0, 0, "") for metric in ("acc", "acc_macro")]
    made = rescored([row], {task: samples}, wanted)
    store.save_scores(
        run.id,
        [
            ScoreRow(run.id, task, s.group, "standard", s.metric, s.value, s.low, s.high, s.n, s.method)
            for s in made
            if s is not None
        ],
    )
    if tag:
        store.tag(run.id, tag)
    return run


def values(right: int, items: int = 40) -> list[float]:
    return [float(place < right) for place in range(items)]


def study(folder: Path, name: str = HOSTILE) -> tuple[Store, StudyRow]:
    """A finished study, its base, two trainings of its best trial and one of a default, measured. `bare.duckdb` has the
    study alone."""
    row = searched(folder, name=name, budget=4)
    shutil.copy(folder / "s.duckdb", folder / "bare.duckdb")
    store = Store(folder / "s.duckdb")
    ledger = ledger_of(store, row)
    best = ledger.best
    assert best is not None
    default = next(trial for trial in ledger.trials if trial.label and trial.number != best.number)
    places = [(0, 18, "b"), (best.number, 30, "x"), (best.number, 32, "y"), (default.number, 20, "z")]
    for trial, right, digest in places:
        base = {} if trial == 0 else {"base_digest": "b"}
        measured(
            store,
            values(right),
            f"study-{row.id[:12]}-trial-{trial}",
            name=f"trial {trial} {digest}",
            model="org/base" if trial == 0 else f"/adapters/{digest}",
            model_digest=digest,
            **base,
        )
    return store, row
