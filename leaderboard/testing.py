"""The contract suite of a page (`leaderboard.pages.Page`): see `harness.testing`, which says how suites are called.
pytest is needed. `draw` runs a page without a browser and is of use in other tests of pages too."""

from __future__ import annotations

import html
import re
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from harness.testing.registered import Registered
from leaderboard.app import server_settings

if TYPE_CHECKING:
    from leaderboard.pages import Page
    from tuning.store import Store

_TAG = re.compile(r"<[^>]+>")
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script> {{7*7}} [click](javascript:alert(3)) \x00\u202e'
_drawn: Callable[[], None] | None = None  # Streamlit's runner takes a script and no function


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

    @property
    def elements(self) -> list[Any]:
        """Whatever stands on the page, without the blocks that it stands in."""
        from streamlit.testing.v1.element_tree import Element

        return [node for node in self.test.main if isinstance(node, Element)]

    def rows(self) -> list[list[str]]:
        """The cells' text of every table's rows, headings too."""
        rows = re.findall(r"<tr[^>]*>(.*?)</tr>", self.html, flags=re.S)
        return [
            [html.unescape(_TAG.sub("", cell)) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.S)]
            for row in rows
        ]

    def data(self, *fields: str) -> list[tuple[Any, ...]]:
        """These fields of all rows of all charts that have them."""
        return [tuple(row[f] for f in fields) for row in _rows(self.charts) if all(f in row for f in fields)]


def draw(
    render: Callable[[], None],
    db: Path,
    monkeypatch: pytest.MonkeyPatch,
    query: Mapping[str, str | list[str]] | None = None,
) -> Drawn:
    """Run a page on a store, with this in its address. What it raises fails the test."""
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    from leaderboard.app import store_cache

    for name, value in server_settings.environment(server_settings.Settings(str(db))).items():
        monkeypatch.setenv(name, value)
    # Streamlit's runner leaves its script as `__main__`, with which other processes of Python would begin
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(store_cache, "LONGEST", 0.0)  # what was written is seen at once
    charts: list[dict[str, Any]] = []
    # the runner knows no components, and of a chart no more than that there is one
    monkeypatch.setattr("leaderboard.html.markup.show", lambda body, key: st.html(body))
    monkeypatch.setattr("leaderboard.theme.charts.show", lambda chart, description, key=None: charts.append(chart))
    lived: list[int] = []

    def live(shown: Any) -> None:
        shown()
        lived.append(len(charts))

    monkeypatch.setattr(store_cache, "live", live)
    monkeypatch.setattr(f"{__name__}._drawn", render)
    test = AppTest.from_string(f"import {__name__} as suite\nsuite._drawn()", default_timeout=60)
    for key, wanted in (query or {}).items():
        test.query_params[key] = wanted
    test.run()
    assert not test.exception, test.exception
    return Drawn(test, charts, lived)


