"""A whole study's verdict: every number of its report, computed anew from the store, with the configurations, searches
and rankings that it came from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.options import DEFAULT_DB
from harness.errors import UsageError
from tuning.pipeline.measured import board
from tuning.pipeline.report import CONTENT, numbers, report_of
from tuning.pipeline.smaller import read_smaller
from tuning.pipeline.stages import answer_names, stages_of
from tuning.pipeline.verdict import verdict
from tuning.pipeline.whole_study import WholeStudy
from tuning.store import Store
from tuning.trace.comparisons import configuration_link
from tuning.trace.links import Figure, Link, command
from tuning.trace.preference import ranking_link
from tuning.trace.studies import study_link

if TYPE_CHECKING:
    from harness.results import RunRow

_FILES = ("report.html", "report.md", CONTENT)


def report_path(word: str) -> Path | None:
    """The study's file or the content of its report, where the word is the path of one."""
    path = Path(word)
    if path.suffix == ".toml" and path.is_file():
        return path
    content = path / CONTENT if path.is_dir() else path.with_name(CONTENT) if path.name in _FILES else None
    return content if content is not None and content.is_file() else None


def report_link(path: Path, store: Store, words: Sequence[str] = ()) -> Link:
    """`words`: only those numbers whose names have them all. UsageError where there is no verdict yet."""
    known: dict[str, str] = {}
    changes: Mapping[str, Any] = {}
    scale = None
    file_path = path
    if path.name == CONTENT:
        file_path, changes, scale, known = _content(path)
    if str(store.path) != DEFAULT_DB:
        changes = {**changes, "db": str(store.path)}
    file = read_smaller(file_path, changes, scale)
    study = WholeStudy(file)
    _ = study.identities  # which looks into the store by itself
    with study.store.read():
        return _of_study(study, path, known, words)


def _of_study(study: WholeStudy, path: Path, known: Mapping[str, str], words: Sequence[str]) -> Link:
    file = study.file
    _require_a_verdict(study)
    report = report_of(study, verdict(board(study)))
    anew = numbers(report)
    chosen = _chosen(anew, words)
    figures = [Figure(name, text, made_from="the store", stored=known.get(name)) for name, text in chosen.items()]
    gone = [name for name in known if name not in anew]
    return Link(
        "whole study",
        file.name,
        {"file": str(file.path), "report": str(path), "store": str(study.store.path)},
        figures,
        [f"The report's number {name!r} is none that the store gives." for name in gone],
        command(study.store, "study", "status", file.path),
        sources=_sources(study, chosen, bool(words)),
    )


def _content(path: Path) -> tuple[Path, Mapping[str, Any], float | None, dict[str, str]]:
    try:
        content = json.loads(path.read_text("utf-8"))
        made_from = content["made_from"]
        return Path(made_from["file"]), made_from["changes"], made_from["scale"], dict(content["numbers"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no report of `harness study run`, or one from before it said what it is made of: "
            "`harness study status STUDY.toml` writes it anew."
        ) from error


def _require_a_verdict(study: WholeStudy) -> None:
    for stage in stages_of(study.file):
        state = stage.state(study)
        if not state.is_done:
            file = study.file.path
            raise UsageError(
                f"{file} has no verdict yet: of the stage {stage.name} {state.count or 'nothing'} is done. "
                f"`harness study run {file}` goes on."
            )
        if stage.name == "benchmarks":
            return


def _chosen(anew: Mapping[str, str], words: Sequence[str]) -> dict[str, str]:
    if len(words) == 1 and words[0] in anew:
        return {words[0]: anew[words[0]]}
    chosen = {name: text for name, text in anew.items() if all(word.casefold() in name.casefold() for word in words)}
    if not chosen:
        raise UsageError(f"No number of the report is called {' '.join(words)!r}. Without it, all of them are shown.")
    return chosen


def _sources(study: WholeStudy, chosen: Mapping[str, str], some: bool) -> tuple[Link, ...]:
    """Of all numbers the searches, configurations and the ranking; of some, what their names name."""
    runs = _runs(study)
    names = " ".join(chosen)
    titles = [title for title in runs if not some or _names(title, names)] or list(runs)
    tasks = {task for own in runs.values() for run in own for task in _tasks(study.store, run)}
    named = [task for task in sorted(tasks) if _names(task, names)] if some else []
    task = named[0] if len(named) == 1 else None
    links = [configuration_link(study.store, title, runs[title], task) for title in titles]
    searches = [study_link(study.store, search.row, trials=not some) for search in study.finished()]
    preference = []
    asked = study.file.judges is not None or study.file.people is not None
    for source in ("people", "judges") if asked and (not some or "Preference" in names) else ():
        with suppress(UsageError):  # nobody of this kind has compared them yet
            preference.append(ranking_link(study.store, None, source, models=answer_names(study)))
    return (*links, *preference, *searches)


def _names(word: str, text: str) -> bool:
    """Whether the word stands in the text as a whole: trial 1 does not in trial 12."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def _runs(study: WholeStudy) -> dict[str, list[RunRow]]:
    """By configuration: the finished runs of its trainings."""
    finished = study.finished_runs()
    runs: dict[str, list[RunRow]] = {}
    for model in study.models():
        runs.setdefault(model.title, []).extend(finished[tag] for tag, _ in study.runs(model) if tag in finished)
    return runs


def _tasks(store: Store, run: RunRow) -> list[str]:
    return [task.task for task in store.tasks(run.id)]
