"""Rows for the store's tests."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.results import ResponseRow, RunRow, SampleRow, ScoreRow, Store, TaskRow

ROOT = Path(__file__).resolve().parents[3]


def run(**columns: Any) -> RunRow:
    defaults: dict[str, Any] = {
        "id": uuid.uuid4().hex,
        "identity": uuid.uuid4().hex * 2,
        "name": "a run",
        "status": "running",
        "partial": False,
        "model": "tiny",
        "model_digest": "d",
        "base_digest": "",
        "backend": "transformers",
        "device": "cpu",
        "dtype": "float32",
        "seed": 7,
        "created": datetime.now(UTC),
    }
    return RunRow(**{**defaults, **columns})


def task(run_id: str, name: str = "mmlu", **columns: Any) -> TaskRow:
    defaults: dict[str, Any] = {
        "protocol": "standard",
        "version": "1",
        "metric": "acc",
        "data_source": "sample",
        "data_digest": "d",
        "shots": 5,
        "chat": False,
        "settings": {"cot": True},
        "items": 100,
    }
    return TaskRow(run_id, name, **{**defaults, **columns})


def response(run_id: str, item: str, repeat: int = 0, part: int = 0, **columns: Any) -> ResponseRow:
    defaults: dict[str, Any] = {
        "task": "mmlu",
        "kind": "choice",
        "shared": "Questions.\n\n",
        "own": f"Question {item}?",
    }
    return ResponseRow(run=run_id, item=item, repeat=repeat, part=part, **{**defaults, **columns})


def sample(run_id: str, item: str, acc: float = 1.0, repeat: int = 0, **columns: Any) -> SampleRow:
    defaults: dict[str, Any] = {
        "task": "mmlu",
        "group": "anatomy",
        "cluster": "",
        "metrics": {"acc": acc},
        "answer": "A",
    }
    return SampleRow(run=run_id, item=item, repeat=repeat, **{**defaults, **columns})


def score(run_id: str, **columns: Any) -> ScoreRow:
    defaults: dict[str, Any] = {
        "task": "mmlu",
        "group": "all",
        "protocol": "standard",
        "metric": "acc",
        "value": 0.5,
        "low": 0.4,
        "high": 0.6,
        "n": 100,
        "method": "wilson",
    }
    return ScoreRow(run=run_id, **{**defaults, **columns})


def stored(store: Store, items: int = 10, **columns: Any) -> RunRow:
    """A run of one task in the store, every second item wrong."""
    made = run(**columns)
    store.create(made, [task(made.id)])
    names = [f"mmlu/anatomy/{number}" for number in range(items)]
    store.record(
        made.id,
        [response(made.id, name, text=f"It is {name}.") for name in names],
        [sample(made.id, name, acc=float(number % 2 == 0)) for number, name in enumerate(names)],
    )
    return made


def child(*words: object, **options: Any) -> subprocess.Popen[str]:
    """Another process: `child.py` with these words; its output is read line by line."""
    command = [sys.executable, "-P", "-m", "tests.harness.store.child", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
