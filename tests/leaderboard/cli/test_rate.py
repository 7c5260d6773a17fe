"""`harness rate` without its server."""

from __future__ import annotations

import socket

import pytest

from judges.people import raters
from tests.harness.runs import cli, json_of
from tests.leaderboard.make import answered, three
from tuning.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return three(tmp_path / "s.duckdb", questions=4)


@pytest.fixture
def taken():
    """A port on which somebody serves."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        yield held.getsockname()[1]


def test_invitations_are_links_and_the_server_that_runs_goes_on(store, taken):
    links = json_of("rate", "--invite", 2, "--port", taken, "--db", store.path)["invitations"]
    assert [link["rater"] for link in links] == ["rater-1", "rater-2"]
    address, secret = links[0]["link"].split("/?invite=")
    assert address == f"http://127.0.0.1:{taken}"
    assert raters.claim(store, secret)[0].name == "rater-1"


def test_links_as_raters_see_the_page(store, taken):
    _, out, _ = cli("rate", "--invite", 1, "--port", taken, "--url", "https://rate.test/", "--db", store.path)
    assert "rater-1  https://rate.test/?invite=" in out


def test_revoke_and_list(store):
    raters.invite(store, 1)
    raters.named(store, "Ada")
    code, out, _ = cli("rate", "--revoke", "rater-1", "--db", store.path)
    assert code == 0
    assert "rater-1 may rate no more" in out
    rows = {row["rater"]: row for row in json_of("rate", "--raters", "--db", store.path)["raters"]}
    assert rows["rater-1"]["revoked"]
    assert rows["Ada"] == {"rater": "Ada", "votes": 0, "invited": False, "revoked": None}
    assert "by name" in cli("rate", "--raters", "--db", store.path)[1]


@pytest.mark.parametrize(
    ("words", "invited", "names"),
    [
        ((), False, True),
        ((), True, False),
        (("--url", "https://x.test"), False, False),
        (("--host", "0.0.0.0"), False, 0),
    ],
)
def test_who_may_come_by_a_name(store, monkeypatch, words, invited, names):
    told = []
    monkeypatch.setattr("leaderboard.app.server.serve", lambda settings, *rest: told.append(settings))
    if invited:
        raters.invite(store, 1)
    assert cli("rate", *words, "--db", store.path)[0] == 0
    assert told[0].names == bool(names)
    assert told[0].pages == ("rate",)


def test_a_port_that_is_taken(store, taken):
    code, _, errors = cli("rate", "--port", taken, "--db", store.path)
    assert code == 2
    assert "in use" in errors


def test_a_plan_by_name_goes_on(store, taken):
    cli("rate", "--plan", "mine", "--each", 3, "--sample", 2, "--ratings", 2, "--port", taken, "--db", store.path)
    (plan,) = store.plans()
    assert (plan.name, plan.ratings, plan.config["each"], len(plan.config["questions"])) == ("mine", 2, 3, 2)
    cli("rate", "--plan", "mine", "--port", taken, "--db", store.path)
    assert len(store.plans()) == 1
    cli("rate", "--models", "secret-model-alpha", "secret-model-beta", "--port", taken, "--db", store.path)
    assert len(store.plans()) == 2
    assert len(store.plans()[0].answer_sets) == 2


def test_nothing_to_rate(tmp_path):
    code, _, errors = cli("rate", "--db", tmp_path / "none.duckdb")
    assert code == 5
    one = answered(tmp_path / "one.duckdb", {"a": ["x"]})
    code, _, errors = cli("rate", "--db", one.path)
    assert code == 2
    assert "harness answer" in errors
    code, _, errors = cli("rate", "--models", "b", "--db", one.path)
    assert code == 2


def test_two_prompt_sets_have_to_be_told_apart(tmp_path):
    store = answered(tmp_path / "s.duckdb", {"a": ["x"], "b": ["y"]}, ["one"])
    answered(tmp_path / "s.duckdb", {"c": ["x"]}, ["two"])
    code, _, errors = cli("rate", "--db", store.path)
    assert code == 2
    assert "several prompt sets" in errors
