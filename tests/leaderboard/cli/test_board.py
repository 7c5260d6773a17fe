"""`harness board` without its server, and its shell."""

from __future__ import annotations

import socket

import pytest

from judges.people import raters
from leaderboard.app import server, server_settings
from leaderboard.app.shell import names
from tests.harness.plugged import forget, install
from tests.harness.results import make
from tests.harness.runs import cli
from tests.leaderboard.make import three
from tuning.store import Store


@pytest.fixture
def served(monkeypatch):
    """What the server is told; it is not started."""
    told = []

    def serve(settings, host, port, ready):
        told.append((settings, host, port))
        ready()

    monkeypatch.setattr(server, "serve", serve)
    return told


def test_it_serves_all_pages_on_loopback(tmp_path, served):
    code, _, said = cli("board", "--db", tmp_path / "none.duckdb", "--port", 8123)
    assert code == 0
    ((settings, host, port),) = served
    assert settings == server_settings.Settings(str(tmp_path / "none.duckdb"), names=True)
    assert (host, port) == ("127.0.0.1", 8123)
    assert "http://127.0.0.1:8123" in said
    assert "whole store" not in said


def test_another_address_only_when_asked_and_with_a_warning(tmp_path, served):
    _, _, said = cli("board", "--db", tmp_path / "none.duckdb", "--host", "0.0.0.0")
    assert served[0][1] == "0.0.0.0"
    assert not served[0][0].names
    assert "Whoever reaches this address reads the whole store." in said


def test_invitations_shut_names_out(tmp_path, served):
    store = three(tmp_path / "s.duckdb", questions=2)
    raters.invite(store, 1)
    cli("board", "--db", store.path)
    assert not served[0][0].names


def test_a_taken_port_is_an_error_with_a_way_out(tmp_path):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        code, _, said = cli("board", "--db", tmp_path / "none.duckdb", "--port", port)
    assert code == 2
    assert "choose another with --port" in said


def test_export_writes_a_site_and_ends(tmp_path, served):
    store = Store(tmp_path / "s.duckdb")
    make.stored(store)
    code, out, said = cli("board", "--db", store.path, "--export", tmp_path / "site")
    assert code == 0, said
    assert served == []
    assert (tmp_path / "site" / "index.html").exists()
    assert str(tmp_path / "site") in out


def shell() -> None:
    from leaderboard.app.shell import main

    main()


def test_every_page_has_an_address_and_the_first_is_the_leaderboard(tmp_path, monkeypatch):
    from streamlit.testing.v1 import AppTest

    assert names() == ["leaderboard", "run", "compare", "studies", "preference", "rate"]
    told = server_settings.Settings(str(tmp_path / "none.duckdb"), names=True)
    monkeypatch.setenv(server_settings.VARIABLE, server_settings.environment(told)[server_settings.VARIABLE])
    test = AppTest.from_function(shell, default_timeout=60).run()
    assert not test.exception
    assert any("Leaderboard" in str(each.proto.body) for each in test.get("html"))


def test_plugins_bring_pages_and_a_broken_one_is_a_sentence(tmp_path, monkeypatch, plugged):
    from streamlit.testing.v1 import AppTest

    bad = {"broken": "no_such_module:PAGE", "odd": "plugged_page:Page"}
    install(plugged, "broken-plugin", {"pages": bad})
    forget()
    assert names()[-3:] == ["broken", "hello", "odd"]
    shown = {}
    for name in names()[-3:]:
        told = server_settings.Settings(str(tmp_path / "none.duckdb"), pages=(name,))
        monkeypatch.setenv(server_settings.VARIABLE, server_settings.environment(told)[server_settings.VARIABLE])
        test = AppTest.from_function(shell, default_timeout=60).run()
        assert not test.exception
        shown[name] = " ".join(each.value for each in (*test.markdown, *test.error)).replace("\\", "")
    assert "a page of a plug-in" in shown["hello"]
    assert "no_such_module" in shown["broken"]
    assert "odd is no page" in shown["odd"]


def test_an_error_is_a_sentence_on_the_page(tmp_path, monkeypatch):
    from streamlit.testing.v1 import AppTest

    path = tmp_path / "not-a-store.duckdb"
    path.write_text("this is no database, but it is long enough to be looked at " * 100)
    told = server_settings.Settings(str(path))
    monkeypatch.setenv(server_settings.VARIABLE, server_settings.environment(told)[server_settings.VARIABLE])
    test = AppTest.from_function(shell, default_timeout=60).run()
    assert not test.exception
    assert "is not a DuckDB file" in test.error[0].value.replace("\\", "")
