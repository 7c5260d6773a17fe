"""For all tests of pages."""

from __future__ import annotations

import sys

import pytest

from leaderboard.app import store_cache


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's test runner leaves its script as `__main__`, which other tests' worker processes would begin with."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that are drawn in the test's own process see what was written at once."""
    monkeypatch.setattr(store_cache, "LONGEST", 0.0)
