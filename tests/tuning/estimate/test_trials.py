"""Which trainings a study may come to."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuning.estimate.trials import drawn, hypers_of
from tuning.search import rungs
from tuning.study.definition import Study, plan
from tuning.study.options import TuneOptions


def study_of(tmp_path: Path, **changes: Any) -> Study:
    usual = {"model": "tiny", "data": "sample", "optimizer": "random", "budget": 12, "db": str(tmp_path / "s.duckdb")}
    return plan(TuneOptions(**{**usual, **changes})).study


def test_rungs_let_a_quarter_go_on(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    for trainings in drawn(study, 12):
        by_rung = [sum(fraction == rung for _, fraction in trainings) for rung in study.fractions]
        assert by_rung[0] == 12
        assert all(later <= -(-earlier // rungs.ETA) for earlier, later in itertools.pairwise(by_rung[:3]))
        assert by_rung[-1] == rungs.ALL_ROWS  # with those that are trained when the search has ended
        batches = {
            fraction: {h.batch for group, f in trainings if f == fraction for h in group} for fraction in (1.0, 0.05)
        }
        assert batches == {1.0: {16}, 0.05: {4}}


def test_without_rungs_every_trial_is_trained_once(tmp_path: Path) -> None:
    study = study_of(tmp_path, no_rungs=True, packed=4)
    assert study.block == 4
    for trainings in drawn(study, 11):
        assert [len(group) for group, _ in trainings] == [len(study.start), 4, 11 - 4 - len(study.start)]
        assert {fraction for _, fraction in trainings} == {1.0}


def test_first_points_come_first_and_a_small_space_ends(tmp_path: Path) -> None:
    space = {"rank": {"kind": "choice", "values": [4, 8]}}
    study = study_of(tmp_path, space=space)
    hypers = hypers_of(study, 12, np.random.default_rng(0))
    assert hypers[: len(study.start)] == [hyper for _, hyper in study.start]
    assert len(hypers) == len(study.start) + 2


@pytest.mark.parametrize(("optimizer", "same"), [("random", False), ("nomad", True)])
def test_a_search_that_settles(optimizer: str, same: bool, tmp_path: Path) -> None:
    study = study_of(tmp_path, optimizer=optimizer)
    hypers = hypers_of(study, 200, np.random.default_rng(0))[len(study.start) :]
    most = max(hypers.count(hyper) for hyper in set(hypers))
    assert (most > 60) == same
