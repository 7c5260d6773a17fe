"""The store: 50,000 samples with text against a raw appender; browsing a million samples against the start
of the program."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import common
from harness.results import ResponseRow, RunRow, SampleRow, ScoreRow, TaskRow
from tuning.store import Store

TEXT = "The quick brown fox jumps over the lazy dog. " * 8
SHARED = "Example question and answer. " * 100


def main(rounds: int = 3, million: int = 1_000_000) -> None:
    mine, raw = common.in_turn(rounds, lambda: _once(written), lambda: _once(appended))
    common.tell("store", at_most=5, ours=mine, peer=raw)
    browse(million)


def _once(write: Callable[[Path, int], float]) -> float:
    try:
        return write(common.WORK / "store-once.duckdb", 50_000)
    finally:
        for left in common.WORK.glob("store-once*"):
            left.unlink()


def run_row(run: str) -> tuple[RunRow, TaskRow]:
    now = datetime.now(UTC)
    made = RunRow(run, run * 2, "bench", "finished", False, "m", "d", "", "transformers", "cpu", "float32", 0, now)
    return made, TaskRow(run, "mmlu", "standard", "1", "acc", "folder:x", "d", 5, False, {}, 50_000)


def rows(run: str, count: int, first: int = 0) -> tuple[list[ResponseRow], list[SampleRow]]:
    responses = [
        ResponseRow(run, "mmlu", f"subject/{n}", 0, 0, "generate", SHARED, f"Question {n}? {TEXT}", TEXT, asked=900)
        for n in range(first, first + count)
    ]
    samples = [
        SampleRow(run, "mmlu", f"subject/{n}", 0, f"group{n % 57}", "", {"acc": float(n % 3 == 0)}, "A", "B")
        for n in range(first, first + count)
    ]
    return responses, samples


def written(path: Path, count: int) -> float:
    run = uuid.uuid4().hex
    store = Store(path)
    made, task = run_row(run)
    store.create(made, [task])
    responses, samples = rows(run, count)
    began = time.perf_counter()
    store.record(run, responses, samples)
    return time.perf_counter() - began


def appended(path: Path, count: int) -> float:
    """The same rows as columns through Arrow into two bare tables: what DuckDB itself needs."""
    import duckdb
    import pyarrow as pa

    responses, samples = rows("r", count)
    began = time.perf_counter()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE a (item VARCHAR, own VARCHAR, text VARCHAR, asked INTEGER)")
        connection.execute('CREATE TABLE b (item VARCHAR, "group" VARCHAR, answer VARCHAR, acc DOUBLE)')
        first = pa.table({n: [getattr(r, n) for r in responses] for n in ("item", "own", "text", "asked")})
        second = pa.table({n: [getattr(s, n) for s in samples] for n in ("item", "group", "answer")})
        second = second.append_column("acc", pa.array([s.metrics["acc"] for s in samples]))
        connection.register("first", first)
        connection.register("second", second)
        connection.execute("INSERT INTO a SELECT * FROM first")
        connection.execute("INSERT INTO b SELECT * FROM second")
    return time.perf_counter() - began


def browse(total: int) -> None:
    """`harness show` and one page of `harness samples` on a million samples, against `harness --help`."""
    path = common.WORK / "million.duckdb"
    store = Store(path)
    if not path.exists():
        for _ in range(total // 50_000):
            run = uuid.uuid4().hex
            made, task = run_row(run)
            store.create(made, [task])
            store.record(run, *rows(run, 50_000))
            store.save_scores(run, [ScoreRow(run, "mmlu", "all", "standard", "acc", 0.33, 0.3, 0.36, 50_000, "wilson")])
    run = store.runs()[0].id
    harness = [sys.executable, "-P", "-m", "harness"]
    commands = {
        "start": [*harness, "--help"],
        "show": [*harness, "show", "--db", str(path)],
        "samples": [*harness, "samples", run, "--wrong", "--page", "7", "--db", str(path)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(5):
        for name, command in commands.items():
            seconds[name].append(common.timed(command)[0])
    for name in ("show", "samples"):
        common.tell(name, at_most=3, ours=seconds[name], peer=seconds["start"])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
