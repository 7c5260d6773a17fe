"""Gates that stop early against whole runs: `python -m bench.early`.

Eight small models (`bench.early_models`) are run whole on real rows of MMLU and BBH. Each ordered pair is a
baseline and a candidate; the candidate's stored values are read again in random orders, with a look after every
STEP units, until `early_verdict` says what the whole run's verdict is going to be. What is measured: the share of
the items that were read, and how often the early verdict is not that of the whole run. One JSON line a task."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import common, early_models
from harness.evaluation.compare import by_item, compare, results
from harness.evaluation.run import run
from harness.evaluation.sampling.gating import early_verdict, verdict
from harness.evaluation.task_result import MACRO, TaskResult
from harness.options import RunOptions
from harness.results import Store
from harness.stats.drawing import Place, drawn, units
from harness.stats.intervals import Interval, wilson
from harness.stats.sequences import MeanSequence

HOME = common.WORK / "early"
MMLU = ("marketing", "human_aging", "management", "us_foreign_policy", "high_school_geography", "global_facts",
        "sociology", "nutrition")  # fmt: skip
BBH = ("boolean_expressions", "navigate", "sports_understanding", "web_of_lies", "hyperbaton")
MAX_DROP = 1.0
STEP = 50
ORDERS = 10  # of each pair's items
CLEAR = 3  # half-widths of the whole run's interval, by which a clear drop is beyond the limit


@dataclass(frozen=True, slots=True)
class Pair:
    difference: Interval  # of the whole runs
    verdict: str
    early: list[tuple[str, float]]  # of each order, the verdict and the share of the items that were read

    @property
    def is_clear(self) -> bool:
        value, _, high = self.difference
        return self.verdict == "fail" and -MAX_DROP / 100 - value > CLEAR * (high - value)


def main() -> None:
    HOME.mkdir(parents=True, exist_ok=True)
    db = HOME / "early.duckdb"
    store = Store(db)
    first = measure("tiny", db)
    rows = [
        (response.shared + response.own, sample.expected)
        for task in ("mmlu", "bbh")
        for response, sample in zip(
            sorted(store.responses(first, task), key=lambda row: row.item),
            sorted(store.samples(first, task), key=lambda row: row.item),
            strict=True,
        )
    ]
    models = sorted(HOME.glob("model-*")) or early_models.make(rows, HOME)
    runs = [first, *(measure(str(model), db) for model in models)]
    for task in ("mmlu", "bbh"):
        whole = [results(store, store.resolve(one), [task])[0] for one in runs]
        tell(task, whole, [pair(a, b) for a, b in itertools.permutations(whole, 2)])


def measure(model: str, db: Path) -> str:
    """The run's id; a run that is there is not made again."""
    tasks = ",".join([*(f"mmlu:{name}" for name in MMLU), *(f"bbh:{name}" for name in BBH)])
    options = RunOptions(
        model=model, tasks=tasks, data=str(common.DATA), protocol="instructeval", shots=0, db=str(db), device="cpu"
    )
    return run(options).run.id


def pair(baseline: TaskResult, candidate: TaskResult) -> Pair:
    (row,) = compare(baseline, candidate, [baseline.metric])
    return Pair(
        Interval(row.difference, row.low, row.high),
        verdict(row, MAX_DROP),
        [replayed(baseline, candidate, seed, verdict(row, MAX_DROP)) for seed in range(ORDERS)],
    )


def replayed(baseline: TaskResult, candidate: TaskResult, seed: int, at_the_end: str) -> tuple[str, float]:
    metric = baseline.metric.removesuffix(MACRO)
    known, values = ({item: own[metric] for item, own in by_item(side).items()} for side in (baseline, candidate))
    places = [Place(row.item, row.group, row.cluster) for row in baseline.samples]
    order = drawn(units(places, baseline.metric.endswith(MACRO)), seed)
    of_units = [[unit.value([own[item] for item in unit.items]) for unit in order] for own in (known, values)]
    sequence = MeanSequence([unit.weight for unit in order], known=of_units[0])
    for start in range(0, len(order) - STEP, STEP):
        sequence.add(of_units[1][start : start + STEP])
        if verdict := early_verdict(sequence, MAX_DROP):
            return verdict, sequence.n / len(order)
    return at_the_end, 1.0


def tell(task: str, whole: Sequence[TaskResult], pairs: Sequence[Pair]) -> None:
    early = [(pair, verdict, share) for pair in pairs for verdict, share in pair.early]
    wrong = sum(verdict != pair.verdict for pair, verdict, _ in early)
    contrary = sum({verdict, pair.verdict} == {"pass", "fail"} for pair, verdict, _ in early)
    shares = {
        kind: statistics.median([share for pair, _, share in early if chosen(pair)] or [1.0])
        for kind, chosen in (
            ("clear drops", lambda pair: pair.is_clear),
            ("fail", lambda pair: pair.verdict == "fail"),
            ("pass", lambda pair: pair.verdict == "pass"),
            ("undecided", lambda pair: pair.verdict == "undecided"),
        )
    }
    common.say(
        bench=f"early {task}",
        items=len(by_item(whole[0])),
        pairs=len(pairs),
        clear=sum(pair.is_clear for pair in pairs),
        verdicts={word: sum(pair.verdict == word for pair in pairs) for word in ("pass", "fail", "undecided")},
        median_share_read=shares,
        not_as_whole=wrong / len(early),
        not_as_whole_low=wilson(wrong, len(early)).low,
        pass_against_fail=contrary / len(early),
    )


if __name__ == "__main__":
    main()
