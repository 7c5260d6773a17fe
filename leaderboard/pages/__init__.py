"""The board's pages, one file each: parts by name (harness/registry.py), and the name is the url path."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Page(NamedTuple):
    """A part of the kind `harness.pages`.

    `render` is called for each view and draws with Streamlit; `leaderboard.app.server_settings.current().db` is the
    store. A HarnessError that it raises is shown as a sentence. Text of models and people is shown escaped."""

    title: str  # in the bar of pages
    render: Callable[[], None]
