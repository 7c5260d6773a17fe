"""Text that a model wrote, as HTML that is nothing but text.

Markdown is rendered with raw HTML off, and what would fetch or lead somewhere (images, links) is shown as its words and
its address. Control characters become visible. Nothing that was written is lost: what Markdown leaves out (a fence's
language, a link's title, a list's own numbers) is shown, and where anything but punctuation is missing all the same
(cells beyond a table's header, definitions of references, what is nested too deep), the plain text is shown instead.
`st.html` passes the result through DOMPurify once more.
"""

from __future__ import annotations

import html
import re
import string
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from leaderboard.html.templates import macros, visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from markupsafe import Markup

# A Markdown reader's time grows with the square of what is left open: past these a text is shown as it is
LONGEST, MARKS = 60_000, 4_000
_TAG = re.compile("<[^>]*>")
_IMAGE = "[image: "
_SYNTAX = dict.fromkeys(map(ord, string.punctuation + string.whitespace + "\u00a0"))


@lru_cache(maxsize=256)
def answer_html(turns: tuple[str, ...]) -> Markup:
    """One answer (its turns, one below the other) as HTML."""
    return macros("answers").answer([_rendered(turn) for turn in turns])


def question_html(turns: Sequence[str]) -> Markup:
    """A question as plain text."""
    return macros("answers").question([_plain(visible(turn)) for turn in turns])


def _rendered(text: str) -> Markup:
    from markupsafe import Markup

    text = visible(text)
    if not text.strip():
        return macros("answers").empty()
    if len(text) > LONGEST or sum(map(text.count, "*_`[]!<>&~|")) > MARKS:
        return _plain(text)
    env: dict[str, Any] = {}
    rendered: str = _reader().render(text, env)
    # an image is announced by a word of ours
    return Markup(rendered) if _letters(_shown(rendered), env.get("images", 0)) == _letters(text) else _plain(text)


def _plain(text: str) -> Markup:
    return macros("answers").plain(text)


def _shown(rendered: str) -> str:
    """The text of our own HTML."""
    return html.unescape(_TAG.sub(" ", rendered))


def _letters(text: str, images: int = 0) -> str:
    """All but space and the punctuation that Markdown is made of, in order; without the word before each image."""
    if images:
        text = text.replace(_IMAGE, "")
    return text.translate(_SYNTAX)


@lru_cache(maxsize=1)
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20})
    reader.enable(["table", "strikethrough"])
    reader.disable("entity")  # they are shown as they were written
    for name in ("normalizeLink", "normalizeLinkText"):  # addresses too: no percent signs of ours in them
        setattr(reader, name, str)
    for name, rule in _RULES.items():
        reader.add_render_rule(name, rule)
    reader.core.ruler.push("directions", _directions)
    return reader


def _directions(state: Any) -> None:
    """Each block in the direction of its own first letter."""
    for token in state.tokens:
        if token.nesting == 1 and token.tag in ("p", "li", "td", "th", "blockquote", *(f"h{n}" for n in range(1, 7))):
            token.attrSet("dir", "auto")


def _link_open(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    # the address of <https://…> is its text
    own = tokens[at].info != "auto"
    env.setdefault("links", []).append(_address(tokens[at], "href") if own else "")
    return macros("answers").link_open()


def _link_close(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    return macros("answers").link_close(env["links"].pop())


def _image(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    env["images"] = env.get("images", 0) + 1
    return macros("answers").image(_IMAGE, tokens[at].content, _address(tokens[at], "src"))


def _fence(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    return macros("answers").program(tokens[at].info.strip(), tokens[at].content)


def _list_open(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    return macros("answers").list_open()


def _item_open(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    """An item with the number that was written: a reader of Markdown would count on from the first."""
    token = tokens[at]
    return macros("answers").item_open(token.attrGet("dir") or "auto", token.info + token.markup if token.info else "")


def _address(token: Token, attribute: str) -> str:
    title = token.attrGet("title")
    return f"{token.attrGet(attribute) or ''}{f' {title}' if title else ''}"


_RULES: dict[str, Any] = {
    "link_open": _link_open,
    "link_close": _link_close,
    "image": _image,
    "fence": _fence,
    "ordered_list_open": _list_open,
    "list_item_open": _item_open,
}
