"""Races of real runs against the same runs read whole: `python -m bench.race`, after `python -m bench.early`, or
`python -m bench.race STUDY.toml STORE`.

The stored values of that bench's eight models on MMLU and BBH, or of a study's finalists on its benchmarks, are raced
in random orders. What is measured: the share of the answers that a race reads, and how often its winner set (the
highest, and whoever `harness compare` cannot tell from it) is that of the whole runs. One JSON line a task."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench import common
from bench.early import HOME, measure
from harness.evaluation.compare import by_item, compare, results
from harness.evaluation.task_result import MACRO, TaskResult
from harness.results import Store
from harness.stats.drawing import Place, drawn, units
from harness.stats.race import Race, looks

ORDERS = 20


def main() -> None:
    db = HOME / "early.duckdb"
    store = Store(db)
    runs = [measure(model, db) for model in ("tiny", *sorted(map(str, HOME.glob("model-*"))))]
    for task in ("mmlu", "bbh"):
        tell(task, [results(store, store.resolve(run), [task])[0] for run in runs])


def of_study(path: str, db: str) -> None:
    """Each model of the study that has been measured on a task, the base among them."""
    from tuning.pipeline.study_file import read
    from tuning.pipeline.whole_study import WholeStudy

    study = WholeStudy(read(Path(path), {"db": db}))
    finished = study.finished_runs()
    by_task: dict[tuple[str, str, int], list[TaskResult]] = {}
    for model in study.models():
        for run in (finished[tag] for tag, _ in study.runs(model) if tag in finished):
            for result in results(study.store, run):
                by_task.setdefault((result.task, result.protocol, result.shots), []).append(result)
    for (task, _, _), whole in by_task.items():
        tell(task, whole)


def tell(task: str, whole: Sequence[TaskResult]) -> None:
    wanted = winners(whole, range(len(whole)))
    outcomes = [raced(whole, seed) for seed in range(ORDERS)]
    common.say(
        bench=f"race {task}",
        models=len(whole),
        items=len(by_item(whole[0])),
        winners=len(wanted),
        orders=ORDERS,
        same_winners=sum(winners(whole, still_in) == wanted for still_in, _ in outcomes),
        share_read=statistics.mean(share for _, share in outcomes),
    )


def raced(whole: Sequence[TaskResult], seed: int) -> tuple[list[int], float]:
    """Who is left of a race in one order, and the share of all answers that it read."""
    metric = whole[0].metric
    rows = {row.item: Place(row.item, row.group, row.cluster) for row in whole[0].samples}
    is_macro = metric.endswith(MACRO)
    order = drawn(units(list(rows.values()), is_macro), seed)
    groups = {item: place.group for item, place in rows.items()} if is_macro else None
    values = [by_item(result) for result in whole]
    race, read = Race(len(whole), order, groups), 0
    for look in looks(len(order)):
        items = race.next_items(look - race.read)
        read += len(items) * len(race.still_in)
        own = {p: np.array([[values[p][i][metric.removesuffix(MACRO)] for i in items]]) for p in race.still_in}
        race.add(look - race.read, own)
        if race.is_decided:
            break
    return race.still_in, read / (len(rows) * len(whole))


def winners(whole: Sequence[TaskResult], among: Sequence[int]) -> set[int]:
    metric = whole[0].metric
    score = {place: compare(whole[among[0]], whole[place], [metric])[0].b for place in among}
    first = max(among, key=lambda place: score[place])
    return {p for p in among if p == first or compare(whole[first], whole[p], [metric])[0].p_value >= 0.05}


if __name__ == "__main__":
    if sys.argv[1:]:
        of_study(*sys.argv[1:])
    else:
        main()
