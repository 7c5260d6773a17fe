"""How results show themselves: as text, and as a table in a notebook. Whatever a model, a file or a user wrote is
escaped there (display.html)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from harness import html_templates


class Content(NamedTuple):
    """What a result shows: a line, a table, and notes below it."""

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    notes: Sequence[str] = ()


class Shown:
    """A result that shows itself. A class gives its `_content`."""

    __slots__ = ()

    def _content(self) -> Content:
        raise NotImplementedError

    def __repr__(self) -> str:
        return text(self._content())

    def _repr_html_(self) -> str:
        return html(self._content())


def text(content: Content) -> str:
    """Columns under each other, then the notes."""
    table = [[visible(cell) for cell in row] for row in (content.columns, *content.rows)] if content.rows else []
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([visible(content.title), *lines, *(f"! {visible(note)}" for note in content.notes)])


def html(content: Content) -> str:
    rows = [[visible(cell) for cell in row] for row in content.rows]
    notes = [visible(note) for note in content.notes]
    return (
        html_templates.environment("harness")
        .get_template("display.html")
        .render(title=visible(content.title), columns=[*map(visible, content.columns)], rows=rows, notes=notes)
    )


def visible(value: object) -> str:
    """Text on one line, with what cannot be printed (control and direction characters) as its escape."""
    shown = "" if value is None else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in shown)
