"""What a store holds as frames: Arrow tables, or the same for pandas and Polars. docs/api.md documents each column, and
a test holds it against what is declared here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import MissingError, UsageError, suggest

if TYPE_CHECKING:
    from harness.results import RunRow, SampleRow, ScoreRow, TaskRow

Kind = Literal["arrow", "pandas", "polars"]
KINDS = ("arrow", "pandas", "polars")
DEFAULT_DB = "harness.duckdb"

# column: its type in Arrow
RUNS = {
    "run": "string",
    "name": "string",
    "status": "string",
    "partial": "bool",
    "model": "string",
    "model_digest": "string",
    "base_digest": "string",
    "backend": "string",
    "device": "string",
    "dtype": "string",
    "seed": "int64",
    "created": "timestamp",
    "finished": "timestamp",
    "seconds": "float64",
    "tokens_computed": "int64",
    "tasks": "texts",
    "tags": "texts",
    "unverified": "string",
    "warnings": "texts",
}
SCORES = {
    "run": "string",
    "name": "string",
    "task": "string",
    "group": "string",
    "protocol": "string",
    "metric": "string",
    "headline": "bool",
    "value": "float64",
    "low": "float64",
    "high": "float64",
    "n": "int64",
    "interval": "string",
    "sampled_of": "int64",
    "partial": "bool",
}
SAMPLES = {
    "run": "string",
    "name": "string",
    "task": "string",
    "group": "string",
    "item": "string",
    "repeat": "int64",
    "cluster": "string",
    "metric": "string",
    "value": "float64",
    "answer": "string",
    "expected": "string",
    "note": "string",
}
METRIC = "metric."  # and a metric's name: a column of its own in samples


def default_db() -> str:
    """The store where none is named, as for the commands."""
    return os.environ.get("HARNESS_DB") or DEFAULT_DB


class RunFrames:
    """The runs of one store. Each method reads it anew; `frame` is "arrow", "pandas" or "polars".

    Raises StoreError where the store cannot be read, UsageError for a run that is not there."""

    def __init__(self, db: str | os.PathLike[str] | None = None) -> None:
        self.db = os.fspath(db or default_db())
        self._store: Any = self._make_store()  # the package's own: with studies, in tuning.frames
        with self._store.read():  # a store that is not there is said now
            pass

    def _make_store(self) -> Any:
        from harness.results import Store

        return Store(self.db)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self._counts().items())
        return f"harness.open({self.db!r}): {counts}"

    def _counts(self) -> dict[str, int]:
        return {"runs": len(self._store.runs())}

    def runs(self, frame: Kind = "arrow") -> Any:
        """A row a run, the newest first."""
        with self._store.read():
            tags, tasks = self._store.tags(), self._store.tasks()
            runs = self._store.runs()
        names: dict[str, list[str]] = {}
        for task in tasks:
            names.setdefault(task.run, []).append(task.task)
        rows = [
            {
                **{name: getattr(run, name) for name in RUNS if hasattr(run, name)},
                "run": run.id,
                "seconds": run.totals.get("seconds", {}).get("total"),
                "tokens_computed": run.totals.get("tokens", {}).get("computed"),
                "tasks": names.get(run.id, []),
                "tags": tags.get(run.id, []),
            }
            for run in runs
        ]
        return made(rows, RUNS, frame)

    def scores(self, run: Any = None, frame: Kind = "arrow") -> Any:
        """A row a figure, of all runs or of one (its id, name, tag, or what `harness.evaluate` gave)."""
        with self._store.read():
            runs = self._chosen(run)
            headline = {(task.run, task.task): task.metric for task in self._store.tasks()}
            scores = [(run_row, score) for run_row in runs for score in self._store.scores(run_row.id)]
        return made([_score(run_row, score, headline) for run_row, score in scores], SCORES, frame)

    def samples(self, run: Any = None, task: str | None = None, frame: Kind = "arrow") -> Any:
        """A row a scored answer, of all runs or of one, of all tasks or of one. `value` is that of `metric`, the task's
        headline; each metric has a column `metric.NAME` too."""
        rows: list[dict[str, Any]] = []
        known: set[str] = set()
        with self._store.read():
            for run_row in self._chosen(run):
                for own in self._store.tasks(run_row.id):
                    known.add(own.task)
                    if task is not None and own.task != task:
                        continue
                    rows += [_sample(run_row, own, sample) for sample in self._store.samples(run_row.id, own.task)]
        if task is not None and task not in known:
            raise UsageError(f"No such run has a task {task!r}.{suggest(task, known)}")
        metrics = dict.fromkeys(name for row in rows for name in row if name.startswith(METRIC))
        return made(rows, SAMPLES | dict.fromkeys(metrics, "float64"), frame)

    def _chosen(self, run: Any) -> list[RunRow]:
        if run is None:
            return self._store.runs()
        return [self._store.resolve(run if isinstance(run, str) else run.run)]


def _score(run: RunRow, score: ScoreRow, headline: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    return {
        **{name: getattr(score, name) for name in SCORES if hasattr(score, name)},
        "run": run.id,
        "name": run.name,
        "group": score.group,
        "headline": score.metric == headline.get((run.id, score.task)),
        "interval": score.method,
        "sampled_of": run.sampled[score.task]["of"] if score.group == "all" and score.task in run.sampled else None,
        "partial": run.partial,
    }


def _sample(run: RunRow, task: TaskRow, sample: SampleRow) -> dict[str, Any]:
    return {
        **{name: getattr(sample, name) for name in SAMPLES if hasattr(sample, name)},
        "run": run.id,
        "name": run.name,
        "group": sample.group,
        "metric": task.metric,
        "value": sample.metrics.get(task.metric),
        **{METRIC + name: value for name, value in sample.metrics.items()},
    }


def made(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], frame: Kind) -> Any:
    """The rows as a frame of these columns and no others; what a row lacks is null."""
    if frame not in KINDS:
        raise UsageError(f"frame is {', '.join(KINDS)}, not {frame!r}.{suggest(str(frame), KINDS)}")
    library = _library(frame)
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "bool": pa.bool_(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "timestamp": pa.timestamp("us", "UTC"),
        "texts": pa.list_(pa.string()),
        "numbers": pa.list_(pa.float64()),
    }
    table = pa.table(
        {name: pa.array([_plain(row.get(name)) for row in rows], types[kind]) for name, kind in columns.items()}
    )
    if frame == "pandas":
        return table.to_pandas()
    return library.from_arrow(table) if frame == "polars" else table


def _library(frame: Kind) -> Any:
    """MissingError before any row is read into a frame that cannot be made."""
    if frame == "arrow":
        return None
    import importlib

    try:
        return importlib.import_module(frame)
    except ImportError as error:
        title = {"pandas": "pandas", "polars": "Polars"}[frame]
        raise MissingError(
            f'frame="{frame}" needs {title}, which is not installed here: pip install {frame}. frame="arrow" works '
            "without it."
        ) from error


def _plain(value: Any) -> Any:
    """As Arrow takes it: half a surrogate pair, which a model may write and UTF-8 cannot hold, becomes its escape."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, Iterable):
        return [_plain(part) for part in value]
    return value
