"""The app's shell: Streamlit runs this file in server.py. Which pages it has, the server's settings say."""

from __future__ import annotations

import importlib
from typing import NamedTuple


class Entry(NamedTuple):
    """A page: a module of `leaderboard.pages` with a function `page`. The module is its url path too."""

    module: str
    title: str


# without icons: for a page's icon the browser would be sent to a font server
PAGES = (
    Entry("leaderboard", "Leaderboard"),
    Entry("run", "Run"),
    Entry("compare", "Compare"),
    Entry("studies", "Studies"),
    Entry("preference", "Preference"),
    Entry("rate", "Rate answers"),
)


def main() -> None:
    import streamlit as st

    from harness.errors import HarnessError
    from leaderboard.app import server_settings, state
    from leaderboard.theme import theme

    wanted = server_settings.current().pages
    shown = [entry for entry in PAGES if not wanted or entry.module in wanted]
    st.set_page_config(page_title=shown[0].title, layout="wide", menu_items={"about": None})
    theme.begin()
    pages = {
        entry.module: st.Page(
            importlib.import_module(f"leaderboard.pages.{entry.module}").page,
            title=entry.title,
            url_path=entry.module if number else None,  # the first one's is "/"
            default=number == 0,
        )
        for number, entry in enumerate(shown)
    }
    state.register(pages)
    # links name it too
    named = st.Page(_to_first, title=shown[0].title, url_path=shown[0].module, visibility="hidden")
    chosen = st.navigation([*pages.values(), named], position="top" if len(pages) > 1 else "hidden")
    try:
        chosen.run()
    except HarnessError as error:
        st.error(state.plain(str(error)))


def _to_first() -> None:
    import streamlit as st

    from leaderboard.app import state

    state.go(next(iter(state.pages())), **{name: st.query_params.get_all(name) for name in st.query_params})


if __name__ == "__main__":
    main()
