"""Cached reads, and the page's state in its address."""

from __future__ import annotations

import threading
import time

import pytest

from harness.errors import StoreError
from harness.store import connection
from leaderboard.app import server_settings, state, store_cache
from tests.harness.results import make
from tuning.store import Store

asked: list[object] = []
LONGEST = store_cache.LONGEST  # before the fixture of all tests


def names(store: Store, ending: str = "") -> list[str]:
    asked.append(ending)
    return [run.name + ending for run in store.runs()]


def slow(store: Store) -> int:
    asked.append("slow")
    time.sleep(0.2)
    return len(asked)


def failing(store: Store) -> None:
    asked.append("failing")
    raise StoreError("no")


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    asked.clear()
    path = tmp_path / "s.duckdb"
    monkeypatch.setenv(
        server_settings.VARIABLE,
        server_settings.environment(server_settings.Settings(str(path)))[server_settings.VARIABLE],
    )
    made = Store(path)
    made.create(make.run(name="first"), [])
    return made


def test_a_result_is_kept_until_the_file_changes(store):
    assert store_cache.read(names) == store_cache.read(names) == ["first"]
    assert asked == [""]
    store.create(make.run(name="second"), [])
    assert set(store_cache.read(names)) == {"first", "second"}
    assert len(asked) == 2


def test_other_arguments_are_other_results(store):
    assert store_cache.read(names, "!") == ["first!"]
    assert store_cache.read(names, ending="?") == ["first?"]
    assert store_cache.read(names) == ["first"]


def test_what_is_settled_is_kept_when_the_file_changes_and_not_when_it_is_another(store):
    store_cache.settled(names, " settled")
    store.create(make.run(name="second"), [])
    assert store_cache.settled(names, " settled") == ["first settled"]
    store.path.rename(store.path.with_name("old"))
    other = Store(store.path)
    other.create(make.run(name="another"), [])
    assert store_cache.settled(names, " settled") == ["another settled"]


def test_who_comes_second_waits_for_the_first(store):
    found: list[int] = []
    readers = [threading.Thread(target=lambda: found.append(store_cache.read(slow))) for _ in range(4)]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    assert asked == ["slow"]
    assert found == [1] * 4


def test_an_error_is_not_kept(store):
    for _ in range(2):
        with pytest.raises(StoreError):
            store_cache.read(failing)
    assert asked == ["failing"] * 2


def test_closures_would_share_a_name(store):
    with pytest.raises(ValueError, match="lambda"):
        store_cache.read(lambda store: 1)


def test_results_are_bounded(store):
    kept = store_cache._Kept(3)
    for number in range(5):
        kept.get((), names, (str(number),), {})
    kept.get((), names, ("4",), {})
    assert asked == ["0", "1", "2", "3", "4"]
    kept.get((), names, ("0",), {})
    assert asked[-1] == "0"


def test_a_store_that_is_not_there_has_a_stamp(tmp_path, monkeypatch):
    told = server_settings.Settings(str(tmp_path / "none.duckdb"))
    monkeypatch.setenv(server_settings.VARIABLE, server_settings.environment(told)[server_settings.VARIABLE])
    assert store_cache.stamp() == ((0, 0, 0), (0, 0, 0))


# how often the file is looked at


class Clock:
    """The time that `reading` sees; `counted` takes `cost` seconds of it."""

    now, cost = 1000.0, 0.0


@pytest.fixture
def clock(monkeypatch) -> Clock:
    made = Clock()
    for module in (store_cache, connection):
        monkeypatch.setattr(module, "monotonic", lambda: made.now)
    monkeypatch.setattr(store_cache, "LONGEST", LONGEST)
    return made


def counted(store: Store, clock: Clock) -> int:
    with store.read():
        clock.now += clock.cost
    clock.now += 100  # what is done with it is nobody's wait
    return len(store.runs())


@pytest.mark.parametrize(
    ("cost", "wait"),
    [
        pytest.param(0.01, store_cache.LEAST, id="quick reads: every second"),
        pytest.param(0.3, 6.0, id="slower: a twentieth of the time"),
        pytest.param(5.0, LONGEST, id="slow: a quarter of a minute"),
    ],
)
def test_reading_has_the_store_a_twentieth_of_the_time(store, clock, monkeypatch, cost, wait):
    monkeypatch.setattr(store_cache, "_looks", {})
    clock.cost = cost
    begin = clock.now
    assert store_cache.read(counted, clock) == 1
    store.create(make.run(name="second"), [])
    clock.now = begin + wait - 0.001
    assert store_cache.read(counted, clock) == 1
    clock.now = begin + wait
    assert store_cache.read(counted, clock) == 2


