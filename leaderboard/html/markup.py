"""HTML on a page, with links that are followed inside the app: no page is loaded anew for them, and in every other way
(a new tab, the address copied) they work as links. The same HTML stands in the static site (`leaderboard.site`).

    show(macros("run").head(run, marks, tags), key="head")

A plug-in's page may make its HTML by hand: `text` and `link` escape what they are given."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from leaderboard.app import state
from leaderboard.html.templates import macros
from leaderboard.html.templates import text as text  # for plug-ins' pages

if TYPE_CHECKING:
    from markupsafe import Markup

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


def link(label: object, page: str, title: str = "", **params: str | int | Sequence[str]) -> Markup:
    """A link inside the app; `label` and `title` are any text."""
    return macros("shared").link(state.link(page, **params), str(label), title)


def show(body: str, key: str) -> None:
    """Put HTML on the page. `key` is unique on the page."""
    chosen = _component()(data=str(body), key=key, on_go_change=_nothing).go
    if chosen:
        state.follow(chosen)


def _nothing() -> None:
    """Streamlit has an attribute for each trigger that something listens to."""


@lru_cache(maxsize=1)
def _component() -> Any:
    import streamlit as st

    return st.components.v2.component("board_markup", js=_SCRIPT, isolate_styles=False)
