"""The contamination audit of a study: its train and validation rows against the items that its finalists are measured
on, and their scores with and without the items that stand in these rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from data.instructions import Instruction
from harness import tasks as known_tasks
from harness.audit.audit import TaskAudit, audit
from harness.errors import UsageError
from harness.evaluation.compare import compare, results
from harness.evaluation.task_result import TaskResult
from tuning.objectives import objectives
from tuning.store import Store, StudyRow
from tuning.store.rows import BASE
from tuning.study.definition import Study


def audit_finalists(
    store: Store,
    row: StudyRow,
    rows: Sequence[Instruction],
    tasks: str,
    bench_data: str | None,
    runs: Sequence[Mapping[str, Any]],
    include_path: str | None = None,
) -> list[dict[str, Any]]:
    """A document a task, which is stored with the study. `rows` are those of train and validation, and `runs` what
    measured the finalists, as `finalist_evaluation.run_all` gives them. The items of benchmark objectives are audited
    too."""
    parts = objectives.slices(row.config["objectives"], row.config["constraints"])
    selected = known_tasks.load(tasks, bench_data, shots=0, include_path=include_path)
    for part in parts:
        names = [one.task.name for one in selected]
        selected += [one for one in known_tasks.load(part.task, bench_data, shots=0) if one.task.name not in names]
    distinct = list(dict.fromkeys(rows))
    documents = []
    for one in audit(selected, distinct, lambda places: _numbers(Study.from_dict(row.config), distinct, places)):
        own_parts = {part: objectives.seen(store, one.task, part) for part in parts}
        flagged = {item.item for item in one.flagged}
        documents.append(
            {
                **one.document,
                "objectives": [
                    {"word": part.word, "items": len(seen), "flagged": len(seen & flagged)}
                    for part, seen in own_parts.items()
                    if seen
                ],
                "scores": _scores(store, row, one, runs, set().union(*own_parts.values())) if flagged else [],
            }
        )
    store.save_audits(row.id, {document["task"]: document for document in documents})
    return documents


def _numbers(study: Study, rows: Sequence[Instruction], places: set[int]) -> dict[int, int]:
    """Which of its source's rows each is, in the order of its files: a split has them in another."""
    from data.instruction_rows import sources

    wanted = {rows[place]: place for place in places}
    numbers: dict[int, int] = {}
    counts: dict[str, int] = {}
    for row in sources.load(study.data, tuple(study.mix) if study.mix else None, study.columns).rows:
        counts[row.source] = counts.get(row.source, 0) + 1
        if row in wanted:
            numbers.setdefault(wanted[row], counts[row.source])
    return numbers


def _scores(
    store: Store, row: StudyRow, audit: TaskAudit, runs: Sequence[Mapping[str, Any]], seen: set[str]
) -> list[dict[str, Any]]:
    """Of the base and of each finalist, over the seeds it was trained with, without what an objective saw. Who was out
    of a race has read too little for a score without the flagged items, and is left out."""
    flagged = {item.item for item in audit.flagged}
    together: dict[tuple[str, int], TaskResult] = {}
    for run in runs:
        for result in results(store, store.resolve(run["run"]), [audit.task]):
            if result.read is not None:
                continue
            place = (run["study"], run["trial"]) if run["trial"] != BASE else ("", BASE)
            others = together[place].samples if place in together else ()
            samples = [sample for sample in result.samples if sample.item not in seen]
            together[place] = replace(result, samples=[*others, *samples])
    base = together.get(("", BASE))
    studies = {study.id: study.name for study in store.studies()}
    scores = []
    for (study, trial), result in together.items():
        own = study in ("", row.id)
        name = "base" if trial == BASE else f"trial {trial}" + ("" if own else f" of {studies[study]}")
        document: dict[str, Any] = {"study": study or row.id, "trial": trial, "name": name, "metric": result.metric}
        for which, left_out in (("all", frozenset[str]()), ("without", frozenset(flagged))):
            kept = _without(result, left_out)
            document[which] = _score(kept)
            document[f"over_base_{which}"] = (
                _over(_without(base, left_out), kept) if base is not None and trial != BASE else None
            )
        scores.append(document)
    return scores


def _without(result: TaskResult, items: Collection[str]) -> TaskResult:
    return replace(result, samples=[sample for sample in result.samples if sample.item not in items])


def _score(result: TaskResult) -> dict[str, Any] | None:
    """None where the metric is no mean over items, or no item is left."""
    made = objectives.scores_of(result.samples, result.metric)
    return {"value": made[0].value, "low": made[0].low, "high": made[0].high, "n": made[0].n} if made else None


def _over(base: TaskResult, result: TaskResult) -> dict[str, Any] | None:
    """The paired difference from the base, over the same items."""
    try:
        made = compare(base, result, [result.metric])[0]
    except UsageError:
        return None
    return {"value": made.difference, "low": made.low, "high": made.high, "p": made.p_value, "method": made.method}