class PageContract(Registered):
    """A subclass sets

    page        the Page that the entry point names
    queries     addresses that it knows, for example ({"task": "mmlu"},); each is drawn

    and may override the fixtures `filled` and `hostile` with stores in which the page has more to show."""

    kind = "pages"
    page: ClassVar[Page]
    queries: ClassVar[tuple[Mapping[str, str], ...]] = ()

    @property
    def part(self) -> Any:
        return type(self).page

    @pytest.fixture
    def filled(self, tmp_path: Path) -> Path:
        """Two finished runs of one task."""
        return stored(tmp_path / "filled.duckdb", ("plain-model", "better-model")).path

    @pytest.fixture
    def hostile(self, tmp_path: Path) -> Path:
        """The same, and whatever has a name attacks the page that shows it."""
        return stored(tmp_path / "hostile.duckdb", (HOSTILE, f"{HOSTILE} 2"), HOSTILE).path

    def test_it_has_a_title(self) -> None:
        assert isinstance(self.page.title, str)
        assert self.page.title.strip() == self.page.title != ""
        assert callable(self.page.render)

    def test_a_store_that_is_not_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The page says so in words, and makes no file."""
        path = tmp_path / "none.duckdb"
        for query in ({}, *self.queries):
            assert draw(type(self).page.render, path, monkeypatch, query).elements, "the page is empty"
        assert not path.exists()

    def test_a_store_without_anything(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from tuning.store import Store

        with Store(tmp_path / "empty.duckdb").write():
            pass
        for query in ({}, *self.queries):
            drawn = draw(type(self).page.render, tmp_path / "empty.duckdb", monkeypatch, query)
            assert drawn.elements, "the page is empty"

    def test_a_store_with_runs(self, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = filled.read_bytes()
        for query in ({}, *self.queries):
            assert draw(type(self).page.render, filled, monkeypatch, query).elements, "the page is empty"
        assert filled.read_bytes() == before, "looking at a page changes nothing"

    def test_an_address_that_makes_no_sense(self, filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for value in ("no such thing", "", "-1", HOSTILE.replace("\x00", "")):
            names = {name for query in self.queries for name in query} or {"run"}
            drawn = draw(type(self).page.render, filled, monkeypatch, dict.fromkeys(names, value))
            _check_escaped(drawn)

    def test_names_are_text(self, hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a person or a model has written is shown, and never taken for HTML."""
        for query in ({}, *self.queries):
            _check_escaped(draw(type(self).page.render, hostile, monkeypatch, query))


def _check_escaped(drawn: Drawn) -> None:
    markdown = [element.proto.body for element in drawn.test.get("markdown") if element.proto.allow_html]
    for body in (drawn.html, *markdown):
        for tag in ("<img", "<script", "<svg"):
            assert tag not in body, (
                f"{tag} of somebody's text has come into the page: escape it (leaderboard.html.markup.text)"
            )


def stored(path: Path, models: tuple[str, ...], text: str = "a text") -> Store:
    """A store with a finished run of each model on one task of four items, half of them right; answers, warnings and
    tags are `text`."""
    from harness.results import ResponseRow, RunRow, SampleRow, ScoreRow, TaskRow
    from tuning.store import Store

    store, moment = Store(path), datetime(2026, 1, 1, tzinfo=UTC)
    for number, model in enumerate(models):
        run, digest = uuid.uuid4().hex, uuid.uuid4().hex
        row = RunRow(
            id=run, identity=digest * 2, name=model, status="finished", partial=False, model=model, model_digest=digest,
            base_digest="", backend="transformers", device="cpu", dtype="float32", seed=0, created=moment,
            finished=moment, command="harness run", warnings=(text,),
        )  # fmt: skip
        task = TaskRow(run, "mmlu", "standard", "2", "acc", "sample", "d" * 64, 5, False, {}, 4)
        store.create(row, [task])
        store.tag(run, text)
        items = [f"nature/{n}" for n in range(4)]
        responses = [
            ResponseRow(run=run, task="mmlu", item=item, repeat=0, part=0, kind="choice", shared=text, own=text,
                        options=(" A", " B"), text=text, logprobs=(-0.5, -1.5), greedy=(True, False))
            for item in items
        ]  # fmt: skip
        samples = [
            SampleRow(run=run, task="mmlu", item=item, repeat=0, group="nature", cluster="", answer=text, expected=text,
                      metrics={"acc": float((n + number) % 2)}, note=text)
            for n, item in enumerate(items)
        ]  # fmt: skip
        store.record(run, responses, samples)
        store.save_scores(
            run,
            [
                ScoreRow(run, "mmlu", group, "standard", "acc", 0.5, 0.15, 0.85, 4, "wilson")
                for group in ("all", "nature")
            ],
        )
    return store


def _rows(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        own = value["values"] if isinstance(value.get("values"), list) else []
        return [row for row in own if isinstance(row, dict)] + [r for part in value.values() for r in _rows(part)]
    return [row for part in value for row in _rows(part)] if isinstance(value, list) else []
