"""The rating page without a browser: Streamlit's own test runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from judges.people import raters, votes
from leaderboard.app import server_settings
from tests.leaderboard.make import three
from tuning.store import Store


def script() -> None:
    from leaderboard.app.shell import main

    main()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return three(tmp_path / "s.duckdb", questions=3)


def app(store: Store, monkeypatch, **query: str):
    from streamlit.testing.v1 import AppTest

    plan = votes.make_plan(store, store.answer_sets())
    told = server_settings.Settings(str(store.path), ("rate",), plan.id, names=False)
    monkeypatch.setenv(server_settings.VARIABLE, server_settings.environment(told)[server_settings.VARIABLE])
    # the runner has no cookies
    monkeypatch.setattr("leaderboard.pages.rate._kept", lambda store: "")
    test = AppTest.from_function(script, default_timeout=60)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def press(test, label: str):
    return next(button for button in test.button if button.label == label).click().run()


def shown(test) -> str:
    return " ".join(str(element.proto.body) for element in test.get("html"))


def test_an_invited_rater_votes_undoes_and_ends(store, monkeypatch):
    ((_, secret),) = raters.invite(store, 1)
    test = press(app(store, monkeypatch, invite=secret), "Begin")
    assert "0 of 9 rated" in shown(test)
    for number, label in enumerate(["A is better", "B is better", "Tie", "Both bad"], 1):
        test = press(test, label)
        assert len(store.comparisons()) == number
        assert f"{number} of 9 rated" in shown(test)
        assert f"Stored: {label}." in shown(test)
    test = press(test, "Undo")
    assert len(store.comparisons()) == 3
    test = press(test, "Skip")
    for _ in range(5):
        test = press(test, "Tie")
    assert "nothing is left" in test.subheader[0].value
    verdicts = [vote.verdict for vote in store.comparisons()]
    assert verdicts == ["first", "second", "tie", "skip", *["tie"] * 5]
    assert not test.exception


def test_a_note_goes_with_its_vote_only(store, monkeypatch):
    ((_, secret),) = raters.invite(store, 1)
    test = press(app(store, monkeypatch, invite=secret), "Begin")
    test.text_input[0].set_value(" it rhymes ")
    press(press(test, "Tie"), "Tie")
    assert [vote.note for vote in store.comparisons()] == ["it rhymes", ""]


@pytest.mark.parametrize("query", [{}, {"invite": "wrong"}, {"invite": ""}, {"name": "Ada"}])
def test_without_an_invitation_there_is_nothing(store, monkeypatch, query):
    raters.invite(store, 1)
    test = app(store, monkeypatch, **query)
    assert not test.button
    assert "mill" not in shown(test)
    assert test.error or test.info


def test_a_used_and_a_revoked_invitation_open_nothing(store, monkeypatch):
    (_, used), (_, revoked) = raters.invite(store, 2)
    raters.claim(store, used)
    raters.revoke(store, "rater-2")
    for secret in (used, revoked):
        test = app(store, monkeypatch, invite=secret)
        assert not test.button
        assert "opens with an invitation, once" in test.error[0].value


def test_two_who_open_one_invitation_get_one_seat(store, monkeypatch):
    ((_, secret),) = raters.invite(store, 1)
    one, other = (app(store, monkeypatch, invite=secret) for _ in range(2))
    assert "of 9 rated" in shown(press(one, "Begin"))
    other = press(other, "Begin")
    assert "of 9 rated" not in shown(other)
    assert other.error


def test_a_vote_that_cannot_be_stored_says_so(store, monkeypatch):
    ((_, secret),) = raters.invite(store, 1)
    test = press(app(store, monkeypatch, invite=secret), "Begin")
    pair = shown(test)
    raters.revoke(store, "rater-1")
    test = press(test, "Tie")
    assert test.error[0].value.startswith("This vote is not stored.")
    assert "Stored: Tie" not in shown(test)
    assert "0 of 9 rated" in shown(test)
    assert store.comparisons() == []
    assert pair


def test_nothing_sent_says_who_wrote_what(store, monkeypatch):
    ((_, secret),) = raters.invite(store, 1)
    test = press(app(store, monkeypatch, invite=secret), "Begin")
    for _ in range(3):
        sent = repr(test.main)
        assert "secret-model" not in sent
        assert not any(each.id in sent for each in store.answer_sets())
        test = press(test, "Tie")
