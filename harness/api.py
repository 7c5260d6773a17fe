"""The Python API of runs: `harness.evaluate`, `evaluate_all` and `compare`. docs/api.md has examples.

Each function is the command of its subject: the same options, checks, messages and stored rows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.arguments import call_text, takes, working
from harness.display import Content, Shown
from harness.errors import UsageError
from harness.evaluation.compare import Comparison
from harness.frames import Kind, RunFrames, default_db, made
from harness.options import RunOptions
from harness.tasks.objects import check

if TYPE_CHECKING:
    from harness.evaluation.run import Result
    from harness.types import Task

COMPARED = {
    "task": "string",
    "group": "string",
    "metric": "string",
    "n": "int64",
    "a": "float64",
    "b": "float64",
    "difference": "float64",
    "low": "float64",
    "high": "float64",
    "p_value": "float64",
    "p_holm": "float64",
    "flips": "int64",
    "lost": "int64",
    "gained": "int64",
    "method": "string",
    "run_a": "string",
    "run_b": "string",
}
_BY_NAME = ("data", "protocol", "shots", "include_path")  # of tasks that we make; an object has its own


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation(Shown):
    """One run. `document` is what `harness run --json` prints."""

    db: str
    document: Mapping[str, Any]
    resumed: int  # samples that were there before
    computed: bool  # False where a finished run answered

    @property
    def run(self) -> str:
        """The run's id."""
        return str(self.document["run"])

    @property
    def name(self) -> str:
        return str(self.document["name"])

    @property
    def warnings(self) -> list[str]:
        return list(self.document["warnings"])

    @property
    def values(self) -> dict[str, float]:
        """Each task's headline figure, over all its items."""
        first = {task["task"]: task["metric"] for task in self.document["tasks"]}
        return {
            score["task"]: score["value"]
            for score in self.document["scores"]
            if score["group"] == "all" and score["metric"] == first[score["task"]]
        }

    def scores(self, frame: Kind = "arrow") -> Any:
        """`harness.open(db).scores` of this run."""
        return RunFrames(self.db).scores(self, frame)

    def samples(self, task: str | None = None, frame: Kind = "arrow") -> Any:
        """`harness.open(db).samples` of this run."""
        return RunFrames(self.db).samples(self, task, frame)

    def _content(self) -> Content:
        from harness.cli.tables import interval
        from harness.evaluation.report import items_count

        document = self.document
        rows = [
            (s["task"], s["protocol"], s["metric"], interval(s), items_count(s))
            for s in document["scores"]
            if s["group"] == "all"
        ]
        before = "" if self.computed else ", finished before"
        sampled = ", sampled" if document["sampled"] else ""
        title = f"{self.name} ({document['model']}), run {self.run[:12]}{before}{sampled}"
        return Content(title, ("task", "protocol", "metric", "score [95%]", "items"), rows, self.warnings)


@dataclass(frozen=True, slots=True, repr=False)
class Compared(Shown):
    """b - a, for one candidate or several."""

    a: str  # the baseline's name
    b: tuple[str, ...]  # the candidates' names
    rows: tuple[Comparison, ...]
    runs: tuple[tuple[str, str], ...]  # beside each row: the ids of its baseline's and candidate's newest run
    warnings: tuple[str, ...]

    def frame(self, frame: Kind = "arrow") -> Any:
        """A row a task, metric and candidate."""
        rows = [{**asdict(row), "run_a": a, "run_b": b} for row, (a, b) in zip(self.rows, self.runs, strict=True)]
        return made(rows, COMPARED, frame)

    def _content(self) -> Content:
        several = len(self.b) > 1
        rows = []
        for row, (_, b) in zip(self.rows, self.runs, strict=True):
            scale = 100 if all(0 <= value <= 1 for value in (row.a, row.b)) else 1
            a, other, difference, low, high = (scale * v for v in (row.a, row.b, row.difference, row.low, row.high))
            figures = (f"{a:.1f}", f"{other:.1f}", f"{difference:+.1f} [{low:+.1f}, {high:+.1f}]", f"{row.p_value:.3g}")
            rows.append((*((b[:12],) if several else ()), row.task, row.group, row.metric, row.n, *figures))
        columns = ("task", "group", "metric", "n", "a", "b", "b - a [95%]", "p")
        title = f"a = {self.a}, b = {', '.join(self.b)}"
        return Content(title, (*(("candidate",) if several else ()), *columns), rows, self.warnings)


@takes(RunOptions)
def evaluate(
    model: str | os.PathLike[str],
    tasks: str | Task | Sequence[str | Task] | None = None,
    *,
    db: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **given: Any,
) -> Evaluation:
    """Measure a checkpoint on benchmarks, as `harness run` does; the same call again goes on, or answers at once.

    `tasks` (every benchmark of ours where not given): names as of --tasks, in one text or a list, and objects of your
    own that are a `harness.types.Task`; the options data, protocol, shots and include_path are of the named ones. Every
    other argument is an option of the command, with _ for -. Without `db` it is HARNESS_DB, or harness.duckdb.

    Raises harness.errors.HarnessError and data.sources.DataError, each with a sentence. Ctrl-C ends it with one too,
    and what was answered is stored."""
    from harness.evaluation.run import run

    given, objects = _asked(tasks, given)
    options = RunOptions(**{"model": model, "db": default_db() if db is None else db, **given})
    command = [_call("evaluate", {"model": options.model}, given, objects)]
    with working(progress) as callback:
        return _evaluation(options, run(options, callback, command, objects=objects))


