"""The trials of studies as a table of HTML: state, objective, rung, seconds, hyperparameters, scores. All values are
text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from harness.cli.tables import interval
from leaderboard.html import markup
from tuning.report.views import StudyView, TrialView

PAGE = 25  # trials at once


class Row(NamedTuple):
    study: StudyView
    trial: TrialView


class Column(NamedTuple):
    key: str  # in the address
    title: str
    value: Callable[[Row], Any]  # what sorts; None comes last
    shown: Callable[[Row], str]  # HTML
    right: bool = True
    hint: str = ""


def columns(views: Sequence[StudyView]) -> list[Column]:
    """Those that these studies have values for."""
    objectives = list(dict.fromkeys(name for view in views for name in view.objectives))
    searched = sorted({name for view in views for name in view.searched})
    scores = sorted({name for view in views for trial in view.trials for name in trial.scores})
    found = [Column("trial", "Trial", lambda row: row.trial.number, _trial)]
    if len(views) > 1:
        found.insert(
            0, Column("study", "Study", lambda row: row.study.name, lambda r: markup.text(r.study.name, 40), False)
        )
    found += [
        Column("by", "Proposed by", lambda row: row.trial.label or row.trial.optimizer, _by, False),
        Column("state", "State", lambda row: row.trial.state, _state, False),
    ]
    found += [_objective(name) for name in objectives]
    found += [
        Column(
            "rows",
            "Rows",
            lambda row: row.trial.rung,
            _rows,
            hint="The part of the training rows that the value is from.",
        ),
        Column("seconds", "Seconds", lambda row: row.trial.seconds, lambda row: f"{row.trial.seconds:,.0f}"),
    ]
    found += [_hyper(name) for name in searched]
    found += [_score(name) for name in scores]
    return found


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
) -> str:
    """`rows` in their order; `best` are (study's name, trial) that stand out."""
    head = "".join(_heading(column, sort, down, sorter) for column in shown)
    body = []
    for row in rows:
        first = (row.study.name, row.trial.number) in best
        kind = "best" if first else "" if row.trial.whole else "apart"
        cells = "".join(f'<td class="{"n" if c.right else ""}">{c.shown(row)}</td>' for c in shown)
        body.append(f'<tr class="{kind}">{cells}</tr>')
    return (
        f'<div class="board-scroll" tabindex="0"><table class="board trials"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _heading(column: Column, sort: str, down: bool, sorter: Callable[[str], str]) -> str:
    arrow = ("▾" if down else "▴") if column.key == sort else ""
    order = {"▴": ' aria-sort="ascending"', "▾": ' aria-sort="descending"', "": ""}[arrow]
    shown = f'{markup.text(column.title, 40)}<span class="arrow">{arrow}</span>'
    label = f'<a href="{markup.text(sorter(column.key))}">{shown}</a>'
    kind = ' class="n"' if column.right else ""
    return f'<th scope="col"{kind} title="{markup.text(column.hint or column.title)}"{order}>{label}</th>'


def _trial(row: Row) -> str:
    """With a link to its run where it was measured."""
    if row.trial.runs:
        return markup.link(row.trial.number, "run", title="the run that measured it", run=row.trial.runs[0])
    return str(row.trial.number)


def _by(row: Row) -> str:
    return markup.text(row.trial.label or row.trial.optimizer, 40)


def _state(row: Row) -> str:
    state = row.trial.state
    words = "stopped at a rung" if state == "stopped" else state
    return f'<span class="state {markup.text(state)}">{markup.text(words)}</span>'


def _rows(row: Row) -> str:
    return "" if row.trial.rung is None else f"{100 * row.trial.rung:g}%"


def _objective(name: str) -> Column:
    def value(row: Row) -> tuple[bool, float] | None:
        if row.trial.values is None or name not in row.study.objectives:
            return None
        return not row.trial.whole, row.trial.values[row.study.objectives.index(name)]

    def shown(row: Row) -> str:
        found = value(row)
        return "" if found is None else f"{found[1]:.5g}"

    return Column(
        name, name, value, shown, hint="Where the trial got to: on a part of the rows, the value is of that part."
    )


def _hyper(name: str) -> Column:
    def value(row: Row) -> Any:
        found = getattr(row.trial.hyperparameters, name)
        return ", ".join(found) if isinstance(found, tuple) else found

    def shown(row: Row) -> str:
        found = value(row)
        return markup.text(f"{found:.4g}" if isinstance(found, float) else found, 60)

    return Column(name, name, value, shown)


def _score(name: str) -> Column:
    def value(row: Row) -> float | None:
        return row.trial.scores.get(name)

    def shown(row: Row) -> str:
        found = value(row)
        if found is None:
            return ""
        low, high = row.trial.intervals.get(name, (found, found))
        text, _, ends = interval({"value": found, "low": low, "high": high}).partition(" ")
        label = markup.text(text)
        if row.trial.runs and not name.startswith("preference"):
            label = markup.link(text, "run", title=f"{name} {ends}", run=row.trial.runs[0])
        return f'<span title="{markup.text(ends)}">{label}</span>'

    return Column(name, name, value, shown, hint="95% intervals: hold the pointer over a score.")
