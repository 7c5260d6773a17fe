"""Runs as their files have them: tables (Parquet, CSV) and lm-eval's layout, ours and lm-eval's own."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from data.sources import DataError
from harness.results.rows import RunRow, SampleRow, ScoreRow, TaskRow

if TYPE_CHECKING:
    from harness.results import Store

Row = TypeVar("Row", RunRow, TaskRow, ScoreRow, SampleRow)
METRIC = "metric."  # how the columns of a sample's metrics begin


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """A run with what its scores follow from. `file` has the scores; "" where they are from a store."""

    file: str
    run: RunRow
    task_rows: Sequence[TaskRow]
    score_rows: Sequence[ScoreRow]
    samples_by_task: Mapping[str, Sequence[SampleRow]]
    shown: Mapping[tuple[str, str, str], Any] = field(default_factory=dict)  # by task, group, metric: the value again

    def tasks(self, run_id: str) -> Sequence[TaskRow]:
        """As a store gives them."""
        return self.task_rows

    def samples(self, run_id: str, task: str) -> Sequence[SampleRow]:
        """As a store gives them."""
        return self.samples_by_task.get(task, ())


def from_store(store: Store, run: RunRow) -> ScoredRun:
    tasks = store.tasks(run.id)
    samples = {task.task: store.samples(run.id, task.task) for task in tasks}
    return ScoredRun("", run, tasks, store.scores(run.id), samples)


def from_tables(folder: Path, kind: str) -> ScoredRun:
    """What `harness.exchange.tables` wrote. DataError where a table is gone or cannot be read."""
    read = _parquet if kind == "parquet" else _csv
    tables = {name: read(folder / f"{name}.{kind}") for name in ("run", "tasks", "scores", "samples")}
    convert = _as_stored if kind == "parquet" else _of_text
    try:
        (run,) = _rows(RunRow, tables["run"], convert)
        samples: dict[str, list[SampleRow]] = {}
        for row in tables["samples"]:
            metrics = {name.removeprefix(METRIC): float(cell) for name, cell in row.items() if _is_metric(name, cell)}
            (sample,) = _rows(SampleRow, [row | {"metrics": metrics}], convert)
            samples.setdefault(sample.task, []).append(sample)
        return ScoredRun(
            f"scores.{kind}",
            run,
            _rows(TaskRow, tables["tasks"], convert),
            _rows(ScoreRow, tables["scores"], convert),
            samples,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"The tables in {folder} are not those of one run ({error}). Export the run again.") from error


def from_layout(results: Path) -> ScoredRun:
    """One `results_*.json` with its samples. DataError where they do not belong together."""
    from harness.exchange.lm_eval_results import read

    try:
        parts = read(results)
        document = json.loads(results.read_text("utf-8"))
        ours = document.get("harness")
        run = replace(parts.run, id=ours["run"]["id"]) if ours else parts.run
        shown = {_key(score): _figure(document["results"], score) for score in parts.scores}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{results} cannot be read as lm-eval's results ({error!r}). Copy it again.") from error
    samples: dict[str, list[SampleRow]] = {}
    for sample in parts.samples:
        samples.setdefault(sample.task, []).append(sample)
    return ScoredRun(results.name, run, parts.tasks, parts.scores, samples, shown if ours else {})


def _key(score: ScoreRow) -> tuple[str, str, str]:
    return score.task, score.group, score.metric


def _figure(lines: Mapping[str, Mapping[str, Any]], score: ScoreRow) -> Any:
    """A score's value where lm-eval's readers look for it."""
    from harness.exchange.lm_eval_layout import layout_name, split_metric

    name = layout_name(score.task)
    metric, filter_name = split_metric(score.metric)
    line = lines.get(name if score.group == "all" else f"{name}_{score.group}", {})
    return line.get(f"{metric},{filter_name}")


def _is_metric(name: str, cell: Any) -> bool:
    return name.startswith(METRIC) and cell not in (None, "")


def _rows(kind: type[Row], rows: Sequence[Mapping[str, Any]], convert: Callable[[Any, Any], Any]) -> list[Row]:
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]
    return [kind(**{name: convert(hints[name], row[name]) for name in names}) for row in rows]


def _parquet(path: Path) -> list[dict[str, Any]]:
    import pyarrow
    from pyarrow import parquet

    try:
        rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise _unreadable(path, error) from error
    return rows


def _csv(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    what = "is not there" if not path.exists() else f"cannot be read ({' '.join(str(error).split())[:120]})"
    return DataError(f"{path} {what}. Export the run again.")


def _as_stored(kind: Any, cell: Any) -> Any:
    if get_origin(kind) is Mapping and isinstance(cell, str):
        return json.loads(cell)
    return tuple(cell) if isinstance(cell, list) else cell


def _of_text(kind: Any, cell: Any) -> Any:
    """A value out of a cell of CSV (`tables.cell` wrote it)."""
    if not isinstance(cell, str):
        return cell
    if kind is bool:
        return cell == "True"
    if kind in (int, float):
        return kind(cell)
    if kind is datetime or datetime in get_args(kind):
        return datetime.fromisoformat(cell) if cell else None
    text = cell.removeprefix("'")
    return tuple(json.loads(text)) if get_origin(kind) is Sequence else _as_stored(kind, text)
