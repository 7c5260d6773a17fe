"""Who may rate: invitations, and names on this machine. The store keeps digests of secrets and no secret.

An invitation is a secret that opens the page once. Whoever brings it first gets a key of their own instead, which their
browser keeps; the invitation opens nothing from then on. So a link that is passed on is of no use.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from harness.errors import UsageError, suggest
from judges.store import Store
from judges.store.rows import JudgeRow

LONGEST_NAME = 60


def invite(store: Store, count: int) -> list[tuple[JudgeRow, str]]:
    """New raters, each with the secret of their invitation, which is stored nowhere."""
    known = {rater.name for rater in raters(store)}
    free = (name for n in range(1, len(known) + count + 1) if (name := f"rater-{n}") not in known)
    made = []
    for name, _ in zip(free, range(count), strict=False):
        secret = secrets.token_urlsafe(18)
        rater = JudgeRow(uuid.uuid4().hex, "person", name, datetime.now(UTC), token=_digest(secret))
        store.save_judge(rater)
        made.append((rater, secret))
    return made


def claim(store: Store, secret: str) -> tuple[JudgeRow, str] | None:
    """The rater of an invitation and the key that stands for them from now on; None where it opens nothing."""
    key = secrets.token_urlsafe(24)
    rater = store.claim(_digest(secret), _digest(key)) if store.exists() else None
    return None if rater is None else (rater, key)


def rater_of(store: Store, key: str) -> JudgeRow | None:
    """The rater whose invitation or own key this is; None where there is none, or it is revoked."""
    rater = store.judge_of_token(_digest(key)) if key and store.exists() else None
    return rater if rater is not None and rater.revoked is None else None


def named(store: Store, name: str) -> JudgeRow | None:
    """The rater of that name on this machine, made where there is none; None where it is revoked.

    UsageError for a name that is none, or that belongs to an invitation."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(f"A name has 1 to {LONGEST_NAME} letters.")
    # the same name is the same rater, also in another store that is merged with this one
    own = uuid.uuid5(uuid.NAMESPACE_OID, f"rater {name.casefold()}").hex
    for rater in raters(store):
        if rater.id == own:
            return None if rater.revoked else rater
        if rater.name.casefold() == name.casefold():
            raise UsageError(f"{rater.name} is an invited rater: open the invitation's link, or take another name.")
    rater = JudgeRow(own, "person", name, datetime.now(UTC))
    store.save_judge(rater)
    return rater


def revoke(store: Store, word: str) -> JudgeRow:
    """Shut a rater out, by name or the beginning of the id; their votes stay. UsageError when there is none."""
    everyone = raters(store)
    matches = [r for r in everyone if r.name == word] or [r for r in everyone if word and r.id.startswith(word)]
    if len(matches) != 1:
        near = suggest(word, [rater.name for rater in everyone])
        many = "There are several raters" if matches else "There is no rater"
        raise UsageError(f"{many} {word!r} in {store.path}.{near} `harness rate --raters` lists them.")
    store.revoke(matches[0].id)
    return matches[0]


def raters(store: Store) -> Sequence[JudgeRow]:
    return store.judges("person") if store.exists() else []


def _digest(secret: str) -> str:
    # secrets are long and random: a plain digest cannot be searched
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
