"""The three pictures of docs/results.md, as SVG, from the committed figures alone: the searches, the finalists on test
rows, validation loss against benchmarks. A picture whose figures are not known yet is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.results.claims import turned
from tuning.report.drawing import Chart, Dot, Point, curves, names_down, number, scatter, span, svg, values

LOSS = "validation loss, nats a token"


def pictures(known: Mapping[str, Any]) -> dict[str, str]:
    """SVG by the file's name, without its ending, in the order of the page. `known` is docs/results/real.json."""
    charts = {"searches": _searches(known), "finalists": _finalists(known), "benchmarks": _benchmarks(known)}
    return {name: svg({**chart, "background": "white"}) for name, chart in charts.items() if chart is not None}


def _searches(known: Mapping[str, Any]) -> Chart | None:
    """The lowest value so far, by trial; the dots are all trials, but those far above, which would flatten the rest."""
    dots, lines = [], []
    for search in known["searches"]:
        best = float("inf")
        for trial in search["trials"]:
            if trial["value"] is not None:
                best = min(best, trial["value"])
                dots.append(Point(search["optimizer"], trial["number"], trial["value"]))
                lines.append(Point(search["optimizer"], trial["number"], best))
    if not dots:
        return None
    highest = max(point.y for point in lines)
    order = [search["optimizer"] for search in known["searches"]]
    shown = [dot for dot in dots if dot.y <= highest]
    return curves(lines, "trial", "loss, nats a token", order, steps=True, dots=shown)


def _finalists(known: Mapping[str, Any]) -> Chart | None:
    """What others lose against the one that validation loss chose, on test rows, with 95% intervals."""
    finalists = known["finalists"]
    if not finalists or not finalists["against"]:
        return None
    rows = [
        {"name": one["one"], "at": at, "value": one["difference"], "low": one["low"], "high": one["high"]}
        for at, one in enumerate(sorted(map(turned, finalists["against"]), key=lambda one: one["difference"]))
    ]
    ends = [0.0, *(float(row[end]) for row in rows for end in ("low", "high"))]
    x = number("value", f"test loss above that of {finalists['chosen']}, nats a token", domain=span(ends), padding=0)
    whisker = {"x": {**x, "field": "low"}, "x2": {"field": "high"}}
    marks = [
        {"mark": {"type": "rule", "style": "whisker"}, "encoding": whisker},
        {"mark": "point", "encoding": {"x": x}},
    ]
    zero = {"data": values([{"value": 0}]), "mark": {"type": "rule", "style": "zero"}, "encoding": {"x": x}}
    own = {"data": values(rows), "encoding": {"y": names_down()}, "layer": marks}
    return {"height": {"step": 30}, "layer": [zero, own]}


def _benchmarks(known: Mapping[str, Any]) -> Chart | None:
    """Validation loss and the mean over all tasks."""
    measured = known["benchmarks"]
    if not measured:
        return None
    means = {one["title"]: _mean(one["tasks"]) for one in measured["scores"]}
    dots = [
        Dot(one["title"], one["validation_loss"], means[one["title"]])
        for one in measured["scores"]
        if one["validation_loss"] is not None
    ]
    base = next((means[one["title"]] for one in measured["scores"] if one["is_base"]), None)
    title = f"{LOSS} (lower to the right)"
    return scatter(dots, title, "mean of all tasks, points", named=True, reverse=True, level=base, level_name="base")


def _mean(tasks: Mapping[str, Any]) -> float:
    return sum(value for value, _, _ in tasks.values()) / len(tasks)
