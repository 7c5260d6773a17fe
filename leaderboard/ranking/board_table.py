"""The leaderboard as a table of HTML (templates/tables.html): on the page, and in the static site."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.cli.tables import interval
from harness.evaluation.report import items_count, items_words
from leaderboard.app import state
from leaderboard.html import tables
from leaderboard.html.tables import Cell, Head, Mark
from leaderboard.ranking.bands import RULE, Band, Runs
from leaderboard.ranking.board import Column, Row, Training
from leaderboard.ranking.lineage import Lineage
from leaderboard.ranking.preferences import Strength
from leaderboard.theme.bars import Axis, axis_of, axis_words, bar

if TYPE_CHECKING:
    from markupsafe import Markup

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
    bands: Mapping[str, Mapping[Runs, Band]] = field(default_factory=dict)  # by column's key, by configuration
    people: Mapping[str, Strength] = field(default_factory=dict)  # by the checkpoint's digest
    judges: Mapping[str, Strength] = field(default_factory=dict)
    sort: str = ""  # a column's key, an extra, or "name"
    up: bool = False  # the least first

    def strength(self, extra: str, row: Row) -> Strength | None:
        """Of whole rows: a partial one is of the same checkpoint, or will be."""
        strengths = self.people if extra == "people" else self.judges
        own = (strengths[digest] for digest in row.digests if digest in strengths)
        return None if row.partial else next(own, None)

    def ordered(self, rows: Sequence[Row]) -> list[Row]:
        """Sorted; partial runs after whole ones, and rows without a value last."""

        def value(row: Row) -> Any:
            if self.sort in PREFERENCE:
                strength = self.strength(self.sort, row)
                return strength and strength.value
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


def table(rows: Sequence[Row], view: View, sorter: Callable[[str], str] | None = None, inside: bool = True) -> Markup:
    """`rows` in their order. `sorter` gives the address that sorts by a column, where headings are links; `inside` the
    app, names lead to runs."""
    axes = {
        column.key: axis_of([row.cells[column.key].score for row in rows if column.key in row.cells])
        for column in view.columns
    }
    reach = {extra: _reach([s for row in rows if (s := view.strength(extra, row))]) for extra in PREFERENCE}
    heads = [_head("name", "Configuration", view, sorter, css="name")]
    heads += [
        _head(c.key, c.task, view, sorter, axis_words(axes[c.key]), _note(c), f"{c.metric}. {RULE}")
        for c in view.columns
    ]
    heads += [
        _head(
            extra, EXTRAS[extra], view, sorter if extra in (*PREFERENCE, "date") else None, hint=_HINTS.get(extra, "")
        )
        for extra in view.extras
    ]
    lines: list[tuple[str, list[Cell]]] = []
    before: Any = None
    for row in rows:
        band = _sorted_band(row, view)
        edge = bool(lines) and band != before
        before = band
        under = f"adapter on {row.base}" if row.base else row.model if row.model != row.name else ""
        under = "" if row.trainings and not row.base else under
        address = state.link("run", run=row.runs[0]) if inside and not row.trainings else ""
        seeds = [_seed(training, view, inside) for training in row.trainings]
        cells = [tables.name(row.name, address=address, under=under, marks=_marks(row), seeds=seeds, most=2000)]
        cells += [_score(row, c, view, axes[c.key]) for c in view.columns]
        cells += [_extra(row, extra, view, reach, inside) for extra in view.extras]
        lines.append((" ".join(filter(None, ("partial" * row.partial, "edge" * edge))), cells))
    return tables.table("", heads, lines)


def _head(
    key: str,
    words: str,
    view: View,
    sorter: Callable[[str], str] | None,
    axis: tuple[str, ...] = (),
    note: str = "",
    hint: str = "",
    css: str = "",
) -> Head:
    arrow = ("▴" if view.up else "▾") if key == view.sort else ""
    return Head(words, css, sorter(key) if sorter else "", arrow, hint, note, axis)


def _note(column: Column) -> str:
    return ", ".join(filter(None, (column.metric, column.other)))


def _seed(training: Training, view: View, inside: bool) -> tuple[str, str, str]:
    """A line below a configuration's name: "seed 3", where it leads, and its scores in the columns' order."""
    scores = [(c.task, s) for c in view.columns if (s := training.scores.get(c.task))]
    figures = ", ".join(f"{task} {interval(score).partition(' ')[0]}" for task, score in dict(scores).items())
    return training.words, state.link("run", run=training.run) if inside else "", figures


def _marks(row: Row) -> list[Mark]:
    marks = []
    if row.apart:
        marks.append(("apart", "warn", f"Not one row with the other runs of {row.name}: {row.apart}."))
    if row.sampled:
        words = "A part of the items, drawn at random: not ranked with whole runs. The interval holds the score of all."
        marks.append(("sampled", "warn", words))
    elif row.partial:
        marks.append(("partial", "warn", "Measured on a part of the items (--limit): not ranked with whole runs."))
    if row.unverified:
        marks.append(("unverified", "warn", row.unverified))
    if row.quantised:
        marks.append(("4-bit", "", "Quantised when it was loaded."))
    return marks


def _score(row: Row, column: Column, view: View, axis: Axis | None) -> Cell:
    cell = row.cells.get(column.key)
    if cell is None:
        return tables.absent()
    value, _, ends = interval(cell.score).partition(" ")
    band = view.bands.get(column.key, {}).get(cell.runs)
    rank, kind, hint = "", "", f"{value} {ends}, {items_words(cell.score)}"
    hint += f", {len(cell.runs)} seeds" if len(cell.runs) > 1 else ""
    if band:
        rank, kind = str(band), "first" if band.best == 1 else ""
        hint += f", rank {rank} of {band.of}"
    drawn = bar(cell.score["value"], cell.score["low"], cell.score["high"], axis, kind)
    ends = ends[1:-1].replace(", ", " – ")
    if cell.score["sampled_of"]:
        ends += f" · {items_count(cell.score)} items"
    return tables.score(value, ends, drawn, hint=hint, band=rank)


def _reach(strengths: Sequence[Strength]) -> Axis | None:
    far = max((abs(end) for s in strengths for end in (s.value, s.low, s.high) if math.isfinite(end)), default=0.0)
    return (-far, far) if far else None


def _extra(row: Row, extra: str, view: View, reach: Mapping[str, Any], inside: bool) -> Cell:
    if extra in PREFERENCE:
        return _strength(view.strength(extra, row), reach[extra])
    if extra == "lineage":
        return _lineage(row.lineage, inside) if row.lineage else tables.absent()
    if extra == "hyper":
        return _hyper(row.lineage.hyperparameters) if row.lineage else tables.absent()
    if extra == "tags":
        return tables.marks(row.tags, extra) if row.tags else tables.absent()
    if extra == "dtype":
        return tables.words(f"{row.dtype} · {row.backend}", extra, most=200)
    if extra == "digest":
        return tables.words(row.digest[:19], "mono") if row.digest else tables.absent()
    return tables.words(row.created[:10] if extra == "date" else row.model, most=200)


def _strength(strength: Strength | None, reach: Axis | None) -> Cell:
    if strength is None:
        return tables.absent()
    value, band = _signed(strength.value), strength.band
    ends = f"{_signed(strength.low)} to {_signed(strength.high)}"
    hint = f"{value}, 95% interval {ends}, {strength.games} games, rank {band} of {band.of}"
    drawn = bar(strength.value, strength.low, strength.high, reach, "first" if band.best == 1 else "")
    return tables.score(value, ends, drawn, hint=hint, band=str(band))


def _signed(value: float) -> str:
    return f"{value:+.2f}" if math.isfinite(value) else ("∞" if value > 0 else "−∞")


def _lineage(origin: Lineage, inside: bool) -> Cell:
    address = state.link("studies", study=origin.study) if inside else ""
    return tables.place(origin.name, address=address, under=f"{origin.words} · {origin.optimizer}")


def _hyper(values: Mapping[str, Any]) -> Cell:
    names = [*(name for name in _FIRST if name in values), *(name for name in values if name not in _FIRST)]
    if not names:
        return tables.absent()
    return tables.pairs([(name, _hyper_value(values[name])) for name in names])


def _hyper_value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _sorted_band(row: Row, view: View) -> Any:
    """What rows between two lines share, where a benchmark sorts."""
    if row.partial:
        return "partial"
    cell = row.cells.get(view.sort)
    band = view.bands.get(view.sort, {}).get(cell.runs) if cell else None
    return band and band.best
