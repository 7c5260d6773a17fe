"""The leaderboard's rows: a configuration each, benchmarks of one protocol side by side, nothing mixed that was asked
otherwise. Figures are `harness.evaluation.leaderboard`'s, which `harness show` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.evaluation.configurations import way as way_of
from harness.evaluation.leaderboard import is_quantised, leaderboard
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
    runs: tuple[str, ...]  # one a seed
    score: Mapping[str, Any]  # of `leaderboard`


@dataclass(frozen=True, slots=True)
class Training:
    """One seed of a configuration."""

    words: str  # "seed 3"
    run: str  # the newest
    scores: Mapping[str, Mapping[str, Any]]  # by task


@dataclass(slots=True)
class Row:
    """A configuration with its seeds, or a checkpoint; its whole and its partial runs are two rows, and a sampled run
    is one by itself. What it says of a run is said of the newest."""

    key: str  # of the configuration; the checkpoint's digest, or the run's id where there is none
    name: str
    model: str
    digest: str
    base: str  # an adapter's, as given; ""
    dtype: str
    backend: str
    created: str  # ISO, of the newest run
    partial: bool
    sampled: bool
    quantised: bool
    unverified: str
    apart: str  # why it is not one row with others of its configuration; ""
    tags: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)  # the newest first
    digests: list[str] = field(default_factory=list)  # of its checkpoints
    trainings: list[Training] = field(default_factory=list)  # by seed, where there are several
    cells: dict[str, Cell] = field(default_factory=dict)  # by column
    lineage: Lineage | None = None


@dataclass(frozen=True, slots=True)
class Board:
    protocol: str
    columns: Sequence[Column]
    rows: Sequence[Row]

    def ranked(self, column: Column) -> tuple[tuple[str, ...], ...]:
        """What is ranked in a column: the whole runs of each configuration."""
        return tuple(sorted(r.cells[column.key].runs for r in self.rows if not r.partial and column.key in r.cells))


def boards(store: Store) -> list[Board]:
    """One a protocol, `standard` first. Of two runs of a checkpoint in one column the newer one stands there."""
    with store.read():
        documents = leaderboard(store)
        runs = {run.id: run for run in store.runs()}
        tasks = {(task.run, task.task): task for task in store.tasks()}
        origins = lineages(store)
    seeds: dict[str, set[str]] = {}  # by configuration, its checkpoints
    for document in documents:
        for training in document["trainings"] if document["configuration"] else ():
            seeds.setdefault(document["configuration"], set()).add(_checkpoint(runs[training["runs"][0]]))
    protocols = sorted({document["protocol"] for document in documents}, key=lambda name: (name != "standard", name))
    result: list[Board] = []
    for protocol in protocols:
        own = [document for document in documents if document["protocol"] == protocol]
        columns = _columns(own, runs, tasks)
        rows: dict[tuple[str, bool, str, bool, str], Row] = {}
        for document in own:
            run = runs[document["run"]]
            several = len(seeds.get(document["configuration"], ())) > 1
            name, apart = (document["configuration"], document["apart"]) if several else (_checkpoint(run), "")
            key = (name, run.partial, run.id if run.sampled else "", is_quantised(run), apart)
            row = rows.setdefault(key, _row(run, document, name, apart))
            _add(row, document, runs)
            row.lineage = row.lineage or origins.get(run.id)
            for task, score in document["scores"].items():
                of_task = _runs_of(document, task, tasks)
                column = columns[way_of(tasks[of_task[0], task], runs[of_task[0]])]
                row.cells.setdefault(column.key, Cell(of_task, score))
        result.append(Board(protocol, list(columns.values()), list(rows.values())))
    return result


def _checkpoint(run: RunRow) -> str:
    return run.model_digest or run.id


def _runs_of(document: Mapping[str, Any], task: str, tasks: Mapping[tuple[str, str], TaskRow]) -> tuple[str, ...]:
    """The newest of each seed that has the task, in the document's protocol."""
    own = (training["runs"] for training in document["trainings"] if task in training["scores"])
    return tuple(
        next(run for run in runs if (run, task) in tasks and tasks[run, task].protocol == document["protocol"])
        for runs in own
    )


def _add(row: Row, document: Mapping[str, Any], runs: Mapping[str, RunRow]) -> None:
    """What a row knows of all its runs."""
    trainings = document["trainings"]
    ids = {run: runs[run] for training in trainings for run in training["runs"]}
    row.runs += sorted(ids, key=lambda run: ids[run].created, reverse=True)
    row.digests += [run.model_digest for run in ids.values() if run.model_digest not in ("", *row.digests)]
    row.tags += [tag for tag in document["tags"] if tag not in row.tags]
    if len(trainings) > 1:
        row.trainings += [
            Training(
                f"run {training['runs'][0][:8]}" if training["seed"] is None else f"seed {training['seed']}",
                training["runs"][0],
                training["scores"],
            )
            for training in trainings
        ]


def _row(run: RunRow, document: Mapping[str, Any], key: str, apart: str) -> Row:
    return Row(
        key=key,
        name=document["name"],
        model=run.model,
        digest=run.model_digest,
        base=str(run.config.get("base") or ""),
        dtype=run.dtype,
        backend=run.backend,
        created=document["created"],
        partial=run.partial,
        sampled=bool(run.sampled),
        quantised=is_quantised(run),
        unverified=document["unverified"],
        apart=apart,
    )


def _columns(
    documents: Sequence[Mapping[str, Any]], runs: Mapping[str, RunRow], tasks: Mapping[tuple[str, str], TaskRow]
) -> dict[str, Column]:
    """By the way of asking; the way that most runs share is a task's first column."""
    counts: Counter[str] = Counter()
    an_example: dict[str, tuple[TaskRow, RunRow]] = {}
    for document in documents:
        for name in document["scores"]:
            of_task = _runs_of(document, name, tasks)
            task, run = tasks[of_task[0], name], runs[of_task[0]]
            way = way_of(task, run)
            counts[way] += len(of_task)
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
