"""The charts of studies on the page, each with a sentence. Figures are `tuning.report.findings`'s: `harness tune
report` prints the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboard.app import store_cache
from leaderboard.html.templates import macros
from leaderboard.studies import correlation_table
from leaderboard.theme import charts

if TYPE_CHECKING:
    from tuning.report.findings import Prediction
    from tuning.report.importance import Importance
    from tuning.report.views import StudyView
    from tuning.store import Store, StudyRow

AT_ONCE = 2  # scores whose charts are drawn without being asked for: each takes a browser some time

# whether loss says what counts


def prediction(rows: Sequence[StudyRow], views: Sequence[StudyView]) -> None:
    """Validation loss against each benchmark and preference."""
    import streamlit as st

    from tuning.report.findings import predictions

    _heading("Does validation loss predict the scores?")
    predicted = predictions(views) if any(trial.scores for view in views for trial in view.ranked) else ()
    if not predicted:
        _sentence(
            "No two trials have a score yet. This measures the best of them, and some of the others, on benchmarks:"
        )
        st.code(f"harness tune top {rows[0].id[:12]} --k 8 --spread 8 --run", language=None)
        return
    left = [view.name for view in views if view.rows != views[0].rows]
    if left:
        _sentence(f"Left out, because their base or rows are others and their losses therefore too: {_list(left)}.")
    _sentence(correlation_table.EXPLANATION)
    st.html(correlation_table.table(predicted))
    order = list(dict.fromkeys(model.study for prediction in predicted for model in prediction.models))
    _panels(predicted[:AT_ONCE], order)
    if rest := predicted[AT_ONCE:]:
        more = st.expander(f"{len(rest)} more", key="more-scores", on_change="rerun")
        if more.open:
            with more:
                _panels(rest, order)


def _panels(predicted: Sequence[Prediction], order: Sequence[str]) -> None:
    import streamlit as st

    columns = st.columns(2, gap="large") if len(predicted) > 1 else [st.container()]
    for at, prediction in enumerate(predicted):
        with columns[at % len(columns)]:
            _panel(prediction, order)


def _panel(prediction: Prediction, order: Sequence[str]) -> None:
    import streamlit as st

    from tuning.report.charts import predicts
    from tuning.report.findings import in_words

    words = in_words(prediction.agreement)
    verdict = correlation_table.verdict(prediction.agreement)
    st.html(macros("studies").panel(prediction.name, verdict, words[0].upper() + words[1:]))
    chart = predicts(prediction, order)
    charts.show(chart, f"{charts.one_line(prediction.name, 60)} by validation loss, a point a model.")


# how the search went


def search(rows: Sequence[StudyRow], views: Sequence[StudyView]) -> None:
    import streamlit as st

    from tuning.report import charts as own
    from tuning.report.findings import comparable, front
    from tuning.report.trial_scores import under_way

    left, right = st.columns(2, gap="large")
    with left:
        _heading("Best so far", "The least objective by trial; dots are all trials that were trained on all rows.")
        same = [view for view in comparable(views) if view.objectives[0] == views[0].objectives[0]]
        if len(same) < len(views):
            names = _list([view.name for view in views if view not in same])
            _sentence(f"On another base, other rows or another objective: {names}.")
        if any(view.ranked for view in same):
            charts.show(own.best_so_far(same), "The best objective so far by trial, a line a study.", "best")
        else:
            _nothing("No trial was trained on all rows yet.")
    with right:
        going = {
            _called(row, name, rows): curve
            for row in rows
            for name, curve in (store_cache.read(under_way, row.id) if row.status == "running" else {}).items()
        }
        _training(going, rows, views)
    alike = [view for view in comparable(views) if view.objectives == views[0].objectives]
    fronts = [front(view) for view in alike]
    if len(fronts[0]) > 1:
        _heading("Trade-off", "Two objectives; the line joins trials that none betters in both.")
        charts.show(own.front(alike, fronts), "Two objectives of every trial, with the front.", "front")


def every(rows: Sequence[StudyRow], views: Sequence[StudyView]) -> None:
    """Parallel coordinates, a study at a time."""
    from tuning.report import charts as own

    for row, view in zip(rows, views, strict=True):
        if len(view.ranked) > 2 and own.differing(view):
            name = f" · {view.name}" if len(views) > 1 else ""
            _heading(f"Every trial{name}", "A line a trial over what was searched; the best third stands out.")
            charts.show(own.parallel(view), "Hyperparameters of every trial, a line each.", f"parallel-{row.id}")


def _training(
    going: dict[str, tuple[tuple[int, float], ...]], rows: Sequence[StudyRow], views: Sequence[StudyView]
) -> None:
    from tuning.report import charts as own

    shown, under = going, "Trainings under way; the page follows."
    if not going:
        under = "Training loss of the best trials."
        best = sorted(
            (
                (trial.first, view.name, trial)
                for view in views
                for trial in view.ranked
                if trial.curve and view.objectives[0] == views[0].objectives[0]
            ),
            key=lambda ranked: ranked[0],
        )
        shown = {
            (f"{name} trial {trial.number}" if len(views) > 1 else f"trial {trial.number}"): trial.curve
            for _, name, trial in best[: own.CURVES]
        }
    _heading("Training", under)
    if shown:
        charts.show(own.training(shown), "Training loss by optimizer step, a line a training.", "training")
    else:
        _nothing("No training has written a loss yet.")


def _called(row: StudyRow, name: str, rows: Sequence[StudyRow]) -> str:
    return f"{row.name} {name}" if len(rows) > 1 else name


# what mattered


def mattered(rows: Sequence[StudyRow], views: Sequence[StudyView]) -> None:
    """Importance and overfitting. A forest a study: kept until another trial has ended."""
    import streamlit as st

    from tuning.report import charts as own
    from tuning.report.findings import gap_agreement, gap_points, in_words, mattered_words

    left, right = st.columns(2, gap="large")
    with right:
        _heading("Rank and overfitting", "How far validation loss lies above train loss, by rank.")
        alike = [view for view in views if gap_points(view.ranked)]
        if alike:
            charts.show(own.gap(alike), "The gap from train to validation loss by rank, a point a trial.", "gap")
        for view in views:
            agreement = gap_agreement(view)
            if agreement is not None:
                name = f"{view.name}: " if len(views) > 1 else ""
                _sentence(f"{name}{in_words(agreement)}.")
    with left:
        _heading("What mattered")
        for row, view in zip(rows, views, strict=True):
            forest = store_cache.settled(importance_of, row.id, len(view.ranked))
            name = f"{view.name}: " if len(views) > 1 else ""
            _sentence(name + mattered_words(forest))
            if forest is not None and forest.explained > 0:
                charts.show(own.importance(forest), "R² lost when a hyperparameter is shuffled.", f"forest-{row.id}")


def importance_of(store: Store, study: str, whole: int) -> Importance | None:
    """`whole`, trials on all rows: what the forest depends on."""
    from tuning.report.documents import view_of
    from tuning.report.importance import importance

    return importance(view_of(store, study))


def _heading(title: str, under: str = "") -> None:
    import streamlit as st

    st.html(macros("shared").section(title, under, 120))


def _sentence(words: str) -> None:
    import streamlit as st

    st.html(macros("shared").sentence(words))


def _nothing(words: str) -> None:
    import streamlit as st

    st.html(macros("shared").nothing(words))


def _list(names: Sequence[str]) -> str:
    """On one line, cut where there are many."""
    return charts.one_line(", ".join(names), 300)
