"""Tables of the board: Python makes cells, and templates/tables.html draws them, all kinds in one loop. With a macro
called for each cell, a leaderboard of a thousand rows took more than twice as long (measured)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from leaderboard.html.templates import macros, shorten
from leaderboard.theme.bars import Bar

if TYPE_CHECKING:
    from markupsafe import Markup

Mark = tuple[str, str, str]  # word, kind (a class of theme.css), hint
_NO_BAR = Bar("", "")


class Head(NamedTuple):
    """Of a column. With an address it is a link that sorts; `arrow` says how it is sorted now."""

    words: str
    css: str = ""
    address: str = ""
    arrow: str = ""
    hint: str = ""
    note: str = ""
    axis: Sequence[str] = ()


class Cell(NamedTuple):
    kind: str
    css: str = ""
    words: str = ""
    address: str = ""
    hint: str = ""
    under: str = ""
    marks: Sequence[Mark] = ()
    ends: str = ""
    band: str = ""
    tone: str = ""
    bar: str = ""
    style: str = ""
    seeds: Sequence[tuple[str, str, str]] = ()


def words(text: object, css: str = "", *, address: str = "", hint: str = "", most: int = 60) -> Cell:
    return Cell("words", css, shorten(text, most), address, hint)


def number(shown: str) -> Cell:
    return Cell("number", "n", shown)


def name(
    text: str,
    *,
    address: str = "",
    under: str = "",
    marks: Sequence[Mark] = (),
    seeds: Sequence[tuple[str, str, str]] = (),
    most: int = 120,
) -> Cell:
    """At the head of a row. `seeds` are shown on demand: words, an address or none, figures."""
    return Cell("name", "", shorten(text, most), address, under=shorten(under, 200), marks=marks, seeds=seeds)


def place(text: str, *, address: str = "", under: str = "") -> Cell:
    """What a name leads to, within a row."""
    return Cell("place", "", shorten(text, 120), address, under=shorten(under, 200))


def score(
    value: str, ends: str, bar: Bar | None, css: str = "", *, hint: str = "", band: str = "", tone: str = ""
) -> Cell:
    """A value, its interval's ends and the bar of them; `band` is its rank."""
    kind, style = bar or _NO_BAR
    return Cell("score", css, value, "", hint, "", (), ends, band, tone, kind, style)


def absent(css: str = "", text: str = "–") -> Cell:
    return Cell("absent", css, text)


def toned(text: str, tone: str, css: str = "") -> Cell:
    """`tone`: classes of the words."""
    return Cell("tone", css, text, tone=tone)


def track(text: str, percent: float, css: str = "") -> Cell:
    """Words above how much of all is done."""
    return Cell("track", css, text, style=f"width:{percent:.0f}%")


def marks(values: Sequence[str], css: str) -> Cell:
    return Cell("marks", css, marks=[(shorten(value, 40), "", "") for value in values])


def pairs(values: Iterable[tuple[str, str]]) -> Cell:
    return Cell("pairs", marks=[(shorten(key, 40), shorten(value, 60), "") for key, value in values])


def table(css: str, heads: Sequence[Head], lines: Sequence[tuple[str, Sequence[Cell]]]) -> Markup:
    """`css` are classes of the table and, in front of its cells, of a line."""
    return macros("tables").table(css, heads, lines)
