"""The trials of studies as a table of HTML (templates/tables.html): state, objective, rung, seconds,
hyperparameters, scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.cli.tables import interval
from leaderboard.app import state
from leaderboard.html import tables
from leaderboard.html.tables import Cell, Head
from leaderboard.html.templates import shorten
from tuning.report.views import StudyView, TrialView

if TYPE_CHECKING:
    from markupsafe import Markup

PAGE = 25  # trials at once


class Row(NamedTuple):
    study: StudyView
    trial: TrialView


class Column(NamedTuple):
    key: str  # in the address
    title: str
    value: Callable[[Row], Any]  # what sorts; None comes last
    shown: Callable[[Row], Cell]
    right: bool = True  # its head, as its cells say of themselves
    hint: str = ""


def columns(views: Sequence[StudyView]) -> list[Column]:
    """Those that these studies have values for."""
    objectives = list(dict.fromkeys(name for view in views for name in view.objectives))
    searched = sorted({name for view in views for name in view.searched})
    scores = sorted({name for view in views for trial in view.trials for name in trial.scores})
    several = [
        Column("study", "Study", lambda row: row.study.name, lambda row: tables.words(row.study.name, most=40), False)
    ]
    return [
        *(several if len(views) > 1 else ()),
        Column("trial", "Trial", lambda row: row.trial.number, _trial),
        Column("by", "Proposed by", _proposer, lambda row: tables.words(_proposer(row), most=40), False),
        Column("state", "State", lambda row: row.trial.state, _state, False),
        *map(_objective, objectives),
        Column(
            "rows",
            "Rows",
            lambda row: row.trial.rung,
            _rows,
            hint="The part of the training rows that the value is from.",
        ),
        Column(
            "seconds",
            "Seconds",
            lambda row: row.trial.seconds,
            lambda row: tables.number(f"{row.trial.seconds:,.0f}"),
        ),
        *map(_hyper, searched),
        *map(_score, scores),
    ]


def ordered(rows: Sequence[Row], by: Column, down: bool) -> list[Row]:
    known = [row for row in rows if by.value(row) is not None]
    return sorted(known, key=by.value, reverse=down) + [row for row in rows if by.value(row) is None]


def table(
    rows: Sequence[Row],
    shown: Sequence[Column],
    sort: str,
    down: bool,
    sorter: Callable[[str], str],
    best: set[tuple[str, int]],
) -> Markup:
    """`rows` in their order; `best` are (study's name, trial) that stand out."""
    arrow = "▾" if down else "▴"
    heads = [
        Head(
            shorten(column.title, 40),
            "n" if column.right else "",
            sorter(column.key),
            arrow if column.key == sort else "",
            column.hint or column.title,
        )
        for column in shown
    ]
    lines = []
    for row in rows:
        first = (row.study.name, row.trial.number) in best
        css = "best" if first else "" if row.trial.whole else "apart"
        lines.append((css, [column.shown(row) for column in shown]))
    return tables.table("trials", heads, lines)


def _trial(row: Row) -> Cell:
    """With a link to its run where it was measured."""
    number, runs = str(row.trial.number), row.trial.runs
    if not runs:
        return tables.number(number)
    return tables.words(number, "n", address=state.link("run", run=runs[0]), hint="the run that measured it")


def _study(row: Row) -> Cell:
    return tables.words(row.study.name, most=40)


def _seconds(row: Row) -> Cell:
    return tables.number(f"{row.trial.seconds:,.0f}")


def _proposer(row: Row) -> str:
    return row.trial.label or row.trial.optimizer


def _state(row: Row) -> Cell:
    words = "stopped at a rung" if row.trial.state == "stopped" else row.trial.state
    return tables.toned(words, f"state {row.trial.state}")


def _rows(row: Row) -> Cell:
    return tables.number("" if row.trial.rung is None else f"{100 * row.trial.rung:g}%")


def _objective(name: str) -> Column:
    def value(row: Row) -> tuple[bool, float] | None:
        if row.trial.values is None or name not in row.study.objectives:
            return None
        return not row.trial.whole, row.trial.values[row.study.objectives.index(name)]

    def shown(row: Row) -> Cell:
        partial_and_value = value(row)
        if partial_and_value is None:
            return tables.number("")
        address = state.link("studies", study=row.study.id, view="trials", trial=row.trial.number)
        hint = "where it is from"
        return tables.words(f"{partial_and_value[1]:.5g}", "n", address=address if row.study.id else "", hint=hint)

    return Column(
        name, name, value, shown, hint="Where the trial got to: on a part of the rows, the value is of that part."
    )


def _hyper(name: str) -> Column:
    def value(row: Row) -> Any:
        hyper = row.trial.hyperparameters.value_of(name)
        return ", ".join(hyper) if isinstance(hyper, tuple) else hyper

    def shown(row: Row) -> Cell:
        hyper = value(row)
        if hyper is None:  # a share of rows, which another study searches
            return tables.absent()
        return tables.words(f"{hyper:.4g}" if isinstance(hyper, float) else hyper, "n")

    return Column(name, name, value, shown)


def _score(name: str) -> Column:
    def value(row: Row) -> float | None:
        return row.trial.scores.get(name)

    def shown(row: Row) -> Cell:
        score = value(row)
        if score is None:
            return tables.number("")
        low, high = row.trial.intervals.get(name, (score, score))
        number, _, ends = interval({"value": score, "low": low, "high": high}).partition(" ")
        if row.trial.runs and not name.startswith("preference"):
            address = state.link("run", run=row.trial.runs[0])
            return tables.words(number, "n", address=address, hint=f"{name} {ends}")
        return tables.words(number, "n", hint=ends)

    return Column(name, name, value, shown, hint="95% intervals: hold the pointer over a score.")
