"""A store as after a year's work, or several: python -m bench.big.store FILE [SEED [YEARS]].

50 runs with a million samples and their responses, 5 studies of 100 trials, 8 models' answers with verdicts of judges
and votes of people. A further year has runs of as many other models, with the first year's answers. Figures follow from
the seed (ids of studies and moments do not). Samples are made in SQL, scores from the samples as `harness run` makes
them. Takes one to three minutes.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bench.big import preference
from bench.big import studies as made_studies
from bench.big.wanted import WORDS, Wanted
from harness.results import RunRow, ScoreRow, TaskRow
from tuning.store import Store, StudyRow

if TYPE_CHECKING:
    import duckdb

RUNS = 50
MEASURED = 8  # trials a study, on all benchmarks
BASE_SKILL = 0.0
BEGAN = datetime(2026, 1, 5, 9, tzinfo=UTC)
# name: (groups, items a group, items of one passage (0: alone), the metric that decides)
TASKS = {
    "mmlu": (57, 246, 0, "acc"),
    "bbh": (27, 241, 0, "exact_match"),
    "humaneval": (1, 164, 0, "pass@1"),
    "drop": (1, 9_500, 16, "starts_with"),
}
# One row an item, the same for all runs: what is asked does not change.
_ITEMS = """
CREATE OR REPLACE TEMP TABLE items AS
SELECT n, 'group_' || lpad((n % $groups)::VARCHAR, 2, '0') AS "group",
       'group_' || lpad((n % $groups)::VARCHAR, 2, '0') || '/' || (n // $groups) AS item,
       CASE WHEN $passage > 0 THEN 'passage ' || (n // $passage) ELSE '' END AS cluster,
       1.3 * ln(u / (1 - u)) AS hard, (h >> 8) % 4 AS expected,
       'Question ' || n || ': ' || array_to_string(list_transform([3, 7, 11, 15, 19, 23], lambda s:
           $words[((h >> s) % len($words))::BIGINT + 1]), ', ') || '?' AS own
FROM (SELECT n, hash(n, $task, $seed) AS h, (hash(n, $seed, $task) % 9999 + 0.5) / 10000 AS u
      FROM range($groups * $each) t(n))"""
# One row a run and item. An item's noise is the run's own; so is a little of each group.
_ANSWERED = """
CREATE OR REPLACE TEMP TABLE answered AS
SELECT r.key, r.seed AS run_seed, i.*, (hash(n, r.seed) >> 5) AS h,
       r.skill + 0.2 * sin(hash(i."group", r.seed) % 1000) - i.hard
           + 0.5 * ln(((hash(n, r.seed) % 9999) + 0.5) / (9999.5 - (hash(n, r.seed) % 9999))) > 0 AS ok
FROM wanted r JOIN items i ON i.n < r.items"""
_RESPONSES = """
INSERT INTO responses BY NAME
SELECT key AS task, item, 0 AS repeat, 0 AS part, CASE WHEN $choice THEN 'choice' ELSE 'generate' END AS kind,
       (SELECT digest FROM shared s WHERE s."group" = a."group") AS prompt,
       own || CASE WHEN $choice THEN E'\\nA. yes\\nB. no\\nC. both\\nD. neither\\nAnswer:' ELSE E'\\nA:' END AS own,
       CASE WHEN $choice THEN [' A', ' B', ' C', ' D'] ELSE [] END AS options,
       CASE WHEN $choice THEN '' ELSE array_to_string(list_transform([2, 5, 9, 13, 17, 21], lambda s:
           $words[((h >> s) % len($words))::BIGINT + 1]), '. ') || '. So the answer is ' || said || '.' END AS text,
       CASE WHEN $choice THEN list_transform([0, 1, 2, 3], lambda c:
           CASE WHEN 'ABCD'[c + 1] = said THEN -0.4 ELSE -1.5 - ((h >> (3 * c)) % 1000) / 400 END) ELSE [] END
           AS logprobs,
       CASE WHEN $choice THEN list_transform([0, 1, 2, 3], lambda c: 'ABCD'[c + 1] = said) ELSE [] END AS greedy,
       CASE WHEN $choice THEN [] ELSE list_transform(range(32), lambda t: ((h >> t) % 32000)::INTEGER) END AS tokens,
       CASE WHEN $choice THEN '' ELSE 'stop' END AS finish, 620 + (h % 90)::INTEGER AS asked, 540 AS reused,
       CASE WHEN $choice THEN 0 ELSE 32 END AS generated,
       CASE WHEN h % 4001 = 0 THEN ['shots left out: the prompt did not fit'] ELSE [] END AS warnings
FROM (SELECT *, 'ABCD'[(CASE WHEN ok THEN expected ELSE (expected + 1 + h % 3) % 4 END)::BIGINT + 1] AS said
      FROM answered) a
ORDER BY key, n"""
_SAMPLES = """
INSERT INTO samples BY NAME
SELECT key AS task, item, 0 AS repeat, "group", cluster, MAP {$metric: ok::DOUBLE} AS metrics,
       'ABCD'[(CASE WHEN ok THEN expected ELSE (expected + 1 + h % 3) % 4 END)::BIGINT + 1] AS answer,
       'ABCD'[expected::BIGINT + 1] AS expected,
       CASE WHEN ok OR $metric <> 'pass@1' THEN '' ELSE 'AssertionError: ' || $words[(h % len($words))::BIGINT + 1] END
           AS note
FROM answered ORDER BY key, n"""
_SHARED = """
CREATE OR REPLACE TEMP TABLE shared AS
SELECT "group", sha256(text) AS digest, text FROM (
    SELECT DISTINCT "group",
           repeat($task || ', ' || "group" || ': ' || array_to_string($words, '. ') || E'\\n\\n', 4) AS text
    FROM items)"""


def whole(*names: str) -> dict[str, int]:
    return {name: TASKS[name][0] * TASKS[name][1] for name in names}


def wanted(store: Store, studies: Sequence[StudyRow], seed: int) -> list[Wanted]:
    """The base, finalists of the studies under both protocols, partial runs, one that goes on, one of a server."""
    models = [("base", BASE_SKILL, "tiny", "")]
    for study in studies:
        for trial, hyper, adapter in made_studies.finalists(store, study)[:MEASURED]:
            skill = BASE_SKILL + made_studies.skill(hyper)
            models.append((f"{study.name} trial {trial}", skill, adapter, f"study-{study.id[:12]}-trial-{trial}"))
    made: list[Wanted] = []

    def add(
        name: str,
        skill: float,
        model: str,
        tag: str,
        tasks: dict[str, int],
        protocol: str = "standard",
        **columns: object,
    ) -> None:
        made.append(Wanted(_run(len(made), seed, name, model, **columns), skill, tasks, tag, protocol))

    for name, skill, model, tag in models:
        add(name, skill, model, tag, whole("mmlu", "bbh", "humaneval"))
    for name, skill, model, _ in models[: RUNS - len(models) - 4]:
        add(name, skill, model, "", whole("mmlu", "drop"), "instructeval")
    for name, skill, model, _ in models[1:3]:
        add(f"{name}, 20 a subject", skill, model, "", {"mmlu": 57 * 20, "bbh": 27 * 20}, partial=True)
    served = {"backend_details": {"unverified": "a server answered: its weights cannot be seen"}}
    add("served", 0.3, "http://127.0.0.1:8000/v1", "", whole("mmlu", "bbh", "humaneval"), config=served)
    going = whole("mmlu") | {"bbh": 4_000}
    add("going on", 0.1, "tiny", "", going, status="running", finished=None)
    return made


def _run(number: int, seed: int, name: str, model: str, **columns: object) -> RunRow:
    key = hashlib.sha256(f"{seed} {number}".encode()).hexdigest()
    moment = BEGAN + timedelta(days=5 * number, minutes=37 * number)
    usual: dict[str, object] = {
        "status": "finished",
        "partial": False,
        "finished": moment + timedelta(hours=3),
        "config": {},
        "warnings": ("bbh: 3 samples with a warning (harness samples shows them)",),
        "totals": {
            "tokens": {"asked": 13_000_000, "computed": 1_900_000, "reused": 11_100_000, "generated": 210_000},
            "seconds": {"planning": 8.1, "loading": 4.2, "model": 9_031.5, "scoring": 11.0, "store": 31.7},
            "sessions": 1,
        },
        "provenance": {"program": "0.1.0", "packages": {"torch": "2.13.0"}, "host": "bench"},
    }
    return RunRow(
        id=key[:32],
        identity=hashlib.sha256(key.encode()).hexdigest(),
        name=name,
        model=model,
        model_digest=hashlib.sha256(model.encode()).hexdigest(),
        base_digest="" if model == "tiny" else hashlib.sha256(b"tiny").hexdigest(),
        backend="transformers",
        device="cpu",
        dtype="float32",
        seed=0,
        created=moment,
        command=f"harness run --model {model}",
        **{**usual, **columns},  # type: ignore[arg-type]
    )


def add_runs(store: Store, runs: Sequence[Wanted], seed: int) -> None:
    for run in runs:
        tasks = [_task(run, name) for name in run.tasks]
        store.create(run.row, tasks)
        if run.tag:
            store.tag(run.row.id, run.tag)
    for task in TASKS:
        with store.write() as connection:
            _answer(connection, task, [run for run in runs if task in run.tasks], seed)
    for run in runs:
        if run.row.status == "finished":
            store.save_scores(run.row.id, list(_scores(store, run)))


def _task(run: Wanted, name: str) -> TaskRow:
    groups, size, _, metric = TASKS[name]
    digest = hashlib.sha256(name.encode()).hexdigest()
    items = run.tasks[name] if run.row.partial else groups * size
    return TaskRow(run.row.id, name, run.protocol, "1", metric, "folder:made", digest, 5, False, {}, items)


def _answer(connection: duckdb.DuckDBPyConnection, task: str, runs: Sequence[Wanted], seed: int) -> None:
    """A task's responses and samples for all its runs, in three statements."""
    groups, size, passage, metric = TASKS[task]
    words = list(WORDS)
    made = {"groups": groups, "each": size, "passage": passage, "task": task, "seed": seed, "words": words}
    connection.execute(_ITEMS, made)
    connection.execute(_SHARED, {"task": task, "words": words})
    connection.execute("INSERT INTO prompts SELECT digest, text FROM shared")
    connection.execute("CREATE OR REPLACE TEMP TABLE wanted (key INTEGER, skill DOUBLE, seed VARCHAR, items BIGINT)")
    for run in runs:
        (key,) = connection.execute("SELECT key FROM tasks WHERE run = ? AND task = ?", [run.row.id, task]).fetchone()  # type: ignore[misc]
        row = [key, run.skill, run.row.id, run.tasks[task]]
        connection.execute("INSERT INTO wanted VALUES (?, ?, ?, ?)", row)
    connection.execute(_ANSWERED)
    connection.execute(_RESPONSES, {"choice": task == "mmlu", "words": words})
    connection.execute(_SAMPLES, {"metric": metric, "words": words})


def _scores(store: Store, run: Wanted) -> Iterator[ScoreRow]:
    from harness.stats import intervals
    from harness.types import Item, Sample

    for name in run.tasks:
        groups, *_, metric = TASKS[name]
        samples = [Sample(Item(s.item, s.group, {}, s.cluster), s.metrics) for s in store.samples(run.row.id, name)]
        for s in intervals.scores(samples, metric, macro=groups > 1, by_group=groups > 1):
            interval = (s.value, s.low, s.high)
            yield ScoreRow(run.row.id, name, s.group, run.protocol, s.metric, *interval, s.n, s.method)


# The first year's rows again, under another run's id, another model's name and other keys.
_REPEAT = (
    """INSERT INTO runs SELECT * REPLACE (md5($year || id) AS id, sha256($year || identity) AS identity,
           name || ', year ' || $year AS name, 'year-' || $year || '/' || model AS model,
           sha256($year || id) AS model_digest, created + to_years($back) AS created,
           finished + to_years($back) AS finished) FROM runs WHERE id IN (SELECT run FROM first_year)""",
    """INSERT INTO responses SELECT * REPLACE (task + $keys AS task) FROM responses
           WHERE task IN (SELECT key FROM first_year)""",
    """INSERT INTO samples SELECT * REPLACE (task + $keys AS task) FROM samples
           WHERE task IN (SELECT key FROM first_year)""",
    """INSERT INTO scores SELECT * REPLACE (md5($year || run) AS run) FROM scores
           WHERE run IN (SELECT run FROM first_year)""",
    """INSERT INTO tasks SELECT * REPLACE (key + $keys AS key, md5($year || run) AS run) FROM tasks
           WHERE run IN (SELECT run FROM first_year)""",
)


def repeat(store: Store, year: int) -> None:
    """The runs of year `year` + 1, counted from the first."""
    with store.write() as connection:
        connection.execute("""CREATE OR REPLACE TEMP TABLE first_year AS SELECT key, run FROM tasks
            WHERE run NOT IN (SELECT id FROM runs WHERE name LIKE '%, year %')""")
        (keys,) = connection.execute("SELECT max(key) FROM tasks").fetchone()  # type: ignore[misc]
        given = {"year": str(year + 1), "back": -year, "keys": keys}
        for statement in _REPEAT:
            connection.execute(statement, {name: given[name] for name in given if f"${name}" in statement})


def build(path: Path, seed: int = 0, years: int = 1) -> Store:
    """All of it, in a new file; SystemExit where there is one."""
    if path.exists():
        raise SystemExit(f"{path} is there already.")
    store = Store(path)
    try:
        began = time.perf_counter()

        def say(text: str) -> None:
            print(f"{time.perf_counter() - began:6.1f} s  {text}", flush=True)

        studies = made_studies.add(path)
        say(f"{len(studies)} studies")
        runs = wanted(store, studies, seed)
        add_runs(store, runs, seed)
        say(f"{len(runs)} runs")
        preference.add(store, [run for run in runs if not run.row.partial][:8], seed)
        say("preference")
        for year in range(1, years):
            repeat(store, year)
            say(f"year {year + 1}")
        counts = store.info()
        say(", ".join(f"{counts[name]:,} {name}" for name in ("samples", "trials", "comparisons")))
    except BaseException:
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".wal").unlink(missing_ok=True)
        shutil.rmtree(path.with_name(path.name + ".studies"), ignore_errors=True)
        raise
    return store


if __name__ == "__main__":
    build(Path(sys.argv[1]), *map(int, sys.argv[2:]))
