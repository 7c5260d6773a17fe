"""The plots of a report: SVG text, made with altair. Nothing in them asks for anything from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuning.importance import LOGARITHMIC, features
from tuning.views import StudyView, TrialView

if TYPE_CHECKING:
    import altair

WIDTH, HEIGHT = 640, 260
CURVES = 10  # trials whose training is shown


def best_so_far(view: StudyView) -> str:
    """The first objective by trial number, and the least so far."""
    best, rows = float("inf"), []
    for trial in view.trials:
        if trial.whole:
            best = min(best, trial.first)
            rows.append({"trial": trial.number, "value": trial.first, "best": best, "by": trial.optimizer})
    import altair as alt

    y = alt.Y("value:Q", title=view.objectives[0], scale=alt.Scale(zero=False))
    points = alt.Chart(_data(rows)).mark_circle(size=45).encode(x=_trial(), y=y, color=alt.Color("by:N", title=None))
    line = alt.Chart(_data(rows)).mark_line(interpolate="step-after").encode(x=_trial(), y=alt.Y("best:Q"))
    return _svg(line + points)


def parallel(view: StudyView) -> str:
    """A line a trial over its hyperparameters, each scaled to its own range, dark for the best third."""
    import altair as alt

    trials = view.ranked
    names = [name for name in view.searched if len({getattr(t.hyperparameters, name) for t in trials}) > 1]
    x = features([trial.hyperparameters for trial in trials], names)
    low, high = x.min(axis=0), x.max(axis=0)
    rows = []
    for place, (trial, codes) in enumerate(zip(trials, (x - low) / (high - low), strict=True)):
        part = ("best third", "middle", "worst third")[3 * place // len(trials)]
        rows += [
            {
                "trial": trial.number,
                "of": f"{name} (log)" if name in LOGARITHMIC else name,
                "at": float(at),
                "part": part,
            }
            for name, at in zip(names, codes, strict=True)
        ]
    scale = alt.Scale(domain=["best third", "middle", "worst third"], range=["#b1341b", "#8aa0b8", "#d9dee4"])
    chart = (
        alt.Chart(_data(rows))
        .mark_line(opacity=0.7)
        .encode(
            x=alt.X("of:N", title=None, sort=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("at:Q", title="lowest to highest tried", axis=alt.Axis(labels=False)),
            color=alt.Color("part:N", title=None, scale=scale),
            detail="trial:N",
            order=alt.Order("part:N", sort="descending"),
        )
    )
    return _svg(chart)


def bars(values: Mapping[str, float], title: str) -> str:
    import altair as alt

    rows = [{"name": name, "value": value} for name, value in values.items()]
    chart = (
        alt.Chart(_data(rows))
        .mark_bar()
        .encode(x=alt.X("value:Q", title=title), y=alt.Y("name:N", title=None, sort=None))
    )
    return _svg(chart, height=24 * len(rows))


def scatter(
    points: Sequence[tuple[int, float, float]], x: str, y: str, *, log2: bool = False, smaller: bool = False
) -> str:
    """`points` are (trial, x, y)."""
    import altair as alt

    rows = [{"trial": trial, "x": a, "y": b} for trial, a, b in points]
    scale = alt.Scale(type="log", base=2, zero=False) if log2 else alt.Scale(zero=False)
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("x:Q", title=x, scale=scale), y=alt.Y("y:Q", title=y, scale=alt.Scale(zero=False))
    )
    chart = base.mark_circle(size=50) + base.mark_text(dx=9, dy=-4, fontSize=9, color="#555").encode(text="trial:N")
    return _svg(chart, *((WIDTH // 2, HEIGHT // 2) if smaller else ()))


def curves(trials: Sequence[TrialView]) -> str:
    """Training loss by optimizer step of the first few of these."""
    import altair as alt

    rows = [
        {"trial": str(trial.number), "step": step, "loss": loss}
        for trial in trials[:CURVES]
        for step, loss in trial.curve
    ]
    chart = (
        alt.Chart(_data(rows))
        .mark_line()
        .encode(
            x=alt.X("step:Q", title="optimizer step"),
            y=alt.Y("loss:Q", title="training loss, nats a token", scale=alt.Scale(zero=False)),
            color=alt.Color("trial:N", sort=None),
        )
    )
    return _svg(chart)


def _trial() -> altair.X:
    import altair as alt

    return alt.X("trial:Q", title="trial", scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(tickMinStep=1))


def _data(rows: list[dict[str, Any]]) -> altair.Data:
    import altair as alt

    return alt.Data(values=rows)


def _svg(chart: altair.LayerChart | altair.Chart, width: int = WIDTH, height: int = HEIGHT) -> str:
    import vl_convert

    shown = chart.properties(width=width, height=height).configure(font="sans-serif", background="white")
    return vl_convert.vegalite_to_svg(shown.to_dict(), allowed_base_urls=[])
