"""Charts: valid Vega-Lite, the same figures in and out, and hostile names that stay text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.theme import charts
from tuning.report import charts as studies
from tuning.report import drawing, inks
from tuning.report.correlation import agreement
from tuning.report.findings import Model, Prediction, front
from tuning.report.importance import Importance
from tuning.report.views import StudyView, TrialView
from tuning.types import Hyperparameters

EVIL = '<script>alert(1)</script> **b** [l](http://evil.example/) $x^2$ "\'`\\ \x00\x1b\u202e datum.x {"signal": "1"}'
NAMES = ["base", EVIL, "x" * 5000, "x" * 5001]


def view(trials: int = 9) -> StudyView:
    made = tuple(
        TrialView(
            n,
            "tpe",
            Hyperparameters(2**n, 8.0 * n, 0.1, 1e-4 * n),
            "finished",
            values=(2.0 - n / 10, 100.0 * n),
            rung=1,
            train_loss=1.5 - n / 10,
            validation_loss=2.0 - n / 10,
            curve=((1, 3.0), (2, 2.0)),
        )
        for n in range(1, trials + 1)
    )
    return StudyView(EVIL, "m", "tpe", 0, trials, ("validation", EVIL), ("rank", "lr"), made)


def every() -> Iterator[tuple[str, drawing.Chart]]:
    scores = [
        charts.Estimate(name, 0.1 * n, 0.1 * n - 0.05, 0.1 * n + 0.05, 100, note=EVIL) for n, name in enumerate(NAMES)
    ]
    yield "bars", charts.interval_bars(scores, "accuracy, %")
    apart = [charts.Difference(name, n - 1.5, n - 2.2, n - 1, 10, EVIL) for n, name in enumerate(NAMES)]
    yield "differences", charts.difference_intervals(apart, "b - a, points")
    cells = [charts.Cell(a, b, None if a == b else 0.3, 0.1, 0.6, 9) for a in NAMES for b in NAMES]
    yield "matrix", charts.matrix(cells)
    points = [charts.Point(name, x, x / 3) for name in NAMES for x in range(3)]
    yield "curves", charts.curves(points, "step", "loss", NAMES, steps=True, dots=points)
    dots = [charts.Dot(name, n, n, (n - 1, n + 1), (n - 1, n + 1), name, EVIL) for n, name in enumerate(NAMES, 1)]
    yield (
        "scatter",
        charts.scatter(dots, "x", "y", log2=True, named=True, line=[(1, 1), (2, 3)], level=2, level_name=EVIL),
    )
    one = view()
    yield "best so far", studies.best_so_far([one, one])
    yield "parallel", studies.parallel(one)
    yield "importance", studies.importance(Importance(0.5, {EVIL: 0.4}, {EVIL: (0.2, 0.6)}, 20))
    yield "front", studies.front([one], [front(one)])
    yield "gap", studies.gap([one])
    models = tuple(Model(name, EVIL, n, n / 5, (n / 5 - 0.1, n / 5 + 0.1), ()) for n, name in enumerate(NAMES))
    yield "predicts", studies.predicts(Prediction(EVIL, models, agreement([1, 2], [1, 2]), 0.3))
    yield "training", studies.training({EVIL: [(1, 2.0), (2, 1.0)], "b": [(1, 1.0)]})


FORMS = dict(every())


@pytest.fixture(scope="module")
def schema() -> Any:
    """Vega-Lite's own, as Altair has it."""
    import altair.vegalite.v6
    import jsonschema

    home = Path(altair.vegalite.v6.__file__).parent / "schema"
    text = (home / "vega-lite-schema.json").read_text("utf-8")
    return jsonschema.Draft7Validator(json.loads(text))


@pytest.mark.parametrize("name", FORMS)
def test_a_chart_is_what_the_schema_says(schema, name):
    shown = {**FORMS[name], "config": inks.theme(inks.EITHER)}
    assert not [error.message[:300] for error in schema.iter_errors(json.loads(json.dumps(shown)))]


