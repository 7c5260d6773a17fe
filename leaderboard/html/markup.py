"""HTML of our own making on a page: tables, cards, marks. Values come in through `text`, and nothing else does.

    show(f'<p>{text(model)} {link("its run", "run", run=run_id)}</p>', key="intro")

Links inside the app are followed without loading the page anew, and work as links in every other way (a new tab, the
address copied). The same strings stand in the static site (`leaderboard.site`)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from leaderboard.app import state
from leaderboard.html import sanitize

_SCRIPT = """
// On its way to another page Streamlit makes two entries of the browser's history, the new state on the old page and
// then the new page. Of a link that is one step, so that Back leads to the page as it was.
function watched() {
  const trip = { away: false, half: false };
  const push = history.pushState.bind(history);
  history.pushState = (state, title, address) => {
    const moves = new URL(address, location).pathname !== location.pathname;
    if (moves && trip.half) history.replaceState(state, title, address);
    else push(state, title, address);
    trip.half = trip.away && !moves;
    trip.away &&= !moves;
  };
  return trip;
}
const trip = (window.boardTrip ??= watched());

export default function ({ data, parentElement, setTriggerValue }) {
  let root = parentElement.querySelector(".markup");
  if (!root) {
    root = document.createElement("div");
    root.className = "markup";
    parentElement.appendChild(root);
    root.addEventListener("click", (event) => {
      const anchor = event.target.closest("a");
      if (!anchor || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      const path = new URL(anchor.href).pathname.replace(/\\/leaderboard$/, "/"); // where the first page stands
      trip.away = path !== location.pathname;
      setTriggerValue("go", anchor.getAttribute("href"));
    });
  }
  if (root.held !== data) {
    root.held = data;
    root.innerHTML = data;
  }
}
"""


def text(value: object, most: int = 2000) -> str:
    """Any text as HTML that is nothing but text; past `most` characters it is cut, with an ellipsis."""
    shown = sanitize.visible(str(value))
    return html.escape(shown if len(shown) <= most else shown[: most - 1] + "…")


def link(label: object, page: str, title: str = "", **params: str | int | Sequence[str]) -> str:
    """A link inside the app; `label` and `title` are any text."""
    hint = f' title="{text(title)}"' if title else ""
    return f'<a href="{html.escape(state.link(page, **params))}"{hint}>{text(label)}</a>'


def show(body: str, key: str) -> None:
    """Put HTML on the page. `key` is unique on the page."""
    chosen = _component()(data=body, key=key, on_go_change=_nothing).go
    if chosen:
        state.follow(chosen)


def _nothing() -> None:
    """Streamlit has an attribute for each trigger that something listens to."""


@lru_cache(maxsize=1)
def _component() -> Any:
    import streamlit as st

    return st.components.v2.component("board_markup", js=_SCRIPT, isolate_styles=False)
