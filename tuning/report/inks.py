"""How every chart looks: palette, inks, and Vega-Lite's configuration of them.

So the same chart stands on a light page, on a dark one, and on one that is either."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")


# Okabe and Ito's colours (2008), in this order, moved to a contrast of 3 or more on each background
_LIGHT = ("#0072b2", "#d55e00", "#009e73", "#b8578c", "#b87a00", "#3596d3", "#4b5762", "#8f8500")
_DARK = ("#3d9be0", "#e8763a", "#18b487", "#d68bb4", "#e69f00", "#7cc6f2", "#c3ccd5", "#f0e442")


@dataclass(frozen=True, slots=True)
class Inks:
    """Colours by what they are for. A colour is whatever CSS takes."""

    text: str
    muted: str  # labels of axes, what matters less
    line: str  # the zero line, outlines
    grid: str
    background: str
    faint: str  # a line among many that matters least
    better: str
    worse: str
    palette: tuple[str, ...]


LIGHT = Inks("#17202a", "#5b6875", "#8c98a4", "#e8ecf0", "#ffffff", "#cfd6dd", _LIGHT[0], _LIGHT[1], _LIGHT)
DARK = Inks("#e8ecf0", "#9aa7b4", "#697582", "#262e38", "#12171d", "#3a444f", _DARK[0], _DARK[1], _DARK)


def _either(light: Any, dark: Any) -> Any:
    if isinstance(light, str):
        return f"light-dark({light}, {dark})"
    return tuple(map(_either, light, dark))


# as the page's `color-scheme` says; for SVG in a browser only
EITHER = Inks(**{field.name: _either(getattr(LIGHT, field.name), getattr(DARK, field.name)) for field in fields(Inks)})


def theme(inks: Inks) -> dict[str, Any]:
    """Vega-Lite's `config`. Marks name a style of it rather than a colour: zero, band, whisker, faint, value, note,
    better, worse, same."""
    quiet = {"domain": False, "ticks": False, "labelPadding": 6, "titlePadding": 10, "labelLimit": 200}
    return {
        "background": "transparent",
        "font": FONT,
        "padding": 4,
        "view": {"stroke": None},
        "axis": {
            **quiet,
            "labelColor": inks.muted,
            "titleColor": inks.muted,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "gridColor": inks.grid,
            "tickCount": 6,
        },
        # what does not fit in a title would take the plot's own room
        "axisX": {"titleLimit": 320},
        "axisY": {"titleLimit": 180},
        **{f"axisY{kind}": {"grid": False, "labelColor": inks.text, "labelFontSize": 13} for kind in ("Band", "Point")},
        **{f"axisX{kind}": {"grid": False, "labelColor": inks.text} for kind in ("Band", "Point")},
        "legend": {
            "orient": "top",
            "title": None,
            "labelColor": inks.text,
            "labelFontSize": 12,
            "labelLimit": 220,
            "symbolSize": 70,
            "symbolOpacity": 1,
            "columns": 3,
            "rowPadding": 4,
        },
        "range": {
            "category": list(inks.palette),
            "symbol": list(SHAPES),
            "ordinal": [inks.better, inks.line, inks.faint],
        },
        "line": {"strokeWidth": 2, "strokeCap": "round", "strokeJoin": "round"},
        "bar": {"cornerRadiusEnd": 3, "color": inks.palette[0]},
        "point": {"filled": True, "size": 70, "opacity": 1, "color": inks.palette[0]},
        "text": {"color": inks.text, "fontSize": 12},
        "style": {
            "zero": {"color": inks.line, "strokeWidth": 1.5, "strokeDash": [4, 3]},
            "band": {"strokeWidth": 5, "opacity": 0.42, "strokeCap": "round", "color": inks.palette[0]},
            "whisker": {"strokeWidth": 2, "color": inks.muted},
            "faint": {"color": inks.line, "opacity": 0.6},
            "value": {"color": inks.text, "fontSize": 12},
            "note": {"color": inks.muted, "fontSize": 11},
            "better": {"color": inks.better},
            "worse": {"color": inks.worse},
            "same": {"color": inks.muted},
        },
    }
