"""Our pages keep the public contract; a page that breaks a sentence of it fails that sentence's test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import registry
from leaderboard import pages
from leaderboard.app import shell
from leaderboard.testing import PageContract
from tests.harness.testing.broken import fails, failures
from tests.leaderboard.hostile import hostile as hostile_store


class Ours(PageContract):
    """By name; the hostile store is one in which every kind of thing attacks."""

    def __init_subclass__(cls) -> None:
        cls.page = registry.load("pages", cls.registered)

    @pytest.fixture
    def hostile(self, tmp_path: Path) -> Path:
        return hostile_store(tmp_path / "hostile.duckdb").path


class TestLeaderboard(Ours):
    registered = "leaderboard"


class TestRun(Ours):
    registered = "run"
    queries = ({"run": "plain-model"},)


class TestCompare(Ours):
    registered = "compare"


class TestStudies(Ours):
    registered = "studies"
    queries = ({"view": "trials"},)


class TestPreference(Ours):
    registered = "preference"
    queries = ({"view": "judges"},)


class TestRate(Ours):
    registered = "rate"


def test_every_page_of_ours_is_here() -> None:
    assert {suite.registered for suite in Ours.__subclasses__()} == set(shell.ORDER)


# what can be wrong with a page


def _sound() -> None:
    import streamlit as st

    from leaderboard.app import store_cache
    from leaderboard.html import markup

    store = store_cache.store()
    names = [run.name for run in store.runs()] if store.exists() else []
    st.html("<h1>Runs</h1>" + "".join(f"<p>{markup.text(name)}</p>" for name in names))


def _takes_names_for_html() -> None:
    import streamlit as st

    from leaderboard.app import store_cache

    store = store_cache.store()
    names = [run.name for run in store.runs()] if store.exists() else []
    st.html("<h1>Runs</h1>" + "".join(f"<p>{name}</p>" for name in names))


def _needs_a_store() -> None:
    import streamlit as st

    from leaderboard.app import store_cache

    st.html(f"<h1>{store_cache.store().runs()[0].seed}</h1>")


def _shows_nothing() -> None: ...


def _makes_a_store() -> None:
    import streamlit as st

    from leaderboard.app import store_cache

    with store_cache.store().write():
        st.html("<h1>Runs</h1>")


BROKEN: dict[Callable[[], None], str] = {
    _sound: "",
    _takes_names_for_html: "test_names_are_text",
    _needs_a_store: "test_a_store_without_anything",
    _shows_nothing: "test_a_store_with_runs",
    _makes_a_store: "test_a_store_that_is_not_there",
}


@pytest.mark.parametrize("render", BROKEN, ids=lambda render: render.__name__)
def test_a_broken_page_fails(render: Callable[[], None]) -> None:
    suite = type("Contract", (PageContract,), {"page": pages.Page("Broken", render)})
    assert fails(suite, BROKEN[render]) if BROKEN[render] else not failures(suite)
