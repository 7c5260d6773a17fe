"""The sample browser: what was asked, answered and scored; searched, filtered and paged in SQL, all in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from leaderboard.app import state, store_cache
from leaderboard.html import markup
from leaderboard.html.templates import macros

if TYPE_CHECKING:
    from tuning.store import Store

AT_ONCE = 10
_ALL = "all subjects"


def browse(run: str, tasks: list[str], rivals: Mapping[str, str]) -> None:
    """`rivals`: other runs that share a task, by id, and what they are called."""
    import streamlit as st

    from leaderboard.runs.sample_cards import card

    with st.container(key="browser", horizontal=True, vertical_alignment="bottom", gap="small"):
        task = state.one("Task", tasks, "task", width=180)
        groups = store_cache.read(subjects, run, task)
        group = state.one("Subject", [_ALL, *groups], "group", width=220) if len(groups) > 1 else _ALL
        other = state.one(
            "Beside", ["", *rivals], "beside", show=lambda key: rivals.get(key, "no other run"), width=240
        )
        words = state.text("Search", "find", placeholder="in prompts, responses, notes", width=220)
        wrong = state.flag("Only wrong", "wrong")
        flips = (
            state.flag("Only flips", "flips", help="Right here and wrong beside, or the reverse.") if other else False
        )
    place = st.container()
    item = state.get("item")
    chosen = (None if group == _ALL else group, wrong, words, other if flips else "", item)
    if item:
        everything = markup.link("all of them", "run", run=run, view="samples", task=task)
        markup.show(macros("sample_cards").only(item, everything), key="only")
    total = store_cache.read(counted, run, task, *chosen)
    at = state.page_number("page", -(-total // AT_ONCE))
    samples, others = store_cache.read(shown, run, task, *chosen, other, AT_ONCE * (at - 1))
    with place:
        if not samples:
            st.html(macros("shared").nothing("No sample passes these filters."))
            return
        names = ("this run", rivals.get(other, ""))
        cards = []
        for sample in samples:
            beside = others.get((sample["item"], sample["repeat"]))
            sides = [(names[0], sample), (names[1], beside)] if beside else [("", sample)]
            cards.append(card(sides))
        first = AT_ONCE * (at - 1) + 1
        count = f"{first:,} to {first + len(samples) - 1:,} of {total:,} samples"
        markup.show(macros("sample_cards").cards(count, cards), key="samples")


def subjects(store: Store, run: str, task: str) -> list[str]:
    return store.groups(run, task)


def counted(
    store: Store, run: str, task: str, group: str | None, wrong: bool, words: str, flips: str, item: str
) -> int:
    return store.count(run, task, group, wrong, item or None, words or None, flips or None)


def shown(
    store: Store,
    run: str,
    task: str,
    group: str | None,
    wrong: bool,
    words: str,
    flips: str,
    item: str,
    other: str,
    offset: int,
) -> tuple[list[dict[str, Any]], dict[tuple[str, int], dict[str, Any]]]:
    """A page of samples, and another run's samples of the same items by (item, repeat)."""
    page = store.page(run, task, group, wrong, item or None, words or None, offset, AT_ONCE, flips or None)
    beside = store.page(other, task, item=[row["item"] for row in page], limit=100 * AT_ONCE) if other and page else []
    return page, {(row["item"], row["repeat"]): row for row in beside}
