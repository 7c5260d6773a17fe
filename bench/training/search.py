"""A search as arXiv 2312.00949 made it, every trial on all rows, against ours with rungs: equal budget of proposals.

    python -P -m bench.training.search --optimizer nomad --seeds 3 --budget 50

Each way and seed is a study of its own on the embedded model and the bundled rows (what `harness tune` does, with
160 train rows in batches of 8). Compute is counted in tokens that are no padding: forward, backward and validation,
of all rungs and of the trainings on all rows at the end. Then each study's best is trained over new seeds and measured
on the test rows; the difference of the two ways is paired over rows and seeds. A study that was cut off goes on.
"""

from __future__ import annotations

import argparse
import sys

from bench.common import WORK, tell
from tuning.objectives.objectives import measure_of
from tuning.report.documents import compute
from tuning.search.estimates import correlations
from tuning.search.rungs import FRACTIONS
from tuning.store import Store
from tuning.study import finalists, session
from tuning.study.definition import plan, surroundings
from tuning.study.finalists import Finalist
from tuning.study.ledger import Ledger
from tuning.study.options import Options
from tuning.study.session import Result

WAYS = {"paper": True, "rungs": False}  # --no-rungs or not


def options_of(arguments: argparse.Namespace, way: str, seed: int) -> Options:
    WORK.mkdir(exist_ok=True)
    return Options(
        model="tiny",
        data="sample",
        optimizer=arguments.optimizer,
        budget=arguments.budget,
        seed=seed,
        sizes="160,60,100",
        set={"batch": 8},
        no_rungs=WAYS[way],
        no_merge=True,
        keep=1,
        timeout=arguments.timeout,
        db=str(WORK / "search.duckdb"),
        name=f"{way}-{arguments.optimizer}-{arguments.budget}-{seed}",
    )


def spent(ledger: Ledger) -> dict[str, float]:
    tokens = compute(ledger)
    seconds = sum(a.seconds for a in ledger.attempts.values() if a.seed == ledger.seed and a.trial)
    useful = tokens["forward"] + tokens["backward"] + tokens["validation"]
    return {"tokens": useful, "padding": tokens["padding"], "training_seconds": seconds}


def final(result: Result, options: Options, seeds: int) -> Finalist:
    """The study's best, trained over new seeds and measured on the test rows."""
    ledger = result.ledger
    best = ledger.best
    if best is None:
        raise SystemExit(f"no trial of {result.row.name} ended well")
    chosen = Finalist(result.row, ledger, best.number, f"best of {result.row.name}")
    pool = session.make_pool(session.setup_of(plan(options), options), options, "cpu")
    try:
        store = Store(options.db)
        measure = measure_of("validation", surroundings(options))
        finalists.train([chosen], seeds, pool, lambda row: store.study_folder(row.id), [measure])
    finally:
        pool.close()
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--optimizer", default="nomad")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=int, default=50)
    parser.add_argument("--finals", type=int, default=5, help="trainings of each best")
    parser.add_argument("--timeout", default=None, help="of each study; the same command goes on")
    arguments = parser.parse_args()
    cost: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    quality = []
    for seed in range(arguments.seeds):
        best = {}
        for way in WAYS:
            options = options_of(arguments, way, seed)
            result = session.run(options)
            if result.row.status != "finished":
                raise SystemExit(f"{result.row.name}: {result.ledger.started} trials; the same command goes on")
            cost[way].append(spent(result.ledger))
            best[way] = final(result, options, arguments.finals)
        comparison = finalists.compare(best["paper"], best["rungs"], arguments.finals)
        measured = {
            m.finalist.study.name: m.mean for m in finalists.measurements(list(best.values()), arguments.finals)
        }
        (curves,) = best["rungs"].ledger.rung_values.curves
        quality.append(
            {
                "seed": seed,
                "test_loss": measured,
                "difference": list(comparison.difference),
                "verdict": comparison.verdict,
                "rung_pairs_and_correlations": [list(pair) for pair in correlations(curves, len(FRACTIONS))],
            }
        )
        sys.stderr.write(f"{quality[-1]} {[cost[way][-1] for way in WAYS]}\n")
    tell(
        "search",
        at_least=5,
        ours=[trial["tokens"] for trial in cost["rungs"]],
        peer=[trial["tokens"] for trial in cost["paper"]],
        unit="tokens",
        optimizer=arguments.optimizer,
        budget=arguments.budget,
        ratios=[paper["tokens"] / rungs["tokens"] for paper, rungs in zip(*cost.values(), strict=True)],
        padding={way: [trial["padding"] for trial in cost[way]] for way in WAYS},
        training_seconds={way: [trial["training_seconds"] for trial in cost[way]] for way in WAYS},
        quality=quality,
    )


if __name__ == "__main__":
    main()
