"""The rating page: two answers side by side, blind; a vote is in the store before the page says so."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, StoreError
from leaderboard.html.templates import macros
from leaderboard.pages import Page

if TYPE_CHECKING:
    from judges.people.votes import Desk, Pair
    from judges.store import Store
    from judges.store.rows import JudgeRow, Verdict

# (vote, label, key): what is said of it afterwards is the label
VOTES: tuple[tuple[Verdict, str, str], ...] = (
    ("first", "A is better", "1"),
    ("second", "B is better", "2"),
    ("tie", "Tie", "3"),
    ("bad", "Both bad", "4"),
    ("skip", "Skip", "5"),
)
UNDO = "u"
_SHUT = "This page opens with an invitation, once. This one is wrong, withdrawn, or in use in another browser."


def page() -> None:
    import streamlit as st

    desk = st.session_state.get("desk") or _enter()
    if desk is None:
        return
    _message()
    pair = desk.pair()
    if pair is None:
        _finished(desk)
        return
    _show(desk, pair)
    try:
        desk.refill()  # nobody waits now: the pairs after this one
    except StoreError:
        return  # a vote would say so


PAGE = Page("Rate answers", page)


# coming in


def _enter() -> Desk | None:
    """The desk of whoever is there; or else what lets one in, or says that nothing does."""
    import streamlit as st

    from judges.store import Store
    from leaderboard.app import server_settings
    from leaderboard.html import empty

    settings = server_settings.current()
    store = Store(settings.db)
    try:
        if not _plan(store):
            empty.no_plan(settings.db)
            return None
        rater = _known(store)
        if rater is not None:
            return _sit(store, rater)
        if "invite" in st.query_params:
            _invited(store, st.query_params["invite"])
        elif settings.names and _on_this_machine():
            _ask_name(store)
        else:
            st.info("Raters come to this page by an invitation: open the link that you were given.")
    except HarnessError as error:
        st.error(str(error))
    return None


def _plan(store: Store) -> str:
    """The plan's id: the one that the server was told of, or the newest that is open; "" where there is none."""
    from leaderboard.app import server_settings

    if chosen := server_settings.current().plan:
        return chosen
    plans = store.plans() if store.exists() else []
    return next((plan.id for plan in plans if plan.closed is None), "")


def _known(store: Store) -> JudgeRow | None:
    """The rater whose key the browser keeps."""
    from judges.people import raters

    return raters.rater_of(store, _kept(store))


def _kept(store: Store) -> str:
    import streamlit as st

    return st.session_state.get("key") or st.context.cookies.get(_cookie(store), "")


def _sit(store: Store, rater: JudgeRow) -> Desk:
    import streamlit as st

    from judges.people.votes import Desk

    desk = Desk(store, store.resolve_plan(_plan(store)), rater)
    st.session_state["desk"] = desk
    st.session_state["stored"] = ""
    if desk.last is not None:
        vote = f"{_label(desk.last.verdict)}, {desk.last.created:%d %B, %H:%M:%S} UTC"
        st.session_state["stored"] = (
            f"Welcome back. Your last vote in the store: {vote}. A later one is not stored: please vote again."
        )
    _next_key()
    return desk


def _invited(store: Store, secret: str) -> None:
    import streamlit as st

    from judges.people import raters

    if raters.rater_of(store, secret) is None:
        st.error(_SHUT)
        return
    st.subheader("Which answer is better?")
    st.markdown(
        "You will read a question and two answers, and say which one is better. Who wrote them is not shown, and"
        " which one stands on the left is left to chance. Every vote is kept at once: stop whenever you like, and go"
        " on later **in this browser**."
    )
    if st.button("Begin", type="primary", shortcut="enter"):
        claimed = raters.claim(store, secret)
        if claimed is None:
            st.error(_SHUT)
            return
        st.session_state["key"] = claimed[1]
        _sit(store, claimed[0])
        st.rerun()


def _ask_name(store: Store) -> None:
    import streamlit as st

    from judges.people import raters

    name = st.query_params.get("name", "")
    if not name:
        st.subheader("Which answer is better?")
        with st.form("who", border=False):
            name = st.text_input("Your name (the same one goes on later)", max_chars=raters.LONGEST_NAME)
            if not st.form_submit_button("Begin", type="primary"):
                return
    rater = raters.named(store, name)
    if rater is None:
        st.error("This rater may rate no more.")
        return
    st.query_params["name"] = rater.name
    _sit(store, rater)
    st.rerun()


