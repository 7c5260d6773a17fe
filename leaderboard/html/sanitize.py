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

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# A Markdown reader's time grows with the square of what is left open: past these a text is shown as it is
LONGEST, MARKS = 60_000, 4_000
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")  # would turn what follows, past the end of the answer
_SURROGATE = re.compile("[\ud800-\udfff]")
_TAG = re.compile("<[^>]*>")
_IMAGE = "[image: "
_SYNTAX = dict.fromkeys(map(ord, string.punctuation + string.whitespace + "\u00a0"))


def visible(text: str) -> str:
    """The text with nothing in it that a page cannot carry: control characters as their pictures (␀), halves of
    surrogate pairs as U+FFFD, marks that turn the direction of writing as their code."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub(_picture, text)
    text = _BIDI.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)
    return _SURROGATE.sub("\ufffd", text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"[U+{code:04X}]"


@lru_cache(maxsize=256)
def answer_html(turns: tuple[str, ...]) -> str:
    """One answer (its turns, one below the other) as HTML."""
    parts = [_rendered(turn) for turn in turns]
    if len(parts) > 1:
        parts = [f'<div class="turn">Turn {number}</div>{part}' for number, part in enumerate(parts, 1)]
    return f'<div class="answer">{"".join(parts)}</div>' if parts else '<div class="answer empty">(no answer)</div>'


def question_html(turns: Sequence[str]) -> str:
    """A question as plain text."""
    parts = [f'<div class="plain" dir="auto">{html.escape(visible(turn))}</div>' for turn in turns]
    if len(parts) > 1:
        parts = [f'<div class="turn">Turn {number}</div>{part}' for number, part in enumerate(parts, 1)]
    return f'<div class="question">{"".join(parts)}</div>'


def _rendered(text: str) -> str:
    text = visible(text)
    if not text.strip():
        return '<p class="empty">(empty)</p>'
    if len(text) > LONGEST or sum(map(text.count, "*_`[]!<>&~|")) > MARKS:
        return _plain(text)
    env: dict[str, Any] = {}
    rendered: str = _reader().render(text, env)
    # an image is announced by a word of ours
    return rendered if _letters(_shown(rendered), env.get("images", 0)) == _letters(text) else _plain(text)


def _plain(text: str) -> str:
    return f'<div class="plain" dir="auto">{html.escape(text)}</div>'


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
    return '<span class="link">'


def _link_close(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    address = env["links"].pop()
    return f'</span> <span class="address">({address})</span>' if address else "</span>"


def _image(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    env["images"] = env.get("images", 0) + 1
    return f'<span class="address">{_IMAGE}{html.escape(tokens[at].content)} ({_address(tokens[at], "src")})]</span>'


def _fence(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    language = html.escape(tokens[at].info.strip())
    above = f'<div class="language" dir="ltr">{language}</div>' if language else ""
    return f'{above}<pre dir="ltr"><code>{html.escape(tokens[at].content)}</code></pre>'


def _list_open(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    return '<ol class="numbered">'


def _item_open(renderer: Any, tokens: Sequence[Token], at: int, options: Any, env: dict[str, Any]) -> str:
    """An item with the number that was written: a reader of Markdown would count on from the first."""
    direction = html.escape(str(tokens[at].attrGet("dir") or "auto"))
    number = f'<span class="number">{html.escape(tokens[at].info + tokens[at].markup)}</span> '
    return f'<li dir="{direction}">{number if tokens[at].info else ""}'


def _address(token: Token, attribute: str) -> str:
    title = token.attrGet("title")
    told = f"{token.attrGet(attribute) or ''}{f' {title}' if title else ''}"
    return html.escape(told)


_RULES: dict[str, Any] = {
    "link_open": _link_open,
    "link_close": _link_close,
    "image": _image,
    "fence": _fence,
    "ordered_list_open": _list_open,
    "list_item_open": _item_open,
}
