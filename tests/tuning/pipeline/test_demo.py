"""The demo as it stands: what it says, what it says of planted rules, and that twenty kills change nothing of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.tuning.pipeline.killing import assert_one_study, killed, store_of, unbroken
from tuning.pipeline.measured import Board, board
from tuning.pipeline.study_file import read
from tuning.pipeline.verdict import verdict
from tuning.pipeline.whole_study import WholeStudy

DEMO = Path(__file__).resolve().parents[3] / "studies" / "demo.toml"
KILLS = 20
pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The folder of the unbroken demo, and how often its store was written."""
    folder = tmp_path_factory.mktemp("demo") / "whole"
    return folder, unbroken(DEMO, folder)


@pytest.fixture(scope="module")
def measured(whole: tuple[Path, int]) -> Board:
    return board(WholeStudy(read(DEMO, {"db": str(store_of(whole[0]))})))


def by_title(found: Board, losses: dict[str, float]) -> Board:
    """The same measurements, with other losses to choose by."""
    return replace(
        found, configurations=tuple(replace(c, loss=losses.get(c.title, c.loss)) for c in found.configurations)
    )


def test_choosing_by_validation_loss_costs_points(measured: Board) -> None:
    """The embedded model forgets what it knew the more it learns of the rows: the verdict says what that costs."""
    assert set(measured.tasks) == {"mmlu", "bbh", "drop", "humaneval"}
    (sentence,) = [
        line for line in verdict(measured).sentences if line.startswith("Chosen by validation loss you lose")
    ]
    assert "points on mmlu" in sentence


def test_planted_rules_are_told_apart(measured: Board) -> None:
    """One that chooses the least by benchmarks is blamed, and one that chooses the most is not: as the loss to choose
    by, and as a rule beside it."""
    open_ = [c for c in measured.configurations if not c.is_base]
    means = {c.title: sum(float(c.values[task].mean()) for task in measured.tasks) for c in open_}
    worst, best = min(means, key=lambda title: means[title]), max(means, key=lambda title: means[title])
    bad = verdict(by_title(measured, means))
    good = verdict(by_title(measured, {title: -mean for title, mean in means.items()}))
    assert (bad.board.chosen and bad.board.chosen.title, good.board.chosen and good.board.chosen.title) == (worst, best)
    assert any(
        line.startswith("Chosen by validation loss you lose ") and " points on " in line for line in bad.sentences
    )
    assert "Chosen by validation loss you lose nothing that can be told on any of these tasks." in good.sentences
    beside = verdict(replace(good.board, choices={"a planted rule": worst}))
    (planted,) = [line for line in beside.sentences if line.startswith(f"Chosen by a planted rule: {worst}, worse on ")]
    assert best in planted


def test_the_demo_is_killed_twenty_times(whole: tuple[Path, int], tmp_path: Path) -> None:
    folder, writes = whole
    assert killed(DEMO, tmp_path / "broken", KILLS, writes) >= KILLS
    assert_one_study(folder, tmp_path / "broken")
