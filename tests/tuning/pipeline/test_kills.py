"""Killed at any moment, `harness study run` goes on, and ends with the store and the report of an unbroken study."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tuning.pipeline.killing import assert_one_study, killed, unbroken
from tests.tuning.pipeline.test_session import FILE

KILLS = 20


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_small_study_is_killed_twenty_times(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(FILE, "utf-8")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert killed(file, broken, KILLS, unbroken(file, whole)) >= KILLS
    assert_one_study(whole, broken)
