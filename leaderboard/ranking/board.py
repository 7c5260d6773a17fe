"""The leaderboard's rows: a checkpoint each, benchmarks of one protocol side by side, nothing mixed that was asked
otherwise. Figures are `harness.evaluation.report.leaderboard`'s, which `harness show` prints."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.tasks import declared
from leaderboard.ranking.lineage import Lineage, lineages

if TYPE_CHECKING:
    from harness.results import RunRow, TaskRow
    from tuning.store import Store


@dataclass(frozen=True, slots=True)
class Column:
    """A benchmark, asked in one way: scores in it can be compared."""

    key: str  # the task, and in brackets `other`
    task: str
    metric: str
    other: str = ""  # how it differs from the task's first column: "0 shots", "chat"


@dataclass(frozen=True, slots=True)
class Cell:
    run: str
    score: Mapping[str, Any]  # report.score_document


@dataclass(slots=True)
class Row:
    """A checkpoint; its whole and its partial runs are two rows. What it says of a run is said of the newest."""

    key: str  # the checkpoint's digest, or the run's id where there is none
    name: str
    model: str
    digest: str
    base: str  # an adapter's, as given; ""
    dtype: str
    backend: str
    created: str  # ISO, of the newest run
    partial: bool
    quantised: bool
    unverified: str
    tags: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)  # the newest first
    cells: dict[str, Cell] = field(default_factory=dict)  # by column
    lineage: Lineage | None = None


@dataclass(frozen=True, slots=True)
class Board:
    protocol: str
    columns: Sequence[Column]
    rows: Sequence[Row]

    def ranked(self, column: Column) -> tuple[str, ...]:
        """The runs that are ranked in a column: whole ones, by id."""
        return tuple(sorted(r.cells[column.key].run for r in self.rows if not r.partial and column.key in r.cells))


def boards(store: Store) -> list[Board]:
    """One a protocol, `standard` first. Of two runs of a checkpoint in one column the newer one stands there."""
    from harness.evaluation.report import leaderboard

    with store.read():
        documents = leaderboard(store)
        runs = {run.id: run for run in store.runs()}
        tasks = {(task.run, task.task): task for task in store.tasks()}
        origins = lineages(store)
    protocols = sorted({document["protocol"] for document in documents}, key=lambda name: (name != "standard", name))
    result: list[Board] = []
    for protocol in protocols:
        own = [document for document in documents if document["protocol"] == protocol]
        columns = _columns(own, runs, tasks)
        rows: dict[tuple[str, bool, bool], Row] = {}
        for document in own:
            run = runs[document["run"]]
            quantised = bool(run.config.get("load_in_4bit"))
            key = (run.model_digest or run.id, run.partial, quantised)
            row = rows.setdefault(key, _row(run, document, quantised))
            row.runs.append(run.id)
            row.tags += [tag for tag in document["tags"] if tag not in row.tags]
            row.lineage = row.lineage or origins.get(run.id)
            for task, score in document["scores"].items():
                row.cells.setdefault(columns[_way(tasks[run.id, task], run)].key, Cell(run.id, score))
        result.append(Board(protocol, list(columns.values()), list(rows.values())))
    return result


def _row(run: RunRow, document: Mapping[str, Any], quantised: bool) -> Row:
    return Row(
        key=run.model_digest or run.id,
        name=run.name,
        model=run.model,
        digest=run.model_digest,
        base=str(run.config.get("base") or ""),
        dtype=run.dtype,
        backend=run.backend,
        created=document["created"],
        partial=run.partial,
        quantised=quantised,
        unverified=run.unverified,
    )


def _columns(
    documents: Sequence[Mapping[str, Any]], runs: Mapping[str, RunRow], tasks: Mapping[tuple[str, str], TaskRow]
) -> dict[str, Column]:
    """By the way of asking; the way that most runs share is a task's first column."""
    counts: Counter[str] = Counter()
    an_example: dict[str, tuple[TaskRow, RunRow]] = {}
    for document in documents:
        run = runs[document["run"]]
        for name in document["scores"]:
            task = tasks[run.id, name]
            way = _way(task, run)
            counts[way] += 1
            an_example.setdefault(way, (task, run))
    ways = sorted(counts, key=lambda way: (_place(an_example[way][0].task), -counts[way], way))
    columns: dict[str, Column] = {}
    firsts: dict[str, tuple[TaskRow, RunRow]] = {}
    for way in ways:
        task, run = an_example[way]
        first = firsts.setdefault(task.task, (task, run))
        other = _difference(*first, task, run) if first != (task, run) else ""
        same = sum(column.task == task.task and column.other.startswith(other) for column in columns.values())
        if other and same:  # the words were cut where the two ways differ
            other = f"{other}, {same + 1}"
        columns[way] = Column(f"{task.task} ({other})" if other else task.task, task.task, task.metric, other)
    return columns


def _way(task: TaskRow, run: RunRow) -> str:
    """All that has to be equal for two scores to be of one column; see `harness.evaluation.compare.SAME`."""
    return json.dumps(
        [getattr(task, name) for name in _SAME] + [_system(run), task.settings], sort_keys=True, default=str
    )


_SAME = ("task", "metric", "version", "shots", "chat", "data_digest")


def _place(task: str) -> tuple[int, str]:
    first = declared.defaults()
    return (first.index(task) if task in first else len(first)), task


def _system(run: RunRow) -> str:
    return str(run.config.get("system") or "")


def _difference(first: TaskRow, its_run: RunRow, other: TaskRow, run: RunRow) -> str:
    """In a few words."""
    words = []
    if first.shots != other.shots:
        words.append(f"{other.shots} shots")
    if first.chat != other.chat:
        words.append("chat" if other.chat else "no chat template")
    if _system(its_run) != _system(run):
        words.append("another system text" if _system(run) else "no system text")
    if first.data_digest != other.data_digest:
        words.append(f"rows {other.data_digest[:6]}")
    if first.version != other.version:
        words.append(f"version {other.version}")
    if first.metric != other.metric:
        words.append(other.metric)
    keys = sorted({*first.settings, *other.settings})
    words += [
        f"{key} {_short(other.settings.get(key))}" for key in keys if first.settings.get(key) != other.settings.get(key)
    ]
    return ", ".join(words)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 20 else text[:19] + "…"
