"""One session of a study: find it or make it, search, merge its best adapter. The same options again go on."""

from __future__ import annotations

import math
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import StoreError
from harness.loading import check_loads
from harness.store import Store, StudyRow, TrialRow
from tuning import objectives
from tuning.crew import Crew, local_crew
from tuning.ledger import Ledger
from tuning.options import Options, seconds
from tuning.search import LOOK, Search
from tuning.study import Plan, Study, ledger_of, plan, surroundings
from tuning.workers import Setup

if TYPE_CHECKING:
    from data.instruction_split import Splits
    from harness.answering import Progress
    from harness.checkpoint import Checkpoint
    from tuning.train import Trainer, TrainSettings


def _silent(task: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Result:
    row: StudyRow
    ledger: Ledger
    computed: bool  # False when a finished study answered
    merged: Path | None = None  # the best adapter on its base


def make_trainer(checkpoint: Checkpoint, splits: Splits, settings: TrainSettings) -> Trainer:
    """In the process that trains."""
    from tuning.train import Trainer

    return Trainer(checkpoint, splits, settings)


def setup_of(made: Plan, options: Options) -> Setup:
    return partial(make_trainer, made.checkpoint, made.splits, made.study.settings(options))


def run(
    options: Options,
    progress: Progress = _silent,
    command: Sequence[str] = (),
    setup: Callable[[Plan, Options], Setup] = setup_of,
) -> Result:
    """Search until the budget is spent. Raises HarnessError, DataError, or KeyboardInterrupt; whatever was trained is
    stored. `setup` says how a worker gets its trainer."""
    made = plan(options)
    store = Store(options.db)
    known = store.find_study(made.study.identity)
    if known is None or known.status != "finished":
        check_loads(made.checkpoint)
    row = known or _create(store, made, options, command)
    with store.lease(row.id):
        row = store.resolve_study(row.id)
        budget = options.budget or row.budget
        changed = {"budget": budget, "name": options.name or row.name}
        ledger = ledger_of(store, row)
        if (
            row.status == "finished"
            and budget <= row.budget
            and not (store.enqueued(row.id) and budget > ledger.started)
        ):
            return Result(store.update_study(row.id, **{**changed, "budget": row.budget}), ledger, computed=False)
        ledger.try_again()
        row = store.update_study(row.id, status="running", **changed)
        return _session(options, made, store, row, ledger, progress, setup(made, options))


def _session(
    options: Options, made: Plan, store: Store, row: StudyRow, ledger: Ledger, progress: Progress, setup: Setup
) -> Result:
    from tuning.optimizers import make

    study = made.study
    where = surroundings(options)
    held = [study.space.point(hyper, study.defaults) for _, hyper in study.start]
    optimizer = make(
        study.optimizer,
        study.space,
        study.seed,
        [point for point in held if point is not None],
        study.block,
        len(study.objectives),
        len(study.constraints),
    )
    crew = make_crew(setup, options, made.study.settings(options).device)
    done = {trial.number for trial in ledger.trials if trial.state != "running"}
    progress("trials", len(done), row.budget)

    def settled(trial: TrialRow) -> None:
        done.add(trial.number)
        progress("trials", len(done), row.budget)

    search = Search(
        space=study.space,
        defaults=study.defaults,
        start=study.start,
        optimizer=optimizer,
        ledger=ledger,
        crew=crew,
        objectives=[objectives.measure_of(word, where) for word in study.objectives],
        constraints=[objectives.constraint_of(word, where) for word in study.constraints],
        folder=store.study_folder(row.id),
        budget=row.budget,
        keep=options.keep,
        packed=study.packed,
        may_start=_permission(store, row.id, options.timeout),
        settled=settled,
    )
    try:
        ending = search.run()
        merged = None if ending == "halted" or options.no_merge else _merge_best(store, row, ledger, study)
    except BaseException as error:
        with suppress(StoreError):  # a full disk has its own sentence
            store.update_study(row.id, status="stopped")
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(_how_far(len(done), row.budget)) from error
        raise
    finally:
        optimizer.close()
        crew.close()
    if ending == "halted":
        return Result(store.update_study(row.id, status="stopped"), ledger, computed=True)
    row = store.update_study(row.id, status="finished", finished=datetime.now(UTC))
    return Result(row, ledger, computed=True, merged=merged)


def make_crew(setup: Setup, options: Options, device: str) -> Crew:
    if options.ray is None:
        return local_crew(setup, options.parallel, device)
    from tuning.cluster import ray_crew

    return ray_crew(setup, options.ray, options.parallel, device)


def _create(store: Store, made: Plan, options: Options, command: Sequence[str]) -> StudyRow:
    from harness.provenance import provenance

    study = made.study
    row = StudyRow(
        id=uuid.uuid4().hex,
        identity=study.identity,
        name=options.name or f"{Path(study.model).name}-{study.optimizer}-{study.seed}",
        status="running",
        model=study.model,
        base_digest=study.base_digest,
        data_digest=study.data_digest,
        optimizer=study.optimizer,
        seed=study.seed,
        budget=made.budget,
        created=datetime.now(UTC),
        command=" ".join(command or sys.argv),
        config=study.to_dict(),
        provenance=provenance(),
        warnings=tuple(dict.fromkeys((*made.checkpoint.warnings, *made.notes, *made.splits.notes))),
    )
    store.create_study(row)
    return row


def _permission(store: Store, study_id: str, timeout: str | None) -> Callable[[], bool]:
    """Whether a further job may begin: the time is not up, and nobody asked to stop."""
    end = math.inf if timeout is None else time.monotonic() + seconds(timeout)
    looked, stopping = -math.inf, False

    def may_start() -> bool:
        nonlocal looked, stopping
        if time.monotonic() - looked > LOOK:
            looked, stopping = time.monotonic(), store.study_status(study_id) == "stopping"
        return not stopping and time.monotonic() < end

    return may_start


def _merge_best(store: Store, row: StudyRow, ledger: Ledger, study: Study) -> Path | None:
    """The best adapter on its base, as a checkpoint in the study's folder; None where no trial ended well."""
    from harness.adapter import merge

    best = ledger.best
    attempt = ledger.whole(best.number) if best else None
    if best is None or attempt is None or not attempt.adapter:
        return None
    home = store.study_folder(row.id)
    out = home / f"best-trial-{best.number:04d}"
    for old in home.glob("best-trial-*"):
        if old != out:
            shutil.rmtree(old, ignore_errors=True)
    if not out.exists():
        merge(attempt.adapter, out, base=study.model)
    return out


def _how_far(done: int, budget: int) -> str:
    return f"Stopped. {done} of {budget} trials are done; the same command goes on from there."
