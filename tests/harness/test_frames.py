"""What `harness.open` reads: the columns that docs/api.md documents, in every library, of stores full and empty."""

from __future__ import annotations

import sys
import types
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import harness
from harness import frames
from harness.errors import MissingError, StoreError, UsageError
from harness.results import RunRow, SampleRow, ScoreRow, Store, TaskRow

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "api.md"
TYPES = {
    "text": pa.string(),
    "yes or no": pa.bool_(),
    "whole": pa.int64(),
    "number": pa.float64(),
    "time": pa.timestamp("us", "UTC"),
    "texts": pa.list_(pa.string()),
    "numbers": pa.list_(pa.float64()),
}
HALF = "half \ud800 of a pair"


def documented(name: str) -> dict[str, Any]:
    """Column and type, as docs/api.md has them under the heading."""
    section = DOCUMENT.read_text("utf-8").split(f"\n### {name}\n")[1].split("\n### ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `")]
    return {column.strip(" `"): TYPES[kind.strip()] for column, kind in rows}


def measured(path: Path, name: str = "one", text: str = "4", metrics: dict[str, float] | None = None) -> Store:
    """A store with one run more: two samples of one task."""
    store = Store(path)
    moment = datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=1)))
    run = RunRow(
        name * 8, f"identity of {name}", name, "finished", False, "m", "d", "", "b", "cpu", "float32", 0, moment
    )
    task = TaskRow(run.id, "sums", "standard", "1", "acc", "here", "d", 0, False, {}, 2)
    store.create(run, [task])
    samples = [
        SampleRow(run.id, "sums", f"i{n}", 0, "small", "", metrics or {"acc": float(n)}, text, "4") for n in range(2)
    ]
    store.record(run.id, samples=samples)
    store.save_scores(run.id, [ScoreRow(run.id, "sums", "all", "standard", "acc", 0.5, 0.1, 0.9, 2, "wilson")])
    return store


@pytest.mark.parametrize("name", ["runs", "scores", "samples", "trials", "votes"])
def test_the_columns_are_those_that_are_documented_and_are_there_without_a_row(name, tmp_path):
    path = tmp_path / "a.duckdb"
    with Store(path).write():
        pass
    table = getattr(harness.open(path), name)()
    assert (table.num_rows, dict(zip(table.column_names, table.schema.types, strict=True))) == (0, documented(name))
    assert list(getattr(harness.open(path), name)(frame="pandas").columns) == list(documented(name))


def test_rows_stand_under_their_columns(tmp_path):
    path = tmp_path / "a.duckdb"
    measured(path)
    measured(path, "two", metrics={"f1": 0.5, "acc": 1.0})
    store = harness.open(path)
    assert repr(store).endswith("a.duckdb'): 2 runs, 0 answer sets, 0 studies")
    runs = store.runs().to_pylist()
    assert {run["name"] for run in runs} == {"one", "two"}
    assert runs[0]["created"] == datetime(2026, 1, 2, tzinfo=UTC)
    assert runs[0]["tasks"] == ["sums"]
    (score,) = store.scores("two").to_pylist()
    assert (score["group"], score["headline"], score["interval"], score["value"]) == ("all", True, "wilson", 0.5)
    samples = store.samples()
    assert samples.column_names == [*frames.SAMPLES, "metric.acc", "metric.f1"]
    by_run = {row["name"]: row for row in samples.to_pylist()}
    assert (by_run["one"]["metric.f1"], by_run["two"]["metric.f1"], by_run["two"]["value"]) == (None, 0.5, 1.0)
    assert store.samples("one", "sums").num_rows == 2


def test_text_that_utf8_cannot_hold_is_escaped(tmp_path):
    measured(tmp_path / "a.duckdb", text=HALF)
    assert harness.open(tmp_path / "a.duckdb").samples()["answer"][0].as_py() == "half \\ud800 of a pair"


def test_polars_is_a_sentence_where_it_is_absent_and_a_frame_where_it_is_there(tmp_path, monkeypatch):
    measured(tmp_path / "a.duckdb")
    store = harness.open(tmp_path / "a.duckdb")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingError, match=r'frame="polars" needs Polars, .* pip install polars'):
        store.runs(frame="polars")
    polars = types.ModuleType("polars")
    polars.from_arrow = lambda table: ("polars", table.num_rows)
    monkeypatch.setitem(sys.modules, "polars", polars)
    assert store.runs(frame="polars") == ("polars", 1)


def test_what_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(StoreError, match="There is no store at"):
        harness.open(tmp_path / "a.duckdb")
    assert not list(tmp_path.iterdir())
    measured(tmp_path / "a.duckdb")
    store = harness.open(tmp_path / "a.duckdb")
    with pytest.raises(UsageError, match=r"frame is arrow, pandas, polars, not 'panda'\. Did you mean pandas"):
        store.runs(frame="panda")
    with pytest.raises(UsageError, match="There is no run 'three'"):
        store.scores("three")
    with pytest.raises(UsageError, match=r"No such run has a task 'sum'\. Did you mean sums"):
        store.samples(task="sum")
    with pytest.raises(UsageError, match="There is no study 'three'"):
        store.trials("three")


def test_the_store_is_the_environments_where_none_is_named(tmp_path, monkeypatch):
    measured(tmp_path / "a.duckdb")
    monkeypatch.setenv("HARNESS_DB", str(tmp_path / "a.duckdb"))
    assert harness.open().runs().num_rows == 1
