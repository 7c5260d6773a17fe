"""The app's shell: Streamlit runs this file in `leaderboard.server`. Which pages it has, the server's settings say."""

from __future__ import annotations

import importlib
from typing import NamedTuple


class Entry(NamedTuple):
    """A page: a module of `leaderboard.pages` with a function `page`."""

    module: str
    title: str


# without icons: for a page's icon the browser would be sent to a font server
PAGES = (Entry("rate", "Rate answers"),)


def main() -> None:
    import streamlit as st

    from leaderboard import look, server

    wanted = server.settings().pages
    shown = [entry for entry in PAGES if not wanted or entry.module in wanted]
    st.set_page_config(page_title=shown[0].title, layout="wide", menu_items={"about": None})
    look.begin()
    pages = [
        st.Page(
            importlib.import_module(f"leaderboard.pages.{entry.module}").page,
            title=entry.title,
            url_path=entry.module,
            default=number == 0,
        )
        for number, entry in enumerate(shown)
    ]
    st.navigation(pages, position="sidebar" if len(pages) > 1 else "hidden").run()


if __name__ == "__main__":
    main()
