"""The charts of studies, by the forms of `tuning.report.drawing`. The report and the board show the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tuning import optimizers
from tuning.report.drawing import (
    HEIGHT,
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
from tuning.report.findings import Prediction, gap_points
from tuning.report.importance import Importance, features
from tuning.report.views import StudyView, TrialView

CURVES = 6  # trainings shown at once
_PARTS = ("best third", "middle", "worst third")


def series(views: Sequence[StudyView]) -> tuple[list[str], tuple[str, ...]]:
    """What each study's line is called, and all names in the order of colours. An optimizer has its colour wherever it
    is shown; several studies of one are told apart by their names."""
    often = Counter(view.optimizer for view in views)
    if max(often.values(), default=1) == 1:
        return [view.optimizer for view in views], tuple(optimizers.names())
    again = Counter((view.optimizer, view.name) for view in views)
    names = [
        f"{view.optimizer} · {view.name}" + (f" {at}" if again[view.optimizer, view.name] > 1 else "")
        for at, view in enumerate(views, 1)
    ]
    return names, tuple(names)


def best_so_far(views: Sequence[StudyView]) -> Chart:
    """The least of the first objective by trial, and every trial measured on all rows."""
    names, order = series(views)
    lines, dots = [], []
    for view, name in zip(views, names, strict=True):
        best = float("inf")
        for trial in view.trials:
            if trial.whole:
                best = min(best, trial.first)
                dots.append(Point(name, trial.number, trial.first))
                lines.append(Point(name, trial.number, best))
    return curves(lines, "trial", in_units(views[0].objectives[0]), order, steps=True, dots=dots)


def differing(view: StudyView) -> list[str]:
    """The hyperparameters in which the ranked trials differ."""
    trials = view.ranked
    return [name for name in view.searched if len({t.hyperparameters.value_of(name) for t in trials}) > 1]


def parallel(view: StudyView) -> Chart:
    """A line a trial over its hyperparameters and its first objective, each scaled to its own range."""
    trials = view.ranked
    names = differing(view)
    own = labels([*names, view.objectives[0]])
    columns = [*features([t.hyperparameters for t in trials], names).T.tolist(), [t.first for t in trials]]
    written = [*([_short(t.hyperparameters.value_of(name)) for t in trials] for name in names)]
    written.append([f"{trial.first:.4g}" for trial in trials])
    rows, ends = [], []
    for place, (label, codes, shown) in enumerate(zip(own.values(), columns, written, strict=True)):
        low, high = min(codes), max(codes)
        for rank, (trial, code) in reversed(list(enumerate(zip(trials, codes, strict=True)))):  # the best on top
            at = (code - low) / (high - low) if high > low else 0.5
            part = _PARTS[3 * rank // len(trials)]
            text = f"trial {trial.number}: {trial.first:.5g}"
            rows.append({"of": label, "place": place, "at": at, "part": part, "trial": trial.number, "told": text})
        for code in (low, high):
            text = one_line(shown[codes.index(code)], 14)
            ends.append({"of": label, "place": place, "at": float(code == high), "text": text})
    x = {**names_down("of", "place"), "axis": {"labelAngle": 0, "labelPadding": 20, "orient": "bottom", "grid": True}}
    y = number("at", "", axis={"labels": False, "grid": False, "title": None}, domain=[-0.04, 1.04], padding=0)
    lines = {
        "data": values(rows),
        "mark": {"type": "line", "opacity": 0.75, "strokeWidth": 1.6},
        "encoding": {
            "x": x,
            "y": y,
            "detail": {"field": "trial", "type": "nominal"},
            "color": {
                "field": "part",
                "type": "ordinal",
                "scale": {"domain": list(_PARTS)},
                "legend": {"title": None, "symbolType": "stroke", "offset": 26},
            },
            "order": {"field": "place", "type": "quantitative"},
            "tooltip": [words("told")],
        },
    }
    texts = [
        {
            "data": values([end for end in ends if end["at"] == at]),
            "mark": {"type": "text", "style": "note", "baseline": side, "dy": dy},
            "encoding": {"x": x, "y": y, "text": {"field": "text"}},
        }
        for at, side, dy in ((0, "top", 8), (1, "bottom", -8))
    ]
    return {"height": HEIGHT + 40, "layer": [lines, *texts]}


def importance(forest: Importance) -> Chart:
    """What each hyperparameter's shuffling takes from R², with its interval."""
    own = labels(list(forest.lost))
    rows = [
        {
            "name": own[name],
            "at": at,
            "value": lost,
            "low": forest.intervals[name][0],
            "high": forest.intervals[name][1],
            "told": f"{lost:.2f} [{forest.intervals[name][0]:.2f}, {forest.intervals[name][1]:.2f}]",
        }
        for at, (name, lost) in enumerate(forest.lost.items())
    ]
    ends = [0.0, *(end for low, high in forest.intervals.values() for end in (low, high))]
    x = number("value", "R² on unseen trials lost when shuffled", domain=span(ends), padding=0)
    shared: Chart = {"y": names_down(), "tooltip": [words("name"), words("told", "R² lost")]}
    zero = {"data": values([{"value": 0}]), "mark": {"type": "rule", "style": "zero"}, "encoding": {"x": x}}
    marks = [
        {"mark": {"type": "bar", "height": 12}, "encoding": {"x": x, "x2": {"datum": 0}}},
        {
            "mark": {"type": "rule", "style": "whisker"},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
        },
    ]
    return {"height": {"step": 30}, "layer": [zero, {"data": values(rows), "encoding": shared, "layer": marks}]}


