"""Searches with two objectives on the recorded grid, with rungs and without."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.training import front as bench
from harness.errors import UsageError
from tuning.search import blackbox, rungs

COST = {0.05: 1583, 0.1: 2361, 0.3: 5147, 1.0: 15066}  # tokens, as bench.training.front measured them


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=8))
def test_a_hypervolume_is_the_area_that_points_dominate(points: list[tuple[int, int]]) -> None:
    cells = {(x, y) for x in range(5) for y in range(5) if any(a <= x and b <= y for a, b in points)}
    assert bench.hypervolume([(float(a), float(b)) for a, b in points], (5.0, 5.0)) == len(cells)


def test_the_rungs_of_the_grid_are_complete_and_tell_of_the_whole() -> None:
    from scipy.stats import spearmanr

    losses = blackbox.tiny_grid_rungs()
    assert tuple(losses) == rungs.FRACTIONS
    known = [key for key in losses[1.0] if all(losses[rung][key] is not None for rung in losses)]
    assert len(known) > 0.9 * len(losses[1.0])
    for rung in blackbox.RUNGS:
        assert spearmanr([losses[rung][key] for key in known], [losses[1.0][key] for key in known]).statistic > 0.9


def test_rungs_with_a_point_missing_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = blackbox.TINY_GRID_RUNGS.read_text("utf-8").splitlines()
    (tmp_path / "rungs.csv").write_text("\n".join(lines[:-1]), "utf-8")
    monkeypatch.setattr(blackbox, "TINY_GRID_RUNGS", tmp_path / "rungs.csv")
    with pytest.raises(UsageError, match="not a complete grid"):
        blackbox.tiny_grid_rungs()


def test_a_search_is_of_the_grid() -> None:
    losses = blackbox.tiny_grid_rungs()
    ledger = bench.search("random", 0, "all rows", losses)
    assert len(ledger.attempts) == bench.BUDGET
    for attempt in ledger.attempts.values():
        trial = ledger.trials[attempt.trial - 1]
        size = bench.BYTES * trial.hyperparameters["rank"]
        assert attempt.objectives == (losses[1.0][blackbox.GRID.key(trial.point)], size)
    assert 0 < bench.reached(ledger, losses[1.0]) < 1


@pytest.mark.full
def test_a_search_of_every_point_finds_the_whole_front(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = blackbox.tiny_grid_rungs()
    monkeypatch.setattr(bench, "BUDGET", blackbox.GRID.size)
    assert bench.reached(bench.search("random", 0, "all rows", losses), losses[1.0]) == pytest.approx(1)


@pytest.mark.full
def test_rungs_find_as_good_a_front_for_a_third_of_the_compute(capsys: pytest.CaptureFixture) -> None:
    """Few seeds; docs/tuning.md has what thirty say."""
    line = bench.compare("random", 8, COST)
    assert line["compute_ratio"][2] < 1 / 3
    assert line["anew"]["rungs"][0] > line["anew"]["all rows"][0] - 0.03
    low, high = line["difference_anew"][1:]
    assert low <= 0 <= high
