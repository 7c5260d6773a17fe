"""The contamination audit within a whole study: the rows that configurations learnt from, and were chosen by, against
the benchmarks that they are measured on (tuning/study/row_audit.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness import tasks
from tuning.store.rows import BASE

if TYPE_CHECKING:
    from harness.options import RunOptions
    from harness.progress import Progress
    from tuning.pipeline.whole_study import WholeStudy


def tasks_done(study: WholeStudy) -> tuple[int, int]:
    """Tasks whose audit is stored, and all."""
    wanted = {task for _, names, _ in _tables(study) for task in names}
    return len(wanted & {document["task"] for document in documents(study)}), len(wanted)


def documents(study: WholeStudy) -> list[dict[str, Any]]:
    """Of the first search, whose rows all searches of one kind share."""
    return study.store.audits(study.finished()[0].row.id)


def run(study: WholeStudy, progress: Progress) -> Iterator[None]:
    """Audit each table of benchmarks. Of a task that two tables have, the scores are those of the first."""
    from tuning.study.finalist_evaluation import rows_seen
    from tuning.study.row_audit import audit_finalists

    made, row = study.plans[0], study.finished()[0].row
    for options, names, runs in _tables(study):
        if names:
            wanted = ",".join(word for word in tasks.parse(options.tasks) if _is_of(word, names))
            with progress.step(f"comparing the training rows with {wanted}"):
                rows = rows_seen(made.study, made.splits)
                audit_finalists(study.store, row, rows, wanted, options.data, runs, options.include_path)
        yield


def _tables(study: WholeStudy) -> list[tuple[RunOptions, list[str], list[dict[str, Any]]]]:
    """Of each table its options, its tasks that no table before has, and its finished runs."""
    finished, seen = study.finished_runs(), set[str]()
    by_table: list[tuple[RunOptions, list[str], list[dict[str, Any]]]] = []
    for model in study.models():
        for place, (tag, options) in enumerate(study.runs(model)):
            if place == len(by_table):
                names = [row.task for row in study.store.tasks(finished[tag].id)] if tag in finished else []
                by_table.append((options, [name for name in names if name not in seen], []))
                seen |= set(names)
            if tag in finished:
                trial = BASE if model.seed is None else model.finalist.trial
                by_table[place][2].append({"study": model.finalist.study.id, "trial": trial, "run": finished[tag].id})
    return by_table


def _is_of(word: str, names: list[str]) -> bool:
    """Whether a word of --tasks stands for one of these tasks; a group of lm-eval's or a file may stand for others."""
    return word in names or ":" in word