def _on_this_machine() -> bool:
    """Not through a proxy, and not under another name than this machine's own."""
    import streamlit as st

    from leaderboard.app import server_settings

    headers = st.context.headers
    host = headers.get("Host", "").rsplit(":", 1)[0].strip("[]")
    return host in server_settings.LOCAL and not any(
        name.lower().startswith(("x-forwarded", "forwarded")) for name in headers
    )


def _cookie(store: Store) -> str:
    return f"harness_rater_{hashlib.sha256(str(Path(store.path).resolve()).encode()).hexdigest()[:8]}"


def _keep_key(store: Store) -> None:
    """Let the browser keep the rater's key; nothing else on this page runs as a script."""
    import streamlit as st

    if key := st.session_state.get("key"):
        cookie = f"{_cookie(store)}={key}; path=/; max-age=31536000; samesite=strict"
        st.html(macros("rate").keep(cookie), unsafe_allow_javascript=True)


# a pair


def _show(desk: Desk, pair: Pair) -> None:
    import streamlit as st

    from leaderboard.html import sanitize

    top = st.container()
    with st.container(key="question"):
        st.html(sanitize.question_html(pair.question))
    for column, name, turns in zip(st.columns(2), "AB", (pair.left, pair.right), strict=True):
        with column.container(border=True):
            st.html(macros("preference").answered(f"Answer {name}", sanitize.answer_html(turns)))
    with st.container(key="bar"):
        # The buttons stay the same from pair to pair: no press falls between two of them. What they do is bound to the
        # pair that was sent: a second press on its way while the first is stored is the same vote again.
        key = st.session_state["vote"]
        with st.container(horizontal=True, gap="small"):
            for verdict, label, shortcut in VOTES:
                st.button(
                    label,
                    key=verdict,
                    shortcut=shortcut,
                    type="primary" if verdict in ("first", "second") else "secondary",
                    on_click=_vote,
                    args=(desk, pair.id, verdict, key),
                )
            st.button(
                "Undo",
                key="undo",
                shortcut=UNDO,
                type="tertiary",
                disabled=desk.last is None,
                on_click=_undo,
                args=(desk,),
            )
        st.text_input(
            "Note",
            key="note",
            max_chars=2000,
            placeholder="A note to go with your vote, if you like",
            label_visibility="collapsed",
        )
        st.html(macros("rate").stored(st.session_state["stored"]))
    with top:  # last: once the count is there, the keys work
        _progress(desk)
    _keep_key(desk.store)


def _progress(desk: Desk) -> None:
    import streamlit as st

    progress = desk.progress()
    share = 100 * progress.rated / max(1, progress.asked)
    skipped = f", {progress.skipped} skipped" if progress.skipped else ""
    st.html(macros("rate").progress(f"{progress.rated} of {progress.asked} rated{skipped}", share))


def _finished(desk: Desk) -> None:
    import streamlit as st

    _progress(desk)
    st.subheader("Thank you: nothing is left to rate.")
    st.html(macros("rate").stored(st.session_state["stored"]))
    if desk.last is not None:
        st.button("Undo the last vote", shortcut=UNDO, on_click=_undo, args=(desk,))
    _keep_key(desk.store)


def _vote(desk: Desk, pair: str, verdict: Verdict, key: str) -> None:
    import streamlit as st

    try:
        counted = desk.vote(pair, verdict, key, str(st.session_state.get("note") or "").strip())
    except HarnessError as error:
        st.session_state["failed"] = f"This vote is not stored. {error}"
        return
    earlier = "" if counted.id == key else " (an earlier vote on this pair, which stays)"
    st.session_state["stored"] = f"Stored: {_label(counted.verdict)}{earlier}."
    st.session_state["note"] = ""
    _next_key()


def _undo(desk: Desk) -> None:
    import streamlit as st

    try:
        undone = desk.undo()
    except HarnessError as error:
        st.session_state["failed"] = f"Nothing was undone. {error}"
        return
    if undone:
        st.session_state["stored"] = "Undone: this pair waits for your vote again."
    _next_key()


def _next_key() -> None:
    """The name of the next vote; see `Desk.vote`."""
    import streamlit as st

    st.session_state["vote"] = uuid.uuid4().hex


def _message() -> None:
    import streamlit as st

    if failed := st.session_state.pop("failed", ""):
        st.error(failed)


def _label(verdict: str) -> str:
    return next((label for name, label, _ in VOTES if name == verdict), verdict)
