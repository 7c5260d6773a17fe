"""Boards of made-up configurations: who is how good on what is planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuning.pipeline.measured import Board, Configuration
from tuning.store.rows import BASE


@dataclass(frozen=True)
class Finalist:
    trial: int
    label: str = ""
    why: str = "best 1"


def configuration(
    title: str, loss: float | None, chances: Mapping[str, float], seeds: int = 3, items: int = 400, spread: float = 0.0
) -> Configuration:
    """Answers that are right with a task's chance; the same items are hard for all."""
    rng = np.random.default_rng(sum(title.encode()))
    defaults = ("paper-default", "peft-default", "common", "without-regret")
    finalist: Any = Finalist(BASE if title == "base" else 1, title if title in defaults else "")
    values = {}
    for task, chance in chances.items():
        hard = np.random.default_rng(sum(task.encode())).random(items)
        luck = 0.3 * rng.standard_normal((seeds, items)) + spread * rng.standard_normal((seeds, 1))
        values[task] = ((hard + luck) < chance).astype(float)
    return Configuration(title, finalist, loss, values)


def board(configurations: Sequence[Configuration]) -> Board:
    tasks = {task: values.shape[1] for task, values in configurations[0].values.items()}
    items = {task: [f"{task}/{n}" for n in range(count)] for task, count in tasks.items()}
    clusters = {task: [f"i{item}" for item in names] for task, names in items.items()}
    return Board(tuple(configurations), clusters, items)
