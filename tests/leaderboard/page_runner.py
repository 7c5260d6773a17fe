"""A page without a browser: what it put into HTML, and the charts it showed."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leaderboard.app import server_settings

_TAG = re.compile(r"<[^>]+>")


@dataclass
class Drawn:
    """One run of a page."""

    test: Any
    charts: list[dict[str, Any]] = field(default_factory=list)
    lived: list[int] = field(default_factory=list)  # charts drawn when the page began to look for changes

    @property
    def html(self) -> str:
        return " ".join(str(element.proto.body) for element in self.test.get("html"))

    @property
    def text(self) -> str:
        return html.unescape(_TAG.sub("", self.html))

    def rows(self) -> list[list[str]]:
        """The cells' text of every table's rows, headings too."""
        found = re.findall(r"<tr[^>]*>(.*?)</tr>", self.html, flags=re.S)
        return [
            [html.unescape(_TAG.sub("", cell)) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.S)]
            for row in found
        ]

    def data(self, *fields: str) -> list[tuple[Any, ...]]:
        """These fields of all rows of all charts that have them."""
        return [tuple(row[f] for f in fields) for row in _rows(self.charts) if all(f in row for f in fields)]


def draw(page: str, path: Path, monkeypatch: Any, /, **query: str | list[str]) -> Drawn:
    """Run a module's `page` on a store."""
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    told = server_settings.Settings(str(path))
    monkeypatch.setenv(server_settings.VARIABLE, server_settings.environment(told)[server_settings.VARIABLE])
    charts: list[dict[str, Any]] = []
    # the runner knows no components, and of a chart no more than that there is one
    monkeypatch.setattr("leaderboard.html.markup.show", lambda body, key: st.html(body))
    monkeypatch.setattr("leaderboard.theme.charts.show", lambda chart, said, key=None: charts.append(chart))
    lived: list[int] = []

    def live(shown: Any) -> None:
        shown()
        lived.append(len(charts))

    monkeypatch.setattr("leaderboard.app.store_cache.live", live)
    test = AppTest.from_string(f"from leaderboard.pages.{page} import page\npage()", default_timeout=60)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception, test.exception
    return Drawn(test, charts, lived)


def _rows(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        own = value["values"] if isinstance(value.get("values"), list) else []
        return [row for row in own if isinstance(row, dict)] + [r for each in value.values() for r in _rows(each)]
    return [row for each in value for row in _rows(each)] if isinstance(value, list) else []
