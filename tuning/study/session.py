"""One session of a study: find it or make it, search, merge its best adapter. The same options again go on."""

from __future__ import annotations

import math
import shutil
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.instruction_split import PARTS
from data.sources import DataError
from harness.errors import ModelError, StoreError, UsageError
from harness.models.loading import check_loads, require_device
from harness.progress import SILENT, Progress
from tuning.objectives import objectives
from tuning.search.loop import LOOK, Search
from tuning.search.search_progress import SearchProgress
from tuning.search.shared_pool import shared
from tuning.search.worker_pool import WorkerPool, local_pool
from tuning.search.workers import Setup
from tuning.store import Store, StudyRow, TrialRow
from tuning.study.definition import Plan, Study, ledger_of, plan, surroundings
from tuning.study.ledger import Ledger
from tuning.study.options import Options, seconds
from tuning.training.placement import placements

if TYPE_CHECKING:
    from data.instruction_split import Splits
    from harness.models.checkpoint import Checkpoint
    from tuning.objectives.objectives import Measure
    from tuning.training.train import Trainer
    from tuning.training.train_settings import TrainSettings
    from tuning.types import Hyperparameters, Optimizer

REFUSALS = (UsageError, ModelError, DataError)  # of a study that cannot work as it was asked for


@dataclass(frozen=True, slots=True)
class Result:
    row: StudyRow
    ledger: Ledger
    computed: bool  # False when a finished study answered
    merged: Path | None = None  # the best adapter on its base


def make_trainer(
    checkpoint: Checkpoint, splits: Splits, settings: TrainSettings, hypers: tuple[Hyperparameters, ...]
) -> Trainer:
    """In the process that trains."""
    from tuning.training.train import Trainer

    return Trainer(checkpoint, splits, settings, placements=hypers)


def setup_of(made: Plan, options: Options) -> Setup:
    study = made.study
    hypers = placements(study.space, study.defaults, study.start)
    return partial(make_trainer, made.checkpoint, made.splits, study.settings(options), hypers)


def run(
    options: Options,
    progress: Progress = SILENT,
    command: Sequence[str] = (),
    setup: Callable[[Plan, Options], Setup] = setup_of,
    made: Plan | None = None,
) -> Result:
    """Search until the budget is spent. Raises HarnessError, DataError, or KeyboardInterrupt; whatever was trained is
    stored. `setup` says how a worker gets its trainer; `made` is the options' plan, where it is made already."""
    began = time.monotonic()
    if made is None:
        with progress.step("reading the rows"):
            made = plan(options)
    store = Store(options.db)
    known = store.find_study(made.study.identity)
    if known is None or known.status != "finished":
        if options.ray is None:  # whose workers are on other machines
            require_device(made.study.settings(options).device)
        check_loads(made.checkpoint)
    row = known or _row(made, options, command)
    with store.lease(row.id, f"The study {row.name}"):
        if known is not None:
            row = store.resolve_study(row.id)
            if is_answered(store, row, options):
                row = store.update_study(row.id, name=options.name or row.name)
                return Result(row, ledger_of(store, row), computed=False)
        with tools_of(made, options, setup, progress) as tools:  # what refuses does so before the store has any of it
            if known is None:
                tools.progress.overall(0, row.budget)  # seen while the base is loaded
                with tools.progress.preparing() as on_phase:
                    tools.pool.begin(on_phase)
                store.create_study(row)
            else:
                columns: dict[str, Any] = {"budget": options.budget or row.budget, "name": options.name or row.name}
                row = store.update_study(row.id, status="running", **columns)
            return _session(options, made, store, row, tools, progress, began, new=known is None)


def is_answered(store: Store, row: StudyRow, options: Options) -> bool:
    """Whether the study is finished and nothing is left to do."""
    budget = options.budget or row.budget
    if row.status != "finished" or budget > row.budget:
        return False
    return not (store.enqueued(row.id) and budget > ledger_of(store, row).started)


@dataclass(frozen=True, slots=True)
class Tools:
    """What a search works with, beside its ledger."""

    optimizer: Optimizer
    pool: WorkerPool
    objectives: list[Measure]
    constraints: list[Measure]
    may_start: Callable[[Store, str], Callable[[], bool]]
    progress: SearchProgress