def test_the_schema_refuses_what_is_none(schema):
    """A checker that finds nothing would find nothing here either."""
    assert list(schema.iter_errors({"mark": "no such mark", "data": {"values": []}}))


@pytest.mark.parametrize("name", FORMS)
def test_hostile_text_is_text_in_the_picture(name):
    drawn = charts.svg(FORMS[name])
    root = ElementTree.fromstring(drawn)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {
        "svg",
        "g",
        "path",
        "text",
        "rect",
        "line",
        "defs",
        "clipPath",
        "title",
        "tspan",
        "linearGradient",
        "stop",
    }
    attributes = {key for element in root.iter() for key in element.attrib}
    assert not {key for key in attributes if key.startswith("on") or key.endswith("href")}
    assert not re.search(r"url\((?!#)", drawn)
    assert "\u202e" not in drawn
    assert "light-dark(" in drawn


@pytest.mark.parametrize("name", FORMS)
def test_names_stand_in_no_expression(name):
    """Vega evaluates filters, labelExpr and signals; none may hold a word that we were given."""

    def expressions(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, each in value.items():
                if key in ("filter", "calculate", "labelExpr", "expr", "signal", "test") and isinstance(each, str):
                    yield each
                yield from expressions(each)
        elif isinstance(value, list):
            for each in value:
                yield from expressions(each)

    for said in expressions(FORMS[name]):
        assert said in (
            "datum.faint",
            "!datum.faint",
            "datum.side == 1",
            "datum.side == -1",
            "datum.side == 0",
            "datum.value === 0 ? '0' : datum.label",
        )


def test_scores_come_out_as_they_went_in():
    chart = charts.interval_bars([charts.Estimate("m", 0.4567, 0.41, 0.503, 1234)], "accuracy, %")
    (row,) = chart["layer"][0]["data"]["values"]
    assert (row["shown"], row["interval"], row["n"]) == ("45.7", "41.0 to 50.3", "1,234")
    assert (row["value"], row["low"], row["high"]) == pytest.approx((45.67, 41, 50.3))


@pytest.mark.parametrize(("low", "high", "side"), [(0.01, 0.2, 1), (-0.2, -0.01, -1), (-0.1, 0.1, 0), (0.0, 0.1, 0)])
def test_the_colour_of_a_difference_is_its_interval_s(low, high, side):
    chart = charts.difference_intervals([charts.Difference("t", 0.05, low, high)], "points")
    (row,) = chart["layer"][1]["data"]["values"]
    assert row["side"] == side


def test_an_optimizer_has_its_colour_in_every_chart():
    one, other = (
        StudyView("s", "m", name, 0, 9, ("validation",), ("rank",), view().trials) for name in ("tpe", "random")
    )
    for shown in ([one], [other], [one, other]):
        domain = studies.best_so_far(shown)["encoding"]["color"]["scale"]["domain"]
        assert domain.index("tpe") == 2
        assert domain.index("random") == 6


@given(st.lists(st.text(max_size=80), max_size=8))
def test_different_names_have_different_labels(names):
    found = drawing.labels(names)
    assert set(found) == set(names)
    assert len(set(found.values())) == len(found)
    assert all(label.isprintable() or " " in label for label in found.values() if label.isascii())


@pytest.mark.parametrize(("colours", "page"), [(inks.LIGHT, "#ffffff"), (inks.DARK, "#12171d")])
def test_colours_stand_out_from_the_page(colours, page):
    """WCAG 2.2: 3 for marks, 4.5 for text."""
    assert all(contrast(colour, page) >= 3 for colour in (*colours.palette, colours.better, colours.worse))
    assert all(contrast(colour, page) >= 4.5 for colour in (colours.text, colours.muted))
    for value in range(11):
        light, dark = re.findall("#[0-9a-f]{6}", charts._shade(value / 10))
        assert contrast(colours.text, light if colours is inks.LIGHT else dark) >= 4.5


def contrast(a: str, b: str) -> float:
    low, high = sorted(map(luminance, (a, b)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
