"""The page `history`: the finished runs' headline scores, the newest first."""

from __future__ import annotations

from leaderboard.app import store_cache
from leaderboard.html import empty, markup
from leaderboard.pages import Page
from tuning.store import Store


def history(store: Store) -> list[tuple[str, str, str, float]]:
    """(day, name, task, score) of each finished run's tasks."""
    runs = sorted((run for run in store.runs() if run.status == "finished"), key=lambda run: run.created, reverse=True)
    return [
        (f"{run.created:%Y-%m-%d}", run.name, score.task, score.value)
        for run in runs
        for score in store.scores(run.id)
        if score.group == "all"
    ]


def render() -> None:
    import streamlit as st

    store = store_cache.store()
    rows = store_cache.read(history) if store.exists() else []
    st.html('<h1 class="page-title">History</h1>')
    if not rows:
        empty.no_runs(str(store.path))
        return
    cells = "".join(
        f"<tr><td>{day}</td><td>{markup.text(name)}</td><td>{markup.text(task)}</td><td>{100 * value:.1f}</td></tr>"
        for day, name, task, value in rows
    )
    st.html(f"<table><tr><th>Day</th><th>Run</th><th>Task</th><th>Score</th></tr>{cells}</table>")


PAGE = Page("History", render)
