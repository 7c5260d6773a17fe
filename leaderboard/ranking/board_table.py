"""The leaderboard as a table of HTML: on the page, and in the static site. Every value in it is text."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.cli.tables import interval
from leaderboard.html import markup
from leaderboard.ranking.bands import RULE, Band
from leaderboard.ranking.board import Column, Row
from leaderboard.ranking.preferences import Strength
from leaderboard.theme.bars import Axis, axis_of, axis_words, bar

# what may stand beside the benchmarks
EXTRAS = {
    "people": "People",
    "judges": "Judges",
    "lineage": "Lineage",
    "hyper": "Hyperparameters",
    "model": "Model",
    "digest": "Digest",
    "dtype": "Computed in",
    "tags": "Tags",
    "date": "Measured",
}
USUAL = ("people", "judges", "lineage")
PREFERENCE = ("people", "judges")
_HINTS = {
    "people": "Bradley-Terry strength by people's votes, in log-odds: 0 is the mean of the models compared.",
    "judges": "Bradley-Terry strength by judges' verdicts, in log-odds: 0 is the mean of the models compared.",
    "lineage": "The study's trial that trained this checkpoint.",
}
_FIRST = ("rank", "alpha", "lr", "dropout", "target_modules", "batch", "epochs")


@dataclass(frozen=True, slots=True)
class View:
    """What of a board is shown, and how."""

    columns: Sequence[Column]
    extras: Sequence[str] = USUAL
    bands: Mapping[str, Mapping[str, Band]] = field(default_factory=dict)  # by column's key, by run
    people: Mapping[str, Strength] = field(default_factory=dict)  # by the checkpoint's digest
    judges: Mapping[str, Strength] = field(default_factory=dict)
    sort: str = ""  # a column's key, an extra, or "name"
    up: bool = False  # the least first

    def strength(self, extra: str, row: Row) -> Strength | None:
        """Of whole rows: a partial one is of the same checkpoint, or will be."""
        strengths = self.people if extra == "people" else self.judges
        return strengths.get(row.digest) if row.digest and not row.partial else None

    def ordered(self, rows: Sequence[Row]) -> list[Row]:
        """Sorted; partial runs after whole ones, and rows without a value last."""

        def value(row: Row) -> Any:
            if self.sort in PREFERENCE:
                found = self.strength(self.sort, row)
                return found and found.value
            if self.sort == "name":
                return row.name.casefold()
            if self.sort == "date":
                return row.created
            cell = row.cells.get(self.sort)
            return cell and cell.score["value"]

        there = [row for row in rows if value(row) is not None]
        absent = [row for row in rows if value(row) is None]
        there = sorted(there, key=value, reverse=not self.up)
        return sorted([*there, *absent], key=lambda row: row.partial)


def table(rows: Sequence[Row], view: View, sorter: Callable[[str], str] | None = None, inside: bool = True) -> str:
    """`rows` in their order. `sorter` gives the address that sorts by a column, where headings are links; `inside` the
    app, names lead to runs."""
    axes = {
        column.key: axis_of([row.cells[column.key].score for row in rows if column.key in row.cells])
        for column in view.columns
    }
    reach = {extra: _reach([s for row in rows if (s := view.strength(extra, row))]) for extra in PREFERENCE}
    head = [_heading("name", "Checkpoint", view, sorter, css="name")]
    head += [
        _heading(c.key, c.task, view, sorter, axis_words(axes[c.key]), _note(c), f"{c.metric}. {RULE}")
        for c in view.columns
    ]
    head += [
        _heading(
            extra, EXTRAS[extra], view, sorter if extra in (*PREFERENCE, "date") else None, hint=_HINTS.get(extra, "")
        )
        for extra in view.extras
    ]
    body: list[str] = []
    before: Any = None
    for row in rows:
        band = _sorted_band(row, view)
        edge = bool(body) and band != before
        before = band
        cells = [f'<th scope="row" class="name">{_name(row, inside)}</th>']
        cells += [f"<td>{_score(row, c, view, axes[c.key])}</td>" for c in view.columns]
        cells += [f'<td class="{extra}">{_extra(row, extra, view, reach, inside)}</td>' for extra in view.extras]
        body.append(f'<tr class="{"partial " if row.partial else ""}{"edge" if edge else ""}">{"".join(cells)}</tr>')
    return (
        f'<div class="board-scroll" tabindex="0"><table class="board"><thead><tr>{"".join(head)}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _heading(
    key: str,
    label: str,
    view: View,
    sorter: Callable[[str], str] | None,
    axis: str = "",
    note: str = "",
    hint: str = "",
    css: str = "",
) -> str:
    arrow = ("▴" if view.up else "▾") if key == view.sort else ""
    shown = f'{markup.text(label, 60)}<span class="arrow">{arrow}</span>'
    if sorter is not None:
        shown = f'<a href="{markup.text(sorter(key))}">{shown}</a>'
    order = {"▴": ' aria-sort="ascending"', "▾": ' aria-sort="descending"', "": ""}[arrow]
    under = f'<div class="note">{markup.text(note, 80)}</div>' if note else ""
    return f'<th scope="col" class="{css}" title="{markup.text(hint)}"{order}>{shown}{under}{axis}</th>'


def _note(column: Column) -> str:
    return ", ".join(filter(None, (column.metric, column.other)))


def _name(row: Row, inside: bool) -> str:
    shown = markup.link(row.name, "run", title=row.name, run=row.runs[0]) if inside else markup.text(row.name)
    marks = []
    if row.partial:
        marks.append(_mark("partial", "warn", "Measured on a part of the items (--limit): not ranked with whole runs."))
    if row.unverified:
        marks.append(_mark("unverified", "warn", row.unverified))
    if row.quantised:
        marks.append(_mark("4-bit", "", "Quantised when it was loaded."))
    under = f"adapter on {row.base}" if row.base else row.model if row.model != row.name else ""
    second = f'<div class="under">{markup.text(under, 200)}</div>' if under else ""
    return f'<div class="title">{shown}</div>{"".join(marks)}{second}'


def _mark(word: str, kind: str, hint: str) -> str:
    return f'<span class="mark {kind}" title="{markup.text(hint)}">{word}</span>'


def _score(row: Row, column: Column, view: View, axis: Axis | None) -> str:
    cell = row.cells.get(column.key)
    if cell is None:
        return '<span class="none">–</span>'
    value, _, ends = interval(cell.score).partition(" ")
    band = view.bands.get(column.key, {}).get(cell.run)
    low, high = (cell.score[end] for end in ("low", "high"))
    hint = f"{value} {ends}, {cell.score['n']:,} items" + (f", rank {band} of {band.of}" if band else "")
    return (
        f'<div class="score" title="{markup.text(hint)}"><span class="value">{value}</span>{_band(band)}'
        f"{bar(cell.score['value'], low, high, axis, 'first' if band and band.best == 1 else '')}"
        f'<span class="ends">{ends.strip("[]").replace(", ", " – ")}</span></div>'
    )


def _reach(strengths: Sequence[Strength]) -> Axis | None:
    far = max((abs(end) for s in strengths for end in (s.value, s.low, s.high) if math.isfinite(end)), default=0.0)
    return (-far, far) if far else None


def _extra(row: Row, extra: str, view: View, reach: Mapping[str, Any], inside: bool) -> str:
    if extra in PREFERENCE:
        return _strength(view.strength(extra, row), reach[extra])
    if extra == "lineage":
        return _lineage(row, inside)
    if extra == "hyper":
        return _hyper(row.lineage.hyperparameters) if row.lineage and row.lineage.hyperparameters else _NONE
    if extra == "tags":
        return "".join(f'<span class="mark">{markup.text(tag, 40)}</span>' for tag in row.tags) or _NONE
    shown = {
        "model": row.model,
        "digest": row.digest[:19],
        "dtype": f"{row.dtype} · {row.backend}",
        "date": row.created[:10],
    }[extra]
    return f'<span class="{"mono" if extra == "digest" else "plain-cell"}">{markup.text(shown, 200) or "–"}</span>'


_NONE = '<span class="none">–</span>'


def _strength(found: Strength | None, reach: Axis | None) -> str:
    if found is None:
        return _NONE
    ends = f"{_signed(found.low)} to {_signed(found.high)}"
    hint = f"{_signed(found.value)}, 95% interval {ends}, {found.games} games, rank {found.band} of {found.band.of}"
    return (
        f'<div class="score" title="{hint}"><span class="value">{_signed(found.value)}</span>{_band(found.band)}'
        f"{bar(found.value, found.low, found.high, reach, 'first' if found.band.best == 1 else '')}"
        f'<span class="ends">{ends}</span></div>'
    )


def _signed(value: float) -> str:
    return f"{value:+.2f}" if math.isfinite(value) else ("∞" if value > 0 else "−∞")


def _lineage(row: Row, inside: bool) -> str:
    found = row.lineage
    if found is None:
        return _NONE
    name = (
        markup.link(found.name, "studies", title=found.name, study=found.study) if inside else markup.text(found.name)
    )
    under = f"{found.words} · {found.optimizer}"
    return f'<div class="title">{name}</div><div class="under">{markup.text(under, 200)}</div>'


def _hyper(values: Mapping[str, Any]) -> str:
    shown = []
    for name in [*(name for name in _FIRST if name in values), *(name for name in values if name not in _FIRST)]:
        value = values[name]
        number = (
            f"{value:.3g}"
            if isinstance(value, float)
            else ", ".join(map(str, value))
            if isinstance(value, list | tuple)
            else str(value)
        )
        shown.append(f"<span><b>{markup.text(name, 40)}</b> {markup.text(number, 60)}</span>")
    return f'<div class="hyper">{"".join(shown)}</div>'


def _sorted_band(row: Row, view: View) -> Any:
    """What rows between two lines share, where a benchmark sorts."""
    if row.partial:
        return "partial"
    cell = row.cells.get(view.sort)
    band = view.bands.get(view.sort, {}).get(cell.run) if cell else None
    return band and band.best


def _band(band: Band | None) -> str:
    if band is None:
        return ""
    return f'<span class="band{" first" if band.best == 1 else ""}">{band}</span>'
