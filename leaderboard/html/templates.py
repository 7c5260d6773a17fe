"""The board's HTML is in `leaderboard/templates/*.html`, a file a subject; each is a set of macros.

    macros("run").head(run, marks, tags)        # gives Markup

Whatever a macro prints is text: escaped, with control characters made visible. Markup alone passes as it is, and only
`sanitize` (Markdown of models), the charts (SVG) and other macros make such."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

from harness import html_templates

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")  # would turn what follows, past the end of the answer
_SURROGATE = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with nothing in it that a page cannot carry: control characters as their pictures (␀), halves of
    surrogate pairs as U+FFFD, marks that turn the direction of writing as their code."""
    if text.isprintable():  # most texts, and at once: none of those characters is
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub(_picture, text)
    text = _BIDI.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)
    return _SURROGATE.sub("\ufffd", text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"[U+{code:04X}]"


MOST = 2000  # characters of a text, unless more is asked for


def shorten(value: object, most: int) -> str:
    """Any text, made visible; past `most` characters it is cut, with an ellipsis."""
    if type(value) is str and len(value) <= most and value.isprintable():  # most of them
        return value
    shown = visible(str(value))
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def text(value: object, most: int = MOST) -> Markup:
    """The same as HTML that is nothing but text. In templates a filter: `{{ name | text(60) }}`."""
    return escape(shorten(value, most))


def macros(file: str) -> Any:
    """The macros of a template, as functions."""
    templates = html_templates.environment("leaderboard", _printed)
    templates.filters.setdefault("text", text)
    return templates.get_template(f"templates/{file}.html").module


def _printed(value: object) -> object:
    """What jinja2 escapes, unless it is Markup, which is a str too. Most texts are short and printable."""
    if type(value) is not str or (len(value) <= MOST and value.isprintable()):
        return value
    return text(value)
