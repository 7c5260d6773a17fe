"""The board's charts: one visual language (tuning/report/drawing.py), and the forms that scores take.

`show` puts a chart on a page, `svg` makes it a file; both follow the page's light or dark by CSS (`light-dark()`), so
that no page has to know which it is. Names are text in a chart's data; they may hold anything. Titles of axes are
ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tuning.report import drawing, inks
from tuning.report.drawing import (
    ROW,
    Chart,
    Dot,
    Point,
    curves,
    labels,
    names_down,
    number,
    one_line,
    scatter,
    span,
    values,
    words,
)
from tuning.report.inks import DARK, LIGHT

__all__ = [
    "Cell",
    "Chart",
    "Difference",
    "Dot",
    "Estimate",
    "Point",
    "curves",
    "difference_intervals",
    "interval_bars",
    "labels",
    "matrix",
    "one_line",
    "scatter",
    "show",
    "svg",
]

_VALUE = {"type": "text", "style": "value", "dy": -11, "fontSize": 11}


class Estimate(NamedTuple):
    """A score with its 95% interval."""

    name: str  # the row: a checkpoint, a task
    value: float
    low: float | None
    high: float | None
    n: int | None = None  # items; None where it is not counted in such
    note: str = ""  # for the tooltip


class Difference(NamedTuple):
    """b - a with its 95% interval."""

    name: str
    value: float
    low: float
    high: float
    n: int | None = None
    note: str = ""


class Cell(NamedTuple):
    """How the row fares against the column: 1 always wins, 0 never."""

    row: str
    column: str
    value: float | None  # None: never met
    low: float | None = None
    high: float | None = None
    n: int | None = None


def show(chart: Chart, description: str, key: str | None = None) -> None:
    """On a page, as wide as there is room. `description` is for who cannot see it: what
    the chart shows, in a sentence."""
    import streamlit as st

    # SVG: on a canvas there is no light-dark()
    looks = {"config": inks.theme(inks.EITHER), "usermeta": {"embedOptions": {"renderer": "svg"}}}
    st.vega_lite_chart(spec={**chart, **looks}, width="stretch", theme=None, alt=description, key=key)


def svg(chart: Chart, width: int = 640) -> str:
    """For a page with `color-scheme: light dark`, or with either alone. `width`, in pixels, is of the plot alone."""
    return drawing.svg(chart, inks.EITHER, width)


def interval_bars(rows: Sequence[Estimate], title: str, scale: float = 100) -> Chart:
    """Scores from the top down in the order given: a point, its interval, its number; all else in the tooltip.
    `scale` multiplies (100: points of a hundred)."""
    names = labels([row.name for row in rows])
    data = [
        {
            "name": names[row.name],
            "at": at,
            "value": scale * row.value,
            "low": scale * (row.value if row.low is None else row.low),
            "high": scale * (row.value if row.high is None else row.high),
            "shown": _number(scale * row.value, scale),
            "interval": _interval(row.low, row.high, scale),
            "n": "" if row.n is None else f"{row.n:,}",
            "full": one_line(row.name),
            "note": one_line(row.note),
        }
        for at, row in enumerate(rows)
    ]
    tooltip = [words("full"), words("shown", title), words("interval", "95% interval"), *_more(rows)]
    x = number("value", title, domain=span(_ends(rows, scale)), padding=0)
    marks: list[Chart] = [
        {"mark": {"type": "rule", "style": "band"}, "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}}},
        {"mark": "point"},
        {"mark": _VALUE, "encoding": {"text": {"field": "shown"}}},
    ]
    encoding = {"x": x, "y": names_down(), "tooltip": tooltip}
    return {"height": {"step": ROW}, "layer": [{"data": values(data), "encoding": encoding, "layer": marks}]}


def difference_intervals(rows: Sequence[Difference], title: str, scale: float = 100) -> Chart:
    """Differences around a zero line, from the top down in the order given. Colour says which side of zero the whole
    interval is on; grey lies on both."""
    names = labels([row.name for row in rows])
    data = [
        {
            "name": names[row.name],
            "at": at,
            "value": scale * row.value,
            "low": scale * row.low,
            "high": scale * row.high,
            "side": 1 if row.low > 0 else -1 if row.high < 0 else 0,
            "shown": _number(scale * row.value, scale, signed=True),
            "interval": _interval(row.low, row.high, scale, signed=True),
            "n": "" if row.n is None else f"{row.n:,}",
            "full": one_line(row.name),
            "note": one_line(row.note),
        }
        for at, row in enumerate(rows)
    ]
    tooltip = [words("full"), words("shown", title), words("interval", "95% interval"), *_more(rows)]
    axis = {"format": "+~f", "labelExpr": "datum.value === 0 ? '0' : datum.label"}
    x = number("value", title, axis=axis, domain=span([0.0, *_ends(rows, scale)]), padding=0)
    ends = {"x": {**x, "field": "low"}, "x2": {"field": "high"}}
    marks: list[Chart] = []
    for side, style in ((1, "better"), (-1, "worse"), (0, "same")):
        own = {"transform": [{"filter": f"datum.side == {side}"}]}
        marks.append({**own, "mark": {"type": "rule", "style": ["band", style]}, "encoding": ends})
        marks.append({**own, "mark": {"type": "point", "style": style}})
    marks.append({"mark": _VALUE, "encoding": {"text": {"field": "shown"}}})
    scored = {"data": values(data), "encoding": {"x": x, "y": names_down(), "tooltip": tooltip}, "layer": marks}
    return {"height": {"step": ROW}, "layer": [_zero(x), scored]}


def matrix(cells: Sequence[Cell], title: str = "win rate") -> Chart:
    """Rows against columns, in the order in which they come: blue where the row wins, orange where it loses; the
    number stands in each cell, in percent."""
    names = labels([name for cell in cells for name in (cell.row, cell.column)], 22)
    rows, columns = (list(dict.fromkeys(names)) for names in ([c.row for c in cells], [c.column for c in cells]))
    data = [
        {
            "row": names[cell.row],
            "row_at": rows.index(cell.row),
            "column": names[cell.column],
            "column_at": columns.index(cell.column),
            "fill": _shade(cell.value),
            "shown": "" if cell.value is None else f"{100 * cell.value:.0f}",
            "pair": one_line(f"{cell.row} against {cell.column}"),
            "interval": _interval(cell.low, cell.high, 100),
            "n": "" if cell.n is None else f"{cell.n:,}",
        }
        for cell in cells
    ]
    tilt = -40 if max(map(len, columns), default=0) > 3 else 0
    across = {**names_down("column", "column_at"), "axis": {"orient": "top", "labelAngle": tilt, "labelLimit": 100}}
    encoding = {
        "x": across,
        "y": names_down("row", "row_at"),
        "tooltip": [words("pair"), words("shown", f"{title}, %"), words("interval", "95% interval"), words("n", "n")],
    }
    marks = [
        {
            "mark": {"type": "rect", "cornerRadius": 3},
            "encoding": {"color": {"field": "fill", "type": "nominal", "scale": None}},
        },
        {"mark": {"type": "text", "style": "value"}, "encoding": {"text": {"field": "shown"}}},
    ]
    return {"height": {"step": 36}, "layer": [{"data": values(data), "encoding": encoding, "layer": marks}]}


def _zero(x: Chart) -> Chart:
    return {"data": values([{"value": 0}]), "mark": {"type": "rule", "style": "zero"}, "encoding": {"x": x}}


def _ends(rows: Sequence[Estimate] | Sequence[Difference], scale: float) -> list[float]:
    return [scale * end for row in rows for end in (row.low, row.value, row.high) if end is not None]


def _more(rows: Sequence[Estimate] | Sequence[Difference]) -> list[Chart]:
    """Lines of a tooltip that not all charts have."""
    items = [words("n", "items")] if any(row.n is not None for row in rows) else []
    return items + ([words("note")] if any(row.note for row in rows) else [])


def _shade(value: float | None) -> str:
    """From orange (0) over the background (0.5) to blue (1); text in either ink stays readable on it."""
    ends = (("#f2b48f", "#ffffff", "#8fc4ea"), ("#8a4317", "#1b222b", "#155a8c"))
    if value is None:
        return f"light-dark({LIGHT.grid}, {DARK.grid})"
    return f"light-dark({', '.join(_between(*three, value) for three in ends)})"


def _between(low: str, middle: str, high: str, value: float) -> str:
    a, b, part = (low, middle, 2 * value) if value < 0.5 else (middle, high, 2 * value - 1)
    mixed = (round(int(a[i : i + 2], 16) * (1 - part) + int(b[i : i + 2], 16) * part) for i in (1, 3, 5))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _number(value: float, scale: float, signed: bool = False) -> str:
    """One decimal for points of a hundred, three digits otherwise."""
    form = ("+" if signed else "") + (".1f" if scale == 100 else ".3g")
    return format(value, form).replace("-", "−")  # as Vega's axes have it


def _interval(low: float | None, high: float | None, scale: float, signed: bool = False) -> str:
    if low is None or high is None:
        return "none"
    return f"{_number(scale * low, scale, signed)} to {_number(scale * high, scale, signed)}"
