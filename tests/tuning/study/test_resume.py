"""Killed at any moment, the same command goes on and ends with the trials of an unbroken study."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from tests.tuning import fakes
from tests.tuning.child import nursery
from tuning import optimizers


def test_two_kills(tmp_path: Path) -> None:
    """Of the optimizer that has a process of its own; of each one there are ten below."""
    killed("nomad", tmp_path, kills=2, budget=6)


@pytest.mark.full
@pytest.mark.parametrize("optimizer", optimizers.names())
def test_ten_kills(optimizer: str, tmp_path: Path) -> None:
    killed(optimizer, tmp_path, kills=10, budget=30)


@pytest.mark.full
@pytest.mark.parametrize("optimizer", ["nomad", "nni-tpe", "tpe"])
def test_ten_kills_with_blocks(optimizer: str, tmp_path: Path) -> None:
    killed(optimizer, tmp_path, kills=10, budget=30, block=4)


@pytest.mark.full
def test_two_kills_of_packed_trials(tmp_path: Path) -> None:
    killed("random", tmp_path, kills=2, budget=9, block=3, packed=3)


def killed(optimizer: str, folder: Path, kills: int, **options: object) -> None:
    whole, broken = folder / "whole", folder / "broken"
    whole.mkdir()
    broken.mkdir()
    told = {"optimizer": optimizer, **options}
    assert nursery().run(whole, log=str(folder / "whole.log"), options=told) == 0, (whole / "err").read_text()
    expected = fakes.outcome(whole)
    in_all = fakes.begun(folder / "whole.log")
    assert max(Counter(in_all).values()) == 1

    log, struck = folder / "broken.log", 0
    chance = random.Random(f"{optimizer}{kills}")
    # moments in the whole of the study, also between two trainings: some steps after a training begins
    for moment in sorted(chance.uniform(0, len(in_all)) for _ in range(kills)):
        pid = nursery().start(broken, log=str(log), options=told)
        code = nursery().kill_when(pid, partial(_past, log, moment))
        struck += code == -9
    assert nursery().run(broken, log=str(log), options=told) == 0, (broken / "err").read_text()
    assert struck >= kills - 1  # the last may come when all is done
    assert fakes.outcome(broken) == expected
    begun = Counter(fakes.begun(log))
    assert set(begun) == set(in_all)
    # what is in flight at a kill: a batch, in one process
    assert sum(begun.values()) <= len(in_all) + struck * int(str(options.get("packed", 1)))


def _past(log: Path, moment: float) -> bool:
    return len(fakes.begun(log)) > moment
