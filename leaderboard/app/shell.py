"""The app's shell: Streamlit runs this file in server.py. Which pages it has, the server's settings say."""

from __future__ import annotations

from harness import registry
from harness.errors import HarnessError
from leaderboard.pages import Page

ORDER = ("leaderboard", "run", "compare", "studies", "preference", "rate")  # of ours, in the bar of pages


def names(wanted: tuple[str, ...] = ()) -> list[str]:
    """The pages' url paths: ours in their order, then those of other packages. `wanted`: of these only."""
    return [name for name in registry.names("pages", ORDER) if not wanted or name in wanted]


def page(name: str) -> Page:
    """A plug-in's page that cannot be loaded is one that says so."""
    try:
        loaded = registry.load("pages", name)
        if not isinstance(loaded, Page) or not callable(loaded.render):
            raise HarnessError(f"{name} is no page: a page is a leaderboard.pages.Page with a title and a function.")
    except HarnessError as error:
        sentence = str(error)

        def refuse() -> None:
            raise HarnessError(sentence)

        return Page(name, refuse)
    return Page(str(loaded.title), loaded.render)


def main() -> None:
    import streamlit as st

    from leaderboard.app import server_settings, state
    from leaderboard.theme import theme

    shown = {name: page(name) for name in names(server_settings.current().pages)}
    first, title = next((name, entry.title) for name, entry in shown.items())
    st.set_page_config(page_title=title, layout="wide", menu_items={"about": None})
    theme.begin()
    # without icons: for a page's icon the browser would be sent to a font server
    pages = {
        name: st.Page(
            entry.render,
            title=entry.title,
            url_path=name if name != first else None,  # the first one's is "/"
            default=name == first,
        )
        for name, entry in shown.items()
    }
    state.register(pages)
    # links name it too
    named = st.Page(_to_first, title=title, url_path=first, visibility="hidden")
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
