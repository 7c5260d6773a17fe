"""`harness board --export DIR`: leaderboard, comparisons, studies and preference as files that any web server, or none,
can show. Each page is whole in itself: no script, no request; its Content-Security-Policy forbids both (templates/
site.html)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, StoreError, UsageError
from leaderboard.html.templates import macros
from leaderboard.theme import charts, theme

if TYPE_CHECKING:
    from markupsafe import Markup

    from harness.evaluation.task_result import TaskResult
    from harness.results import RunRow
    from judges.ranking.evidence import Source
    from leaderboard.ranking.board import Board, Column, Row
    from leaderboard.ranking.board_table import View
    from leaderboard.ranking.preferences import Preferences
    from tuning.store import Store, StudyRow

COMPARED = 6  # configurations of a protocol, the best ones, of which every two are compared
WIDTH = 480  # of a plot, in pixels
_PAGES = {
    "index.html": "Leaderboard",
    "compare.html": "Comparisons",
    "studies.html": "Studies",
    "preference.html": "Preference",
}


def write(store: Store, folder: Path) -> Path:
    """The site's first page. The folder is made; files of an earlier export are replaced, one by one and each whole.

    StoreError where there is no store, HarnessError where the folder cannot be written."""
    if not store.exists():
        raise StoreError(f"There is no store at {store.path}. `harness run` makes one; --db or HARNESS_DB names it.")
    studies = store.studies()
    content = {
        "index.html": _leaderboard(store),
        "compare.html": _comparisons(store),
        "studies.html": _studies(studies),
        **{_study_file(row): _study(store, row) for row in studies},
        "preference.html": _preference(store),
    }
    rules = theme.css(".site")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, (title, body) in content.items():
            new = folder / f".{name}.new"
            new.write_text(macros("site").page(name, _PAGES, title, body, rules), "utf-8")
            os.replace(new, folder / name)
        for left in folder.glob("study-*.html"):
            if left.name not in content:
                left.unlink()
    except OSError as error:
        raise HarnessError(f"The site cannot be written to {folder}: {error.strerror or error}.") from error
    return folder / "index.html"


# the leaderboard


def _leaderboard(store: Store) -> tuple[str, Markup]:
    from leaderboard.ranking.bands import RULE
    from leaderboard.ranking.board import boards
    from leaderboard.ranking.board_table import table

    preference = _preferences(store)
    parts = []
    for board in boards(store):
        view = _view(store, board, preference)
        parts.append((board.protocol, table(view.ordered(board.rows), view, inside=False)))
    return "Leaderboard", macros("site").leaderboard(parts, RULE)


def _preferences(store: Store) -> Preferences | None:
    from leaderboard.ranking.preferences import preferences

    return preferences(store, store.verdicts())


def _view(store: Store, board: Board, preference: Preferences | None) -> View:
    from leaderboard.ranking.bands import bands
    from leaderboard.ranking.board_table import View

    by_column = {c.key: bands(store, board.ranked(c), c.task, c.metric) for c in board.columns}
    people, judges = (preference.people, preference.judges) if preference else ({}, {})
    extras = [
        name
        for name, own in (("people", people), ("judges", judges))
        if any(digest in own for row in board.rows for digest in row.digests)
    ]
    extras += ["lineage"] if any(row.lineage for row in board.rows) else []
    return View(
        board.columns, [*extras, "date"], by_column, people, judges, board.columns[0].key if board.columns else "name"
    )


# comparisons


def _comparisons(store: Store) -> tuple[str, Markup]:
    from leaderboard.ranking.board import boards

    runs = {run.id: run for run in store.runs()}
    parts = []
    for board in boards(store):
        ranked = [row for row in _view(store, board, None).ordered(board.rows) if not row.partial]
        chosen = ranked[:COMPARED]
        loaded = {row.key: _results(store, row, board.columns) for row in chosen}
        pairs = [
            _pair(a, b, loaded[a.key], loaded[b.key], runs) for at, b in enumerate(chosen) for a in chosen[at + 1 :]
        ]
        if pairs := [pair for pair in pairs if pair]:
            under = f"Every two of {len(chosen)} configurations" + (
                f", the first of {len(ranked)} on the leaderboard." if len(ranked) > len(chosen) else "."
            )
            parts.append((board.protocol, under, pairs))
    return "Comparisons", macros("site").comparisons(parts)


def _results(store: Store, row: Row, columns: Sequence[Column]) -> dict[str, list[TaskResult]]:
    """By the board's column, one a seed, so that only what was asked alike is compared."""
    from harness.evaluation.compare import results

    wanted = {run: store.resolve(run) for cell in row.cells.values() for run in cell.runs}
    by_run = {key: {result.task: result for result in results(store, run)} for key, run in wanted.items()}
    by_column = {}
    for column in columns:
        cell = row.cells.get(column.key)
        if cell and all(column.task in by_run[run] for run in cell.runs):
            by_column[column.key] = [by_run[run][column.task] for run in cell.runs]
    return by_column