def front(views: Sequence[StudyView], fronts: Sequence[Sequence[TrialView]]) -> Chart:
    """Two objectives of every trial; a line joins those of the first study that none betters in both."""
    names, order = series(views)
    x, y = map(in_units, views[0].objectives[:2])
    dots = [
        Dot(f"trial {trial.number}", trial.values[0], trial.values[1], series=name)
        for view, name in zip(views, names, strict=True)
        for trial in view.ranked
        if trial.values
    ]
    line = sorted((trial.values[0], trial.values[1]) for trial in fronts[0] if trial.values)
    return scatter(dots, x, y, order, line=line)


def gap(views: Sequence[StudyView]) -> Chart:
    """Rank against what validation loss is above train loss."""
    names, order = series(views)
    dots = [
        Dot(f"trial {trial}", rank, above, series=name)
        for view, name in zip(views, names, strict=True)
        for trial, rank, above in gap_points(view.ranked)
    ]
    return scatter(dots, "rank", "validation less train loss, nats", order, log2=True)


def predicts(prediction: Prediction, order: Sequence[str] = ()) -> Chart:
    """Validation loss and one score of the same models, with the score's interval; a dashed line is the base's score.
    Lower loss is to the right, so that a loss that predicts well climbs."""
    percent = 100 if all(0 <= model.score <= 1 for model in prediction.models) else 1
    dots = [
        Dot(
            model.name,
            model.loss,
            percent * model.score,
            y_interval=model.interval and (percent * model.interval[0], percent * model.interval[1]),
            series=model.study,
        )
        for model in prediction.models
    ]
    name = one_line(prediction.name, 40)
    base = None if prediction.base is None else percent * prediction.base
    x = "validation loss, nats a token (lower to the right)"
    return scatter(dots, x, name, order, reverse=True, level=base, level_name="base")


def training(losses: Mapping[str, Sequence[tuple[int, float]]]) -> Chart:
    """(optimizer step, training loss) of the first few of these trainings, by what they are called."""
    shown = list(losses)[:CURVES]
    points = [Point(name, step, loss) for name in shown for step, loss in losses[name]]
    return curves(points, "optimizer step", "training loss, nats a token", shown)


def in_units(objective: str) -> str:
    """An objective as the title of an axis."""
    known = {
        "validation": "validation loss, nats a token",
        "seconds": "seconds of training",
        "memory": "memory, bytes",
        "adapter-size": "adapter, bytes",
        "forgetting": "forgetting, nats a token",
    }
    return known.get(objective.partition(":")[0], one_line(objective, 40))


def _short(value: object) -> str:
    """A hyperparameter's value at the end of its axis."""
    if isinstance(value, tuple):
        return "+".join(part.removesuffix("_proj") for part in map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
