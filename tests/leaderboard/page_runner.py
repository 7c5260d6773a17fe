"""A page of ours without a browser, by its module's name."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from leaderboard import testing
from leaderboard.testing import Drawn

__all__ = ["Drawn", "draw"]


def draw(page: str, path: Path, monkeypatch: Any, /, **query: str | list[str]) -> Drawn:
    """Run a module's `page` on a store."""
    return testing.draw(importlib.import_module(f"leaderboard.pages.{page}").page, path, monkeypatch, query)
