"""For all tests of pages."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def main_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's test runner leaves its script as `__main__`, which other tests' worker processes would begin with."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
