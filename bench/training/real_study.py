"""A study on real rows: ten trials of `harness tune` on a 70/30 mix of Alpaca and Dolly, over the base of base.py.

python -m bench.training.real_study [OPTIMIZER]. The search sees validation; what is told here is the test part: loss
of the base and of the best adapter a response token, and their difference over rows with a paired 95% interval. The
base was trained without any of these rows (`bench.training.base.study_splits` is the same split).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.common import DATA, ROOT, WORK, environment, say
from bench.training.base import SEED, base, study_splits

BUDGET = 10
HELD = ("epochs=1", "batch=8")  # 353 rows are three steps of the paper's 128
MAX_TOKENS = 256  # of a row; a trial on all rows is about 6 TFLOP


def study(optimizer: str) -> tuple[dict[str, Any], float]:
    """The document of `harness tune`, and the seconds of the whole process."""
    command = [sys.executable, "-P", "-m", "harness", "tune", "--model", str(base()), "--data", str(DATA)]
    command += ["--mix", "paper", "--data-seed", str(SEED), "--optimizer", optimizer, "--budget", str(BUDGET)]
    command += [word for held in HELD for word in ("--set", held)]
    command += ["--max-tokens", str(MAX_TOKENS)]
    command += ["--db", str(WORK / "real_study.duckdb"), "--name", f"real-{optimizer}", "--json"]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[3:8])} … ended with {done.returncode}")
    return json.loads(done.stdout), time.perf_counter() - began


def against_base(adapter: Path) -> dict[str, Any]:
    """Test losses, and the paired difference of the rows' losses (best - base, nats a response token)."""
    from harness.models.checkpoint import resolve
    from harness.stats.paired import paired
    from tuning.training.train import Trainer
    from tuning.training.train_settings import TrainSettings

    trainer = Trainer(resolve(str(base())), study_splits(), TrainSettings(max_tokens=MAX_TOKENS))
    before, after = trainer.evaluate(None, "test"), trainer.evaluate(adapter, "test")
    a, b = ([nats / tokens for nats, tokens in losses.rows if tokens] for losses in (before, after))
    difference = paired(a, b)
    return {
        "test_rows": len(a),
        "test_tokens": before.tokens,
        "base_loss": before.mean,
        "best_loss": after.mean,
        "difference": difference.difference,
        "low": difference.low,
        "high": difference.high,
        "p": difference.p,
    }


def main(optimizer: str = "nni-tpe") -> None:
    document, seconds = study(optimizer)
    best = document["best"]
    figures = against_base(Path(best["adapter"]))
    say(
        bench="real_study",
        optimizer=optimizer,
        trials=len(document["trials"]),
        seconds=seconds,
        hyperparameters=best["hyperparameters"],
        **figures,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
