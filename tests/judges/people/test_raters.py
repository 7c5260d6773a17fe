"""Who may rate."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from judges.people import raters
from judges.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "s.duckdb")


def test_an_invitation_opens_once(store):
    ((rater, secret),) = raters.invite(store, 1)
    claimed, key = raters.claim(store, secret)
    assert claimed.id == rater.id
    assert raters.claim(store, secret) is None
    assert raters.rater_of(store, secret) is None
    assert raters.rater_of(store, key).id == rater.id


def test_no_secret_is_in_the_store(store):
    (_, secret), *_ = raters.invite(store, 3)
    _, key = raters.claim(store, secret)
    content = store.path.read_bytes()
    assert secret.encode() not in content
    assert key.encode() not in content


def test_wrong_secrets(store):
    assert raters.claim(store, "x") is None  # no store yet
    assert raters.rater_of(store, "x") is None
    raters.invite(store, 1)
    for wrong in ("", "x", "\ud800", "a" * 10_000):
        assert raters.claim(store, wrong) is None
        assert raters.rater_of(store, wrong) is None
    raters.named(store, "Ada")  # has no secret; the empty one is not it
    assert raters.rater_of(store, "") is None


def test_revoked_before_and_after_it_was_used(store):
    (_, unused), (_, used) = raters.invite(store, 2)
    _, key = raters.claim(store, used)
    raters.revoke(store, "rater-1")
    raters.revoke(store, "rater-2")
    assert raters.claim(store, unused) is None
    assert raters.rater_of(store, unused) is None
    assert raters.rater_of(store, key) is None


def test_invitations_have_names_of_their_own(store):
    first, second = raters.invite(store, 2), raters.invite(store, 2)
    assert [rater.name for rater, _ in (*first, *second)] == ["rater-1", "rater-2", "rater-3", "rater-4"]
    assert len({secret for _, secret in (*first, *second)}) == 4


def test_a_name_is_one_rater(store):
    ada = raters.named(store, " Ada  Lovelace ")
    assert ada.name == "Ada Lovelace"
    assert raters.named(store, "ada lovelace").id == ada.id
    assert len(raters.raters(store)) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\x00b", "a\nb\x07"])
def test_what_is_no_name(store, name):
    with pytest.raises(UsageError, match="name has"):
        raters.named(store, name)


def test_an_invited_raters_name_is_not_free(store):
    raters.invite(store, 1)
    with pytest.raises(UsageError, match="invited"):
        raters.named(store, "Rater-1")


def test_revoke_by_name(store):
    raters.named(store, "Ada")
    raters.revoke(store, "Ada")
    assert raters.named(store, "Ada") is None
    with pytest.raises(UsageError, match="Did you mean Ada"):
        raters.revoke(store, "Adda")
