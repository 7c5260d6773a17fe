"""The state of a page is its address: every view is a link that can be sent to a colleague.

    task = state.one("Task", ["mmlu", "bbh"], "task")        # ?task=bbh; the first option where there is none
    only = state.flag("Only wrong", "wrong")                 # ?wrong=1
    state.link("run", run=run_id, task=["mmlu", "bbh"])      # "run?run=…&task=mmlu&task=bbh", for an href
    state.go("run", run=run_id)                              # there, at once

Each widget below has a name in the address and stands there only while it differs from its default. What the address
says is what the widget shows: an option that is not among `options` is passed over. Labels are Markdown, so they are
ours; options are shown as text by Streamlit where this module passes them (select boxes), and pills and segmented
controls escape them here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl, urlencode, urlsplit

from harness.store import codec
from leaderboard.html.templates import visible

if TYPE_CHECKING:
    from leaderboard.compat import StreamlitPage

_PAGES = "board pages"  # in the session's state: url path to Streamlit's page
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=&])")


# addresses


def get(name: str, default: str = "") -> str:
    """What the address says under a name; the last of several."""
    import streamlit as st

    return codec.decode(st.query_params.get(name, default))


def get_all(name: str) -> list[str]:
    import streamlit as st

    return [codec.decode(value) for value in st.query_params.get_all(name)]


def put(name: str, value: str | Sequence[str], default: str | Sequence[str] = "") -> None:
    """Change the address; the default is left out."""
    import streamlit as st

    if value == default:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = _encoded(value)


def link(page: str, /, **params: str | int | Sequence[str]) -> str:
    """A relative address of a page, by its url path, with its state; what is "" or None is left out. Not escaped:
    templates do that."""
    kept = {name: _encoded(value) for name, value in params.items() if value not in ("", None, [], ())}
    return f"{page}?{urlencode(kept, doseq=True)}" if kept else page


def here(page: str, /, **changes: str | int | Sequence[str] | None) -> str:
    """This page's own address with changes; None takes a name out."""
    import streamlit as st

    now: dict[str, Any] = {name: st.query_params.get_all(name) for name in st.query_params}
    return link(page, **{**now, **changes})


def register(shown: dict[str, StreamlitPage]) -> None:
    """The app's pages of this session, by url path."""
    import streamlit as st

    st.session_state[_PAGES] = shown


def pages() -> dict[str, StreamlitPage]:
    """Those that this server shows, the first one first; by url path."""
    import streamlit as st

    registered: dict[str, StreamlitPage] = st.session_state.get(_PAGES, {})
    return registered


def follow(address: str) -> None:
    """Go where `link` leads. An address of another kind, or of a page that this server does not show, leads nowhere."""
    import streamlit as st

    parts = urlsplit(address)
    page = pages().get(parts.path)
    if page is not None and not parts.netloc:
        st.switch_page(page, query_params=parse_qsl(parts.query))


def go(page: str, /, **params: str | int | Sequence[str]) -> NoReturn:
    import streamlit as st

    follow(link(page, **params))
    st.stop()


# widgets


def one(
    label: str,
    options: Sequence[str],
    name: str,
    *,
    default: str | None = None,
    show: Callable[[str], str] = str,
    tabs: bool = False,
    **more: Any,
) -> str:
    """One of the options (the first is the default) in a select box, or with `tabs` side by side."""
    import streamlit as st

    usual = options[0] if default is None else default
    given = get(name, usual)
    key = _set(name, given if given in options else usual)
    pushed: dict[str, Any] = {"key": key, "on_change": _push, "args": (name, usual)}
    if tabs:
        return st.segmented_control(
            label, options, format_func=lambda option: plain(show(option)), required=True, **pushed, **more
        )
    return st.selectbox(label, options, format_func=lambda option: _shown(show(option)), **pushed, **more)


def many(
    label: str,
    options: Sequence[str],
    name: str,
    *,
    default: Sequence[str] = (),
    show: Callable[[str], str] = str,
    **more: Any,
) -> list[str]:
    """Any of the options, in the order of choice."""
    import streamlit as st

    asked = get_all(name)
    given = [option for option in dict.fromkeys(asked) if option in options] if asked else list(default)
    key = _set(name, given)
    shown: dict[str, Any] = {"format_func": lambda option: _shown(show(option))}
    return st.multiselect(label, options, key=key, on_change=_push, args=(name, list(default)), **shown, **more)


def flag(label: str, name: str, *, default: bool = False, **more: Any) -> bool:
    import streamlit as st

    key = _set(name, get(name, "1" if default else "0") == "1")
    return st.toggle(label, key=key, on_change=_push, args=(name, default), **more)


def text(label: str, name: str, **more: Any) -> str:
    import streamlit as st

    key = _set(name, get(name))
    return str(st.text_input(label, key=key, on_change=_push, args=(name, ""), **more) or "")


def page_number(name: str, pages: int, **more: Any) -> int:
    """Which of so many pages, from 1."""
    import streamlit as st

    given = get(name, "1")
    key = _set(name, min(int(given), pages) if given.isascii() and given.isdigit() and int(given) > 0 else 1)
    if pages < 2:
        return 1
    return int(st.pagination(pages, key=key, on_change=_push, args=(name, 1), **more))


def plain(text: str) -> str:
    """Text for a label that Streamlit reads as Markdown: shown as it is, on one line."""
    return _MARKDOWN.sub(r"\\\1", visible(" ".join(text.split())))


def _shown(text: str) -> str:
    """An option of a select box, which shows text as text."""
    return visible(text)


def _encoded(value: Any) -> Any:
    """As the store has it: an address holds no half of a surrogate pair."""
    if isinstance(value, str):
        return codec.encode(value)
    return [_encoded(part) for part in value] if isinstance(value, list | tuple) else value


def _key(name: str) -> str:
    return f"address {name}"


def _set(name: str, value: Any) -> str:
    """The widget's value before it is drawn; gives its key."""
    import streamlit as st

    key = _key(name)
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return key


def _push(name: str, default: Any) -> None:
    """A widget was changed: so is the address. A change of anything but the page begins at the first page again."""
    import streamlit as st

    value = st.session_state[_key(name)]
    put(name, _word(value), _word(default))
    if name != "page":
        st.query_params.pop("page", None)


def _word(value: Any) -> str | list[str]:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Iterable) and not isinstance(value, str):
        # an empty choice where the default is not empty has to stand in the address too
        return [str(part) for part in value] or [""]
    return "" if value is None else str(value)
