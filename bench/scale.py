"""What docs/scale.md says of ten million samples in one store, and of a hundred million in Parquet files.

    python -m bench.scale store [ROUNDS]      # the commands, then the board's pages, on ten years of bench.big.store
    python -m bench.scale parquet [RUNS]      # RUNS runs of 20,693 samples as `harness export` writes them (5,000)

`store` makes .bench/scale.duckdb at the first call (some minutes, 1.4 GB), `parquet` a folder .bench/parquet from one
run of that store (1.9 GB), with texts for a tenth of its runs; beyond 1,000 runs, files are copies of the first ones'.
Remove both afterwards. Each command is a whole process and is timed beside `harness --help`; each query has a
connection of its own, of `THREADS` threads, and is timed the second time.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from bench import board, common
from tuning.store import Store

YEARS = 10
STORE = common.WORK / "scale.duckdb"
FOLDER = common.WORK / "parquet"
DISTINCT = 1_000  # runs; further ones are copies of their files
TEXTS = 10  # every tenth run has its prompts and responses too
THREADS = 2
SAMPLES = f"read_parquet('{FOLDER}/run=*/samples.parquet', hive_partitioning = true)"
RESPONSES = f"read_parquet('{FOLDER}/run=*/responses.parquet', hive_partitioning = true)"
SCORE = 'coalesce("metric.acc", "metric.exact_match", "metric.pass@1")'
# `$a` and `$b` are runs: their names stand in the paths, so that DuckDB opens those files alone
QUERIES = {
    "the score of every run and task": f"SELECT run, task, avg({SCORE}), count(*) FROM {SAMPLES} GROUP BY run, task",
    "two runs, paired on their items": f"""
        SELECT a.task, count(*), avg(b.score - a.score), count(*) FILTER (a.score > b.score)
        FROM (SELECT task, item, {SCORE} AS score FROM {SAMPLES} WHERE run = $a) a
        JOIN (SELECT task, item, {SCORE} AS score FROM {SAMPLES} WHERE run = $b) b USING (task, item) GROUP BY ALL""",
    "a page of a run's wrong answers": f"""
        SELECT * FROM {SAMPLES} WHERE run = $a AND {SCORE} < 1 ORDER BY task, "group", item LIMIT 20 OFFSET 100""",
    "one item in every run": f"""
        SELECT answer, count(*) FROM {SAMPLES} WHERE task = 'mmlu' AND item = 'group_07/3' GROUP BY answer""",
    "a word in a run's responses": f"""
        SELECT count(*) FROM {RESPONSES} WHERE run = $a AND contains(lower(text), 'bridge')""",
}


def store(rounds: int = 3) -> None:
    if not STORE.exists():
        from bench.big.store import build

        common.WORK.mkdir(exist_ok=True)
        build(STORE, years=YEARS)
    the_store = Store(STORE)
    counts = the_store.info()
    common.say(scale="store", **{name: counts[name] for name in ("samples", "runs", "bytes")})
    first, second = _whole_runs(the_store)
    harness = [sys.executable, "-P", "-m", "harness"]
    db = ("--db", str(STORE))
    commands = {
        "--help": [*harness, "--help"],
        "show": [*harness, "show", *db],
        "show RUN": [*harness, "show", first, *db],
        "samples RUN --wrong": [*harness, "samples", first, "--wrong", "--page", "7", *db],
        "compare A B": [*harness, "compare", first, second, *db],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            before = _work(resource.RUSAGE_CHILDREN)
            seconds[name].append(common.timed(command)[0])
            cpu[name].append(_work(resource.RUSAGE_CHILDREN) - before)
    for name, own in seconds.items():
        common.say(scale=name, seconds=statistics.median(own), cpu=statistics.median(cpu[name]), each=own)
    board.main(rounds, STORE)


def _work(of: int) -> float:
    """Seconds of work of this process or its children, on all cores: other work on the machine changes them little."""
    used = resource.getrusage(of)
    return used.ru_utime + used.ru_stime


def _whole_runs(the_store: Store) -> list[str]:
    """Two finished runs of MMLU, BBH and HumanEval whole."""
    tasks: dict[str, set[str]] = {}
    for task in the_store.tasks():
        tasks.setdefault(task.run, set()).add(task.task)
    runs = [run for run in the_store.runs() if not run.partial and run.status == "finished"]
    return [run.id for run in runs if {"mmlu", "bbh", "humaneval"} <= tasks[run.id]][:2]


def parquet(runs: int = 5_000) -> None:
    import duckdb

    template = _template()
    began = time.perf_counter()
    names = [f"run-{number:05}" for number in range(runs)]
    with duckdb.connect(config={"threads": THREADS}) as connection:
        for table in ("samples", "responses"):
            connection.execute(f"CREATE TABLE {table} AS FROM read_parquet('{template / table}.parquet')")
        for number, name in enumerate(names[:DISTINCT]):
            _write(connection, name, texts=number % TEXTS == 0)
    for number, name in enumerate(names[DISTINCT:], DISTINCT):
        shutil.copytree(FOLDER / f"run={names[number % DISTINCT]}", FOLDER / f"run={name}", dirs_exist_ok=True)
    size = {
        table: sum(path.stat().st_size for path in FOLDER.glob(f"*/{table}.parquet"))
        for table in ("samples", "responses")
    }
    with duckdb.connect() as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {SAMPLES}").fetchone()  # type: ignore[misc]
    made = time.perf_counter() - began
    common.say(scale="parquet", samples=count, runs=runs, with_texts=len(names[::TEXTS]), bytes=size, made_in=made)
    for words, query in QUERIES.items():
        given = {"a": names[0], "b": names[TEXTS * (runs // (2 * TEXTS))]}
        given = {key: value for key, value in given.items() if f"${key}" in query}
        for _ in range(2):
            before = _work(resource.RUSAGE_SELF)
            seconds = _timed(query, given)
            cpu = _work(resource.RUSAGE_SELF) - before
        common.say(scale=words, seconds=seconds, cpu=cpu, peak_mb=_peak_mb())


def _template() -> Path:
    """One run's tables, as `harness export` writes them."""
    from harness.exchange import export

    to = common.WORK / "template"
    if not to.exists():
        the_store = Store(STORE)
        export(the_store, _whole_runs(the_store)[0], to, "parquet")
    return next(to.rglob("samples.parquet")).parent