@contextmanager
def tools_of(
    made: Plan, options: Options, setup: Callable[[Plan, Options], Setup], progress: Progress = SILENT
) -> Iterator[Tools]:
    """Raises what refuses a study: its optimizer, objectives, time limit, cluster."""
    from tuning.optimizers import make

    study = made.study
    where = replace(surroundings(options, study.template), progress=progress)
    held = [study.space.point(hyper, study.defaults) for _, hyper in study.start]
    with ExitStack() as stack:
        optimizer = make(
            study.optimizer,
            study.space,
            study.seed,
            [point for point in held if point is not None],
            study.block,
            len(study.objectives),
            len(study.constraints),
        )
        stack.callback(optimizer.close)
        pool = make_pool(setup(made, options), options, study.settings(options).device)
        stack.callback(pool.close)
        yield Tools(
            optimizer,
            pool,
            [objectives.measure_of(word, where) for word in study.objectives],
            [objectives.constraint_of(word, where) for word in study.constraints],
            partial(_permission, limit=math.inf if options.timeout is None else seconds(options.timeout)),
            SearchProgress(progress),
        )


def _session(
    options: Options,
    made: Plan,
    store: Store,
    row: StudyRow,
    tools: Tools,
    progress: Progress,
    began: float,
    new: bool,
) -> Result:
    """A search to its end. A study that is `new` and was refused before its first training leaves nothing behind."""
    study, ledger = made.study, ledger_of(store, row)
    ledger.try_again()
    done = {trial.number for trial in ledger.trials if trial.state != "running"}

    def settled(trial: TrialRow) -> None:
        done.add(trial.number)
        tools.progress.overall(len(done), row.budget, ledger.leading)

    search = Search(
        space=study.space,
        defaults=study.defaults,
        start=study.start,
        optimizer=tools.optimizer,
        ledger=ledger,
        pool=tools.pool,
        objectives=tools.objectives,
        constraints=tools.constraints,
        folder=store.study_folder(row.id),
        budget=row.budget,
        keep=options.keep,
        packed=study.packed,
        may_start=tools.may_start(store, row.id),
        settled=settled,
        progress=tools.progress,
        names=study.objectives,
    )
    try:
        done_before = list(ledger.attempts.values())
        tools.progress.expect(row.budget, ledger.fractions, tools.pool.size, done_before, finals=ledger.finals)
        tools.progress.overall(len(done), row.budget, ledger.leading)
        ending = search.run()
        tools.progress.over(ledger.leading)
        merged = None
        if ending != "halted" and not options.no_merge:
            with progress.step("merging the best adapter"):
                merged = _merge_best(store, row, ledger, study)
    except BaseException as error:
        with suppress(StoreError):  # a full disk has its own sentence
            if new and not ledger.attempts and isinstance(error, REFUSALS):
                store.discard_study(row.id)
            else:
                store.update_study(row.id, status="stopped", totals=_totals(row, began))
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(_how_far(len(done), row.budget)) from error
        raise
    if ending == "halted":
        return Result(store.update_study(row.id, status="stopped", totals=_totals(row, began)), ledger, computed=True)
    row = store.update_study(row.id, status="finished", finished=datetime.now(UTC), totals=_totals(row, began))
    return Result(row, ledger, computed=True, merged=merged)


def _totals(row: StudyRow, began: float) -> dict[str, Any]:
    """Of all sessions, with this one."""
    before = row.totals
    spent = round(before.get("seconds", 0.0) + time.monotonic() - began, 3)
    return {"seconds": spent, "sessions": before.get("sessions", 0) + 1}


def make_pool(setup: Setup, options: Options, device: str) -> WorkerPool:
    return shared(setup, (options.ray, options.parallel, device), partial(_make_pool, setup, options, device))


def _make_pool(setup: Setup, options: Options, device: str) -> WorkerPool:
    if options.ray is None:
        return local_pool(setup, options.parallel, device)
    from tuning.search.cluster import ray_pool

    return ray_pool(setup, options.ray, options.parallel, device)


def _row(made: Plan, options: Options, command: Sequence[str]) -> StudyRow:
    """A study that begins."""
    from harness.provenance import provenance

    study = made.study
    return StudyRow(
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
        provenance={**provenance(), "rows": _counts(made.splits)},
        warnings=tuple(dict.fromkeys((*made.checkpoint.warnings, *made.notes, *made.splits.notes))),
    )


def _counts(splits: Splits) -> dict[str, dict[str, int]]:
    """Of each part, its rows by source."""
    return {part: dict(Counter(row.source for row in splits.part(part))) for part in PARTS}


def _permission(store: Store, study_id: str, limit: float) -> Callable[[], bool]:
    """Whether a further job may begin: `limit` seconds are not up, and nobody asked to stop."""
    end = time.monotonic() + limit
    looked, stopping = -math.inf, False

    def may_start() -> bool:
        nonlocal looked, stopping
        if time.monotonic() - looked > LOOK:
            looked, stopping = time.monotonic(), store.study_status(study_id) == "stopping"
        return not stopping and time.monotonic() < end

    return may_start


def _merge_best(store: Store, row: StudyRow, ledger: Ledger, study: Study) -> Path | None:
    """The best adapter on its base, as a checkpoint in the study's folder; None where no trial ended well."""
    from harness.models.adapter import merge

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
