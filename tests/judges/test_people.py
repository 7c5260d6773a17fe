"""Who may rate."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.store import Store
from judges import people


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "s.duckdb")


def test_an_invitation_opens_once(store):
    ((rater, secret),) = people.invite(store, 1)
    claimed, key = people.claim(store, secret)
    assert claimed.id == rater.id
    assert people.claim(store, secret) is None
    assert people.rater_of(store, secret) is None
    assert people.rater_of(store, key).id == rater.id


def test_no_secret_is_in_the_store(store):
    (_, secret), *_ = people.invite(store, 3)
    _, key = people.claim(store, secret)
    content = store.path.read_bytes()
    assert secret.encode() not in content
    assert key.encode() not in content


def test_wrong_secrets(store):
    assert people.claim(store, "x") is None  # no store yet
    assert people.rater_of(store, "x") is None
    people.invite(store, 1)
    for wrong in ("", "x", "\ud800", "a" * 10_000):
        assert people.claim(store, wrong) is None
        assert people.rater_of(store, wrong) is None
    people.named(store, "Ada")  # has no secret; the empty one is not it
    assert people.rater_of(store, "") is None


def test_revoked_before_and_after_it_was_used(store):
    (_, unused), (_, used) = people.invite(store, 2)
    _, key = people.claim(store, used)
    people.revoke(store, "rater-1")
    people.revoke(store, "rater-2")
    assert people.claim(store, unused) is None
    assert people.rater_of(store, unused) is None
    assert people.rater_of(store, key) is None


def test_invitations_have_names_of_their_own(store):
    first, second = people.invite(store, 2), people.invite(store, 2)
    assert [rater.name for rater, _ in (*first, *second)] == ["rater-1", "rater-2", "rater-3", "rater-4"]
    assert len({secret for _, secret in (*first, *second)}) == 4


def test_a_name_is_one_rater(store):
    ada = people.named(store, " Ada  Lovelace ")
    assert ada.name == "Ada Lovelace"
    assert people.named(store, "ada lovelace").id == ada.id
    assert len(people.raters(store)) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\x00b", "a\nb\x07"])
def test_what_is_no_name(store, name):
    with pytest.raises(UsageError, match="name has"):
        people.named(store, name)


def test_an_invited_raters_name_is_not_free(store):
    people.invite(store, 1)
    with pytest.raises(UsageError, match="invited"):
        people.named(store, "Rater-1")


def test_revoke_by_name(store):
    people.named(store, "Ada")
    people.revoke(store, "Ada")
    assert people.named(store, "Ada") is None
    with pytest.raises(UsageError, match="Did you mean Ada"):
        people.revoke(store, "Adda")
