"""How charts are drawn: the forms that belong to no one subject, and their pieces.

A chart says what it shows, as Vega-Lite's JSON; how it looks is said once (inks.py). Text that a user or a model wrote
goes through `labels` and into a chart's data, never into an expression. Tests hold every form against the schema that
Altair has; building charts by Altair itself takes 0.2 s each and 0.9 s to import it (measured), which a page that
follows a search has not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tuning.report.inks import LIGHT, Inks, theme

Chart = dict[str, Any]  # Vega-Lite 6, a view or layers, without `config`

ROW = 34  # pixels of a row that has a name
HEIGHT = 260
LONGEST = 26  # letters of a label


def svg(chart: Chart, inks: Inks = LIGHT, width: int = 640) -> str:
    """The chart as SVG text that asks for nothing from outside. `width`, in pixels, is of the plot alone."""
    import vl_convert

    shown = {"width": width, **chart, "config": theme(inks)}
    drawn: str = vl_convert.vegalite_to_svg(shown, vl_version="6.4", allowed_base_urls=[])
    return drawn


_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


def one_line(text: str, most: int = 200) -> str:
    """As text in a chart: one line, no control characters, none that turn the direction; the middle of a long one is
    left out."""
    text = " ".join(_UNSEEN.sub(" ", text).split())
    return text if len(text) <= most else f"{text[: most * 2 // 3 - 1]}…{text[-(most // 3) :]}"


def labels(names: Sequence[str], most: int = LONGEST) -> dict[str, str]:
    """A short label of each name; different names have different labels."""
    by_name: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        if name in by_name:
            continue
        label, again = one_line(name, most) or "(no name)", 1
        while label in taken:
            again += 1
            label = f"{one_line(name, most)} ({again})"
        taken.add(label)
        by_name[name] = label
    return by_name


class Point(NamedTuple):
    """A place on a line."""

    series: str
    x: float
    y: float


class Dot(NamedTuple):
    """One thing measured in two ways. Intervals where they are known."""

    name: str
    x: float
    y: float
    x_interval: tuple[float, float] | None = None
    y_interval: tuple[float, float] | None = None
    series: str = ""
    note: str = ""  # for the tooltip


def curves(
    points: Sequence[Point],
    x: str,
    y: str,
    order: Sequence[str] = (),
    steps: bool = False,
    dots: Sequence[Point] = (),
) -> Chart:
    """A line a series. `order` names all series, so that each keeps its colour whichever are shown; `steps` holds a
    value until the next; `dots` are drawn faintly beside the lines."""
    own = labels([*order, *(point.series for point in (*points, *dots))])

    def rows(given: Sequence[Point]) -> Chart:
        return values([{"series": own[p.series], "x": p.x, "y": p.y} for p in given])

    encoding = {
        "x": number("x", x, axis={"grid": False, "tickMinStep": 1}, **_alone([point.x for point in points])),
        "y": number("y", y, **_alone([point.y for point in (*points, *dots)])),
        "color": colour("series", own, {point.series for point in (*points, *dots)}),
        "tooltip": [words("series"), *(hint(*axis) for axis in (("x", x), ("y", y)))],
    }
    line: Chart = {"type": "line", **({"interpolate": "step-after"} if steps else {})}
    layers: list[Chart] = [{"data": rows(points), "mark": line}]
    if dots:
        layers.insert(0, {"data": rows(dots), "mark": {"type": "point", "size": 28, "opacity": 0.4}})
    return {"height": HEIGHT, "encoding": encoding, "layer": layers}


def scatter(
    dots: Sequence[Dot],
    x: str,
    y: str,
    order: Sequence[str] = (),
    log2: bool = False,
    named: bool = False,
    reverse: bool = False,
    line: Sequence[tuple[float, float]] = (),
    level: float | None = None,
    level_name: str = "",
) -> Chart:
    """Things by two measurements, with their intervals. `named` writes names beside them; `line` joins points behind
    them (a front); `level` is a line across, with its name; `log2` and `reverse` (low values to the right) are of x."""
    own = labels([*order, *(dot.series for dot in dots)])
    names = labels([dot.name for dot in dots], 60)
    rows: list[Chart] = [
        {
            "name": names[dot.name],
            "x": dot.x,
            "y": dot.y,
            "x_low": (dot.x_interval or (dot.x,))[0],
            "x_high": (dot.x_interval or (dot.x,))[-1],
            "y_low": (dot.y_interval or (dot.y,))[0],
            "y_high": (dot.y_interval or (dot.y,))[-1],
            "series": own[dot.series],
            "note": one_line(dot.note),
        }
        for dot in dots
    ]
    there = {dot.series for dot in dots}
    wide: Chart = {"type": "log", "base": 2} if log2 else {"reverse": True} if reverse else {}
    encoding: Chart = {
        "x": number("x", x, **wide, **_alone([end for dot in dots for end in (dot.x, *(dot.x_interval or ()))])),
        "y": number("y", y, **_alone([end for dot in dots for end in (dot.y, *(dot.y_interval or ()))])),
        "tooltip": [
            words("name"),
            *(hint(*axis) for axis in (("x", x), ("y", y))),
            *([words("note")] if any(dot.note for dot in dots) else []),
        ],
    }
    marks: list[Chart] = []
    hue = {"color": colour("series", own, there)}
    whisker = {"type": "rule", "strokeWidth": 2, "opacity": 0.35}
    for side in "xy":
        if any(getattr(dot, f"{side}_interval") for dot in dots):
            ends = {side: {**encoding[side], "field": f"{side}_low"}, f"{side}2": {"field": f"{side}_high"}}
            marks.append({"mark": whisker, "encoding": {**ends, **hue}})
    shape = {"shape": colour("series", own, there)} if len(there) > 1 else {}
    marks.append({"mark": "point", "encoding": {**hue, **shape}})
    if named:
        beside = {"type": "text", "align": "left", "dx": 8, "dy": -6, "style": "note"}
        marks.append({"mark": beside, "encoding": {"text": {"field": "name"}}})
    layers: list[Chart] = [{"data": values(rows), "encoding": encoding, "layer": marks}]
    if line:
        joined = values([{"x": a, "y": b, "at": at} for at, (a, b) in enumerate(line)])
        places = {"x": encoding["x"], "y": encoding["y"], "order": {"field": "at", "type": "quantitative"}}
        layers.insert(0, {"data": joined, "mark": {"type": "line", "style": "faint"}, "encoding": places})
    if level is not None:
        across = {"data": values([{"y": level, "name": one_line(level_name, 40)}]), "encoding": {"y": encoding["y"]}}
        label = {"type": "text", "style": "note", "align": "left", "dx": 4, "dy": -6}
        marks = [
            {"mark": {"type": "rule", "style": "zero"}},
            {"mark": label, "encoding": {"x": {"value": 0}, "text": {"field": "name"}}},
        ]
        layers.insert(0, {**across, "layer": marks})
    return {"height": HEIGHT, "layer": layers}


# pieces of Vega-Lite


def values(rows: Sequence[Mapping[str, Any]]) -> Chart:
    """Data. Inside a layer, where Streamlit leaves it as it is."""
    return {"values": list(rows)}


def number(field: str, title: str, axis: Chart | None = None, **scale: Any) -> Chart:
    """A position by a number; the scale is as wide as the data unless it is told otherwise."""
    shown = {"zero": False, "nice": False, "padding": 14, **scale}
    return {"field": field, "type": "quantitative", "title": title, "scale": shown, **({"axis": axis} if axis else {})}


def _alone(values: Sequence[float]) -> Chart:
    """Room around a value that has no other beside it."""
    return {} if len(set(values)) != 1 else {"domain": span(values), "padding": 0}


def span(ends: Sequence[float]) -> list[float]:
    """The domain of a scale that has these in it, with some room; `padding` would not see to an interval's ends."""
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    return [low - room, high + room]


def names_down(field: str = "name", place: str = "at") -> Chart:
    """Names down the side, in the order of the rows' `at`."""
    return {"field": field, "type": "nominal", "title": None, "sort": {"field": place, "op": "min"}}


def colour(field: str, own: Mapping[str, str], shown: set[str]) -> Chart:
    """A colour for each label of `own` in its order, whichever of them are shown; no legend for one."""
    legend = {"title": None, "values": [label for name, label in own.items() if name in shown]}
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(own.values())},
        "legend": legend if len(shown) > 1 else None,
    }


def words(field: str, title: str = " ") -> Chart:
    """A line of a tooltip."""
    return {"field": field, "type": "nominal", "title": title}


def hint(field: str, title: str) -> Chart:
    """A number in a tooltip, in four digits."""
    return {"field": field, "type": "quantitative", "title": title, "format": ".4~g"}
