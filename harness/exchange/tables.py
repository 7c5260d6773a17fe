"""A run as tables: run, tasks, scores, samples, responses. Parquet holds what the store holds.

CSV is for reading in a spreadsheet, which takes a cell that begins with = + - @ for a formula, and a model
writes what it likes. So text that begins so gets an apostrophe in front, as does text that begins with one:
without its first apostrophe such a cell is the exact text again. Numbers are left alone.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.exchange.exported import METRIC, ScoredRun, from_store
from harness.exchange.manifest import seal

if TYPE_CHECKING:
    import pyarrow

    from harness.exchange.files import Batch
    from harness.results import Store
    from harness.results.rows import RunRow

FORMULA = tuple("=+-@\t\r\n'＝＋－＠")


def write(store: Store, run: RunRow, batch: Batch, kind: str) -> None:
    """One file a table, named after it, into the batch's folder, and their manifest."""
    save = _parquet if kind == "parquet" else _csv
    for name, rows in _tables(store, run):
        save(batch.new(f"{name}.{kind}"), rows)
    seal(batch, kind)


def write_scored(scored: ScoredRun, batch: Batch, folder: str) -> None:
    """As Parquet into `folder`, a path inside the batch's own: the tables that scores follow from, without prompts and
    responses, and without a manifest."""
    for name, rows in _scored_tables(scored):
        _parquet(batch.new(f"{folder}/{name}.parquet"), rows)


def _tables(store: Store, run: RunRow) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    yield from _scored_tables(from_store(store, run))
    yield "responses", [asdict(answer) for task in store.tasks(run.id) for answer in store.responses(run.id, task.task)]


def _scored_tables(scored: ScoredRun) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    run = scored.run
    yield "run", [_flat(asdict(run)) | {"unverified": run.unverified}]
    yield "tasks", [_flat(asdict(task)) for task in scored.task_rows]
    yield "scores", [asdict(score) | {"unverified": bool(run.unverified)} for score in scored.score_rows]
    samples = [asdict(sample) for task in scored.task_rows for sample in scored.samples_by_task.get(task.task, ())]
    metrics = list(dict.fromkeys(metric for sample in samples for metric in sample["metrics"]))
    for sample in samples:
        own = sample.pop("metrics")
        sample |= {f"{METRIC}{metric}": own.get(metric) for metric in metrics}
    yield "samples", samples


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Settings and the like, whose shape differs from run to run, as JSON."""
    return {
        name: json.dumps(value, sort_keys=True) if isinstance(value, Mapping) else value for name, value in row.items()
    }


def _parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    from pyarrow import parquet

    parquet.write_table(_arrow(rows), path)


def _arrow(rows: Sequence[Mapping[str, Any]]) -> pyarrow.Table:
    import pyarrow as pa

    lists = {
        "logprobs": pa.float64(),
        "greedy": pa.bool_(),
        "tokens": pa.int32(),
        "warnings": pa.string(),
        "options": pa.string(),
    }
    columns = {}
    for name in rows[0] if rows else ():
        values = [_utf8(row[name]) for row in rows]
        kind = pa.list_(lists[name]) if name in lists else pa.float64() if name.startswith(METRIC) else None
        columns[name] = pa.array(values, kind)
    return pa.table(columns)


def _utf8(value: Any) -> Any:
    """Half a surrogate pair, which a model may write and UTF-8 cannot hold, becomes its escape."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return [_utf8(part) for part in value] if isinstance(value, tuple | list) else value


def _csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(rows[0] if rows else ())
        out.writerows([cell(value) for value in row.values()] for row in rows)


def cell(value: Any) -> Any:
    """A value as CSV: text that a spreadsheet cannot take for a formula, lists as JSON, nothing as ""."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return json.dumps(value)
    if isinstance(value, str):
        return _utf8("'" + value if value.startswith(FORMULA) else value)
    return value