@takes(RunOptions, without=("model", "name"))
def evaluate_all(
    models: Sequence[str | os.PathLike[str]],
    tasks: str | Task | Sequence[str | Task] | None = None,
    *,
    db: str | os.PathLike[str] | None = None,
    progress: bool = True,
    **given: Any,
) -> list[Evaluation]:
    """Measure several checkpoints in one go, as `harness run --model A --model B` does: adapters of one base on one
    engine. Gives what `evaluate` gives of each, in the order of `models`; its arguments, but for `name`, are of all."""
    from harness.evaluation.several import run_several

    if isinstance(models, str | os.PathLike):
        raise UsageError("models is a list of checkpoints; harness.evaluate measures one.")
    given, objects = _asked(tasks, given)
    every = [RunOptions(**{"model": model, "db": default_db() if db is None else db, **given}) for model in models]
    command = [_call("evaluate_all", {"models": [options.model for options in every]}, given, objects)]
    with working(progress) as callback:
        results = dict(run_several(every, callback, command, objects))
    return [_evaluation(options, results[place]) for place, options in enumerate(every)]


def _asked(tasks: Any, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """The options, tasks by name among them, and task objects."""
    names, objects = _split(() if tasks is None else tasks)
    check(objects, ())
    if objects and not names:
        defaults = {name: RunOptions.model_fields[name].default for name in _BY_NAME}
        strange = [name for name in _BY_NAME if name in given and given[name] != defaults[name]]
        if strange:
            raise UsageError(f"{strange[0]} goes with tasks by name: a task object is made with its own.")
    return {**given, **({} if tasks is None else {"tasks": names})}, objects


def _call(function: str, first: Mapping[str, Any], given: Mapping[str, Any], objects: Sequence[Any]) -> str:
    """As it is recorded with the run."""
    return call_text(function, **{**first, **given, "tasks": [*filter(None, [given.get("tasks")]), *objects]})


def _evaluation(options: RunOptions, result: Result) -> Evaluation:
    from harness.evaluation.report import run_document
    from harness.results import Store

    return Evaluation(options.db, run_document(Store(options.db), result.run), result.resumed, result.computed)


def compare(
    a: str | Evaluation,
    b: str | Evaluation | Sequence[str | Evaluation],
    *,
    metric: str | Sequence[str] | None = None,
    groups: bool = False,
    db: str | os.PathLike[str] | None = None,
) -> Compared:
    """Compare runs with a baseline on the items they share, as `harness compare` does: b - a with its interval.

    Runs are what `evaluate` gave, or ids, names and tags; a configuration's name stands for its runs over all seeds.
    UsageError where they were not measured alike."""
    from harness.evaluation.compare import against
    from harness.evaluation.compare_notes import prompt_notes
    from harness.evaluation.configurations import resolve, results_of
    from harness.results import Store

    several: list[str | Evaluation] = [b] if isinstance(b, str | Evaluation) else list(b)
    path = os.fspath(db or next((run.db for run in (a, *several) if isinstance(run, Evaluation)), default_db()))
    for run in (a, *several):
        if isinstance(run, Evaluation) and os.path.realpath(run.db) != os.path.realpath(path):
            raise UsageError(
                f"The run {run.name} is in {run.db}, not in {path}: `harness db merge` brings them together."
            )
    store = Store(path)
    first, others = resolve(store, _word(a)), [resolve(store, _word(run)) for run in several]
    metrics = [metric] if isinstance(metric, str) else metric
    warnings: list[str] = []
    of_first, of_others = results_of(store, first), [results_of(store, other) for other in others]
    compared = against(of_first, of_others, metrics, groups, left_out=warnings)
    for other, own in zip(others, of_others, strict=True):
        warnings += prompt_notes([*first.runs, *other.runs])
        of_one = {result.task for result in of_first} ^ {result.task for result in own}
        if of_one:
            warnings.append(f"Only one of {first.name} and {other.name} has {', '.join(sorted(of_one))}.")
    warnings += [f"{side.name} is unverified: {side.unverified}" for side in (first, *others) if side.unverified]
    return Compared(
        first.name,
        tuple(other.name for other in others),
        tuple(row for rows in compared for row in rows),
        tuple((first.newest.id, other.newest.id) for other, rows in zip(others, compared, strict=True) for _ in rows),
        tuple(dict.fromkeys(warnings)),
    )


def _split(tasks: Any) -> tuple[str, list[Any]]:
    """Names, by comma, and objects."""
    several = list(tasks) if isinstance(tasks, list | tuple) else [tasks]
    names = [task for task in several if isinstance(task, str)]
    return ",".join(names), [task for task in several if not isinstance(task, str)]


def _word(run: str | Evaluation) -> str:
    return run.run if isinstance(run, Evaluation) else run