def _write(connection: Any, name: str, texts: bool) -> None:
    """A run's files. Its answers are the template's, but for a share of them that is its own."""
    folder = FOLDER / f"run={name}"
    if (folder / "samples.parquet").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    turned = f"hash(item, '{name}') % 100 < hash('{name}') % 20"
    changed = [f"CASE WHEN {turned} THEN 'ABCD'[(hash('{name}', item) % 4)::BIGINT + 1] ELSE answer END AS answer"]
    metrics = ("metric.acc", "metric.exact_match", "metric.pass@1")
    changed += [f'CASE WHEN {turned} THEN 1 - "{metric}" ELSE "{metric}" END AS "{metric}"' for metric in metrics]
    rows = f"SELECT * EXCLUDE (run) REPLACE ({', '.join(changed)}) FROM samples"
    connection.execute(f"COPY ({rows}) TO '{folder}/samples.parquet'")
    if texts:
        connection.execute(f"COPY (SELECT * EXCLUDE (run) FROM responses) TO '{folder}/responses.parquet'")


def _timed(query: str, given: dict[str, str]) -> float:
    import duckdb

    with duckdb.connect(config={"threads": THREADS}) as connection:
        began = time.perf_counter()
        connection.execute(query, given).fetchall()
        return time.perf_counter() - began


def _peak_mb() -> float:
    """Of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    what, *numbers = sys.argv[1:]
    {"store": store, "parquet": parquet}[what](*map(int, numbers))
