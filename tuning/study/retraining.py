"""Adapters that the ledger knows and the disk lacks, trained again: of a study that came from another machine, or whose
folder was cleaned.

What was measured stands: the training is the same, seed by seed, and its result is held against the ledger's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.progress import SILENT, Progress
from tuning.search.search_progress import SearchProgress
from tuning.search.worker_pool import WorkerPool
from tuning.search.workers import Job, Reply
from tuning.store import AttemptRow, StudyRow
from tuning.store.rows import BASE
from tuning.study.finalists import Finalist, place_of, train_each, trainings
from tuning.study.ledger import hyper_of

CLOSE = 0.01  # nats a token: more than other processors and other versions of the same arithmetic make of one training


def missing(finalists: Sequence[Finalist]) -> list[tuple[Finalist, AttemptRow]]:
    """The trainings over new seeds that ended well and whose adapters are not on this machine."""
    return [
        (finalist, attempt)
        for finalist in finalists
        if finalist.trial != BASE
        for attempt in trainings(finalist)
        if not (attempt.adapter and Path(attempt.adapter).is_dir())
    ]


def train_missing(
    finalists: Sequence[Finalist],
    pool: WorkerPool,
    folder: Callable[[StudyRow], Path],
    progress: Progress = SILENT,
) -> None:
    """Train them and record where they are. Where one came out otherwise than the ledger says, its study has a note."""
    owners: dict[Job, tuple[Finalist, AttemptRow]] = {}
    for finalist, attempt in missing(finalists):
        hyper = hyper_of(finalist.ledger.trials[finalist.trial - 1].hyperparameters)
        to = place_of(folder(finalist.study), finalist.trial, attempt.seed)
        owners[Job(finalist.trial, hyper, attempt.fraction, attempt.seed, to, "final", test=True)] = (finalist, attempt)
    if not owners:
        return

    def take(job: Job, reply: Reply) -> AttemptRow:
        if reply.stop is not None:
            raise reply.stop
        finalist, attempt = owners[job]
        if remark := _remark(finalist, attempt, reply):
            finalist.ledger.store.note(finalist.study.id, remark)
        if reply.trained is not None:
            finalist.ledger.place_adapter(attempt, str(reply.trained.adapter))
        return attempt

    first, _ = next(iter(owners.values()))
    train_each(
        list(owners),
        pool,
        take,
        lambda job, step: None,  # the curve is in the ledger already
        lambda text: first.ledger.store.note(first.study.id, text),
        SearchProgress(progress, "adapters that are missing"),
    )


def _remark(finalist: Finalist, attempt: AttemptRow, reply: Reply) -> str:
    whose = f"{finalist.name} of {finalist.study.name}, seed {attempt.seed}"
    if reply.trained is None or reply.test is None:
        return f"{whose}, could not be trained again: {reply.failed}"
    nats, tokens = (sum(column) for column in zip(*reply.test.rows, strict=True))
    before, again = sum(attempt.test_nats) / sum(attempt.test_tokens), nats / tokens
    if abs(again - before) <= CLOSE:
        return ""
    return (
        f"{whose}, was trained again, and its test loss is {again:.4f} nats a token where {before:.4f} is recorded: "
        "what is measured on this adapter does not belong to the recorded loss."
    )