def _pair(
    a: Row,
    b: Row,
    of_a: Mapping[str, list[TaskResult]],
    of_b: Mapping[str, list[TaskResult]],
    runs: Mapping[str, RunRow],
) -> Markup | None:
    """b - a, task by task; None where they share none."""
    from harness.evaluation.compare import compare_runs
    from harness.evaluation.compare_notes import prompt_notes
    from leaderboard.ranking.preference_view import table
    from leaderboard.runs import comparing

    shared = [key for key in of_a if key in of_b]
    if not shared:
        return None
    try:
        results_a, results_b = ([result for key in shared for result in own[key]] for own in (of_a, of_b))
        rows = compare_runs(results_a, results_b)
    except UsageError as error:
        return macros("site").refused(b.name, a.name, str(error))
    first = list({row.task: row for row in reversed(rows)}.values())[::-1]
    differences = [charts.Difference(f"{row.task}", row.difference, row.low, row.high, row.n) for row in first]
    cells = [
        [
            row.task,
            row.metric,
            f"{row.n:,}",
            f"{100 * row.a:.1f}",
            f"{100 * row.b:.1f}",
            f"{100 * row.difference:+.1f} [{100 * row.low:+.1f}, {100 * row.high:+.1f}]",
            f"{row.p_value:.3g}",
            "" if row.p_holm is None else f"{row.p_holm:.3g}",
            "" if row.flips is None else f"{row.lost} / {row.gained}",
        ]
        for row in first
    ]
    heads = ("task", "metric", "items", "second", "first", "first − second [95%]", "p", "p (Holm)", "lost / gained")
    clear = [
        (row.task, "good" if row.difference > 0 else "bad") for row in first if comparing.p_of(row) < comparing.CLEAR
    ]
    compared = dict.fromkeys((*a.cells[key].runs, *b.cells[key].runs) for key in shared)
    notes = dict.fromkeys(note for those in compared for note in prompt_notes([runs[run] for run in those]))
    chart = _figure(charts.difference_intervals(differences, "difference, points"), "Differences by task.")
    return macros("site").pair(b.name, a.name, clear, notes, chart, table(heads, cells, names=(0, 1)))


def _figure(chart: charts.Chart, description: str) -> Markup:
    return macros("site").figure(charts.svg(chart, WIDTH), description)


# studies


def _study_file(row: StudyRow) -> str:
    return f"study-{row.id[:12]}.html"


def _studies(studies: Sequence[StudyRow]) -> tuple[str, Markup]:
    lines = [
        (_study_file(row), row.name, f"{row.optimizer} on {row.model}, {row.created:%Y-%m-%d}, {row.status}")
        for row in studies
    ]
    return "Studies", macros("site").studies(lines)


def _study(store: Store, row: StudyRow) -> tuple[str, Markup]:
    from leaderboard.ranking.preference_view import table
    from tuning.report import inks, page
    from tuning.report.documents import view_of
    from tuning.report.findings import findings

    of_study = findings(view_of(store, row.id))
    plots = page.make_plots(of_study, inks.EITHER)
    cells = [page.cells(of_study, trial) for trial in page.in_order(of_study)]
    trials = table(page.columns(of_study), cells, names=(1, 2))
    sentences = [*of_study.sentences, *of_study.view.notes]
    return row.name, macros("site").study(row.name, page.about(of_study.view), sentences, plots, trials)


# preference

_SIDES: tuple[Source, ...] = ("people", "judges")


def _preference(store: Store) -> tuple[str, Markup]:
    from judges.ranking.evidence import gather
    from judges.ranking.report import quality_report, ranking_report
    from leaderboard.ranking import preference_view as view

    parts: list[Markup] = []
    for prompts in store.compared_prompts():
        evidence = gather(store, prompts["digest"])
        sources: list[Source] = [source for source in _SIDES if evidence.of(source)]
        if len(sources) == len(_SIDES):
            sources.append("people+judges")
        for source in sources:
            try:
                report = ranking_report(evidence, source)
            except UsageError as error:  # too few votes to correct judges by
                parts.append(macros("shared").remark(str(error)))
                continue
            parts.append(
                macros("site").ranking(
                    view.heading(report),
                    report["notes"],
                    _figure(view.strengths(report), "Strengths of the models with their intervals."),
                    view.ranking_table(report),
                    _figure(view.win_matrix(report), "How often the row wins against the column."),
                )
            )
        quality = quality_report(evidence)
        if part := macros("site").quality(view.quality_table(quality), view.agreement_table(quality)):
            parts.append(part)
    return "Preference", macros("site").preference(parts)
