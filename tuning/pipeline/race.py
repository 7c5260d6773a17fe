"""The race of the finalists on the benchmarks of a whole study (harness/evaluation/sampling/race.py): a race for each
table of benchmarks, of all configurations and the base. The winner of each task is measured whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import tasks
from harness.errors import UsageError
from harness.evaluation.sampling.race import Entrant, refuse_mixed_chats, refuse_whole
from tuning.objectives import objectives
from tuning.pipeline.whole_study import WholeStudy, base_chats
from tuning.study.finalist_race import refuse_flattered

if TYPE_CHECKING:
    from harness.options import RunOptions


def check(study: WholeStudy) -> None:
    """UsageError where a benchmark cannot be raced."""
    searched = study.plans[0].study
    trained_chat = searched.template == "chat"
    base_chat = base_chats(searched.template, searched.model, searched.revision)
    of_base, of_adapters = (study.file.runs(chat, model=study.file.tune.model) for chat in (base_chat, trained_chat))
    try:
        for asked, other in zip(of_base, of_adapters, strict=True):
            _check(study, asked)
            refuse_mixed_chats([("the base", asked.chat), ("the adapters", other.chat)])
    except UsageError as error:
        raise UsageError(f"{study.file.path} [finalists] race: {error}") from error


def _check(study: WholeStudy, asked: RunOptions) -> None:
    loaded = tasks.load(asked.tasks, asked.data, asked.protocol, asked.shots, asked.chat, asked.include_path)
    for selected in loaded:
        refuse_whole(selected.task)
    names = [selected.task.name for selected in loaded]
    for search, made in zip(study.searches, study.plans, strict=True):
        parts = objectives.slices(made.study.objectives, made.study.constraints)
        refuse_flattered(search.name, parts, names)


def entrants_of(study: WholeStudy) -> list[list[Entrant]]:
    """Of each table of benchmarks whose race has not ended."""
    finished = study.finished_runs()
    by_table: list[dict[str, list[RunOptions]]] = [{} for _ in study.file.benchmarks]
    due: set[int] = set()
    for model in study.models():
        for table, (tag, options) in enumerate(study.runs(model)):
            by_table[table].setdefault(model.title, []).append(options)
            if tag not in finished:
                due.add(table)
    return [[Entrant(title, tuple(runs)) for title, runs in by_table[table].items()] for table in sorted(due)]