# live


def test_a_page_is_drawn_anew_only_when_what_it_shows_has_changed(store, monkeypatch):
    """The fragment's own timer is a browser's; here it is called."""
    import streamlit as st

    watched = []
    monkeypatch.setattr(st, "fragment", lambda function, run_every: watched.append(function) or function)
    drawn = []
    monkeypatch.setattr(st, "rerun", lambda: drawn.append(1))
    store_cache.live(lambda: tuple(run.name for run in store_cache.read(Store.runs)))
    (watch,) = watched
    watch()
    assert drawn == []
    store.tag(store.runs()[0].id, "a tag")  # the file changes, the names do not
    watch()
    assert drawn == []
    store.create(make.run(name="second"), [])
    watch()
    assert drawn == [1]


# the address


def script() -> None:
    import streamlit as st

    from leaderboard.app import state

    st.session_state["got"] = {
        "one": state.one("One", ["a", "b", "c"], "one"),
        "many": state.many("Many", ["x", "y"], "many", default=["x"]),
        "flag": state.flag("Flag", "flag"),
        "text": state.text("Text", "text"),
        "page": state.page_number("page", 4),
    }


def drawn(**query):
    from streamlit.testing.v1 import AppTest

    test = AppTest.from_function(script, default_timeout=60)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def test_without_an_address_there_are_the_defaults():
    test = drawn()
    assert test.session_state["got"] == {"one": "a", "many": ["x"], "flag": False, "text": "", "page": 1}
    assert dict(test.query_params) == {}


def test_the_address_says_what_is_shown():
    test = drawn(one="c", many=["y", "x"], flag="1", text="words & more", page="3")
    assert test.session_state["got"] == {
        "one": "c",
        "many": ["y", "x"],
        "flag": True,
        "text": "words & more",
        "page": 3,
    }


@pytest.mark.parametrize(
    "query", [{"one": "nonsense"}, {"page": "99999999999999999999"}, {"page": "-1"}, {"page": "x"}]
)
def test_nonsense_in_the_address_is_passed_over(query):
    got = drawn(**query).session_state["got"]
    assert got["one"] == "a"
    assert got["page"] in (1, 4)


def test_a_widget_changes_the_address_and_begins_at_the_first_page():
    test = drawn(page="3")
    test.selectbox[0].set_value("b").run()
    assert test.query_params["one"] == "b"
    assert "page" not in test.query_params
    assert test.session_state["got"]["one"] == "b"
    test.selectbox[0].set_value("a").run()
    assert "one" not in test.query_params
    test.multiselect[0].set_value([]).run()
    assert test.session_state["got"]["many"] == []
    test.run()
    assert test.session_state["got"]["many"] == []


def test_links_hold_any_text():
    from urllib.parse import parse_qs, urlsplit

    address = state.link("run", run="a&b=c#d", task=["x", "y"], empty="")
    parts = urlsplit(address)
    assert parts.path == "run"
    assert parse_qs(parts.query) == {"run": ["a&b=c#d"], "task": ["x", "y"]}
    assert state.link("run") == "run"


@pytest.mark.parametrize(
    "address", ["https://elsewhere.test/run", "//elsewhere.test/run", "nowhere", "javascript:alert(1)"]
)
def test_addresses_of_another_kind_lead_nowhere(address, monkeypatch):
    import streamlit as st

    monkeypatch.setattr(state, "pages", lambda: {"run": "the page"})
    gone = []
    monkeypatch.setattr(st, "switch_page", lambda page, query_params: gone.append((page, query_params)))
    state.follow(address)
    assert gone == []
    state.follow("run?run=1")
    assert gone == [("the page", [("run", "1")])]


def test_labels_show_text_as_it_is():
    assert state.plain("**b** [x](y) $z$ :red[r]") == r"\*\*b\*\* \[x\]\(y\) \$z\$ \:red\[r\]"
