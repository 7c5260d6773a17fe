"""The contamination audit on a study's page: scores with and without flagged items, and these items (HTML of
templates/tables.html). Figures and words are those of the report (tuning/report/audits.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaderboard.html import tables
from leaderboard.html.tables import Head
from leaderboard.html.templates import macros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from tuning.report.views import StudyView

_WIDE = 200  # characters of a cell


def show(view: StudyView) -> None:
    """Nothing where no finalist was measured."""
    import streamlit as st

    from tuning.report import audits

    if not view.audits:
        return
    st.html(
        macros("shared").section("Contamination audit", f"What of the benchmarks stands in the rows of {view.name}.")
    )
    for sentence in audits.sentences(view.audits):
        st.html(macros("shared").sentence(sentence))
    both = ((audits.SCORES, audits.score_rows(view.audits)), (audits.FLAGGED, audits.flagged_rows(view.audits)))
    for heads, rows in both:
        if rows:
            st.html(_table(heads, rows))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    lines = [("", [tables.words(cell, most=_WIDE) for cell in row]) for row in rows]
    return tables.table("close", [Head(head[0].upper() + head[1:]) for head in heads], lines)
