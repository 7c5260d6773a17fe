"""What was foretold, by identity."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from harness.results import Store


def test_the_newest_estimate_before_a_moment(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.duckdb")
    assert store.estimate("a") is None  # and no store is made
    assert not store.exists()
    first = store.keep_estimate("a", {"seconds": 1, "model": "näme"})
    between = datetime.now(UTC)
    second = store.keep_estimate("a", {"seconds": 2})
    store.keep_estimate("b", {})
    assert store.estimate("a") == second
    assert store.estimate("a", between) == first
    assert store.estimate("a", first.made.replace(year=2000)) is None
    assert store.runs() == []


def test_a_merge_brings_estimates_once(tmp_path: Path) -> None:
    ours, theirs = Store(tmp_path / "a.duckdb"), Store(tmp_path / "b.duckdb")
    ours.keep_estimate("a", {"seconds": 1})
    made = theirs.keep_estimate("b", {"seconds": 2})
    assert ours.merge(theirs.path)["estimates"] == 1
    assert ours.merge(theirs.path)["estimates"] == 0
    assert ours.estimate("b") == made
