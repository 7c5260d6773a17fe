"""Where what a page shows comes from: the chain of `harness trace`, read when somebody opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leaderboard.html.templates import macros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from tuning.store import Store
    from tuning.trace.links import Link


class _Shown(NamedTuple):
    """A link as the template draws it. `above`: it stands above already."""

    kind: str
    name: str
    page: str
    figures: Sequence[tuple[str, bool]]  # words, and whether the store keeps another number
    missing: Sequence[str]
    command: str
    facts: Sequence[tuple[str, str]]
    above: bool
    sources: Sequence[_Shown]


def show(key: str, words: Sequence[str], opened: bool = False) -> None:
    """`words` are those of `harness trace`; `key` is unique on the page."""
    import streamlit as st

    from harness.errors import HarnessError
    from leaderboard.app import state, store_cache
    from leaderboard.html import markup

    place = st.expander("Where this is from", expanded=opened, key=key, on_change="rerun")
    if not place.open:
        return
    with place:
        try:
            link = store_cache.read(trace_of, *words)
        except HarnessError as error:
            st.markdown(state.plain(str(error)))
            return
        markup.show(tree(link), key=f"{key}-chain")


def trace_of(store: Store, *words: str) -> Link:
    from tuning.trace.naming import trace

    return trace(store, words)


def tree(link: Link) -> Markup:
    """As nested lists of HTML."""
    return macros("trace").chain(_shown(link, set()), link.differing)


def _shown(link: Link, seen: set[str]) -> _Shown:
    from tuning.trace.printing import FIGURES, fact_texts, figure_text, key_of

    key = key_of(link)
    above = key in seen
    seen.add(key)
    more = len(link.figures) - FIGURES
    figures = [(figure_text(figure), figure.agrees is False) for figure in link.figures[:FIGURES]]
    if more > 0:
        figures.append((f"… and {more} more, which the command shows with --json", False))
    page = link.page.removeprefix("/")
    if above:
        return _Shown(link.kind, link.name, page, (), (), "", (), True, ())
    sources = [_shown(source, seen) for source in link.sources]
    return _Shown(link.kind, link.name, page, figures, link.missing, link.command, fact_texts(link), False, sources)
