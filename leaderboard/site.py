"""`harness board --export DIR`: leaderboard, comparisons, studies and preference as files that any web server, or none,
can show. Each page is whole in itself: no script, no request; its Content-Security-Policy forbids both.

What a name or a model's text says is text here too: all HTML comes from `markup`, `board_table`, `preference_view` and
`drawing`, which escape it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, StoreError, UsageError
from leaderboard.html import markup
from leaderboard.theme import charts, theme

if TYPE_CHECKING:
    from harness.evaluation.compare import TaskResult
    from leaderboard.ranking.board import Board, Column, Row
    from leaderboard.ranking.preferences import Preferences
    from tuning.store import Store, StudyRow

COMPARED = 6  # checkpoints of a protocol, the best ones, of which every two are compared
WIDTH = 480  # of a plot, in pixels
_PAGES = {
    "index.html": "Leaderboard",
    "compare.html": "Comparisons",
    "studies.html": "Studies",
    "preference.html": "Preference",
}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_CSS = """
:root { color-scheme: light dark; }
body.site {
  margin: 0 auto; padding: 1rem max(1rem, 3vw) 3rem; max-width: 80rem; background: var(--background-color);
  color: var(--text-color); overflow-wrap: anywhere;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
.site nav { display: flex; flex-wrap: wrap; gap: 0.4rem 1.2rem; padding-bottom: 0.8rem; margin-bottom: 1.2rem;
  border-bottom: 1px solid var(--border-color); }
.site nav b { color: var(--primary-color); margin-inline-end: 0.6rem; }
.site nav a[aria-current] { color: inherit; font-weight: 650; }
.site figure { margin: 0.5rem 0 1rem; overflow-x: auto; }
.site figure svg { display: block; max-width: 100%; height: auto; }
.site details { margin: 0.4rem 0; border-bottom: 1px solid var(--border-color); padding-bottom: 0.4rem; }
.site summary { cursor: pointer; overflow-wrap: anywhere; }
.site footer { margin-top: 2.5rem; font-size: 0.85rem; opacity: 0.75; }
.site .section { margin-bottom: 0.6rem; }
@media (max-width: 640px) { .site figure svg { max-width: none; width: 27rem; } }
"""


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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in content.items():
            new = folder / f".{name}.new"
            new.write_text(_page(name, *body), "utf-8")
            os.replace(new, folder / name)
        for left in folder.glob("study-*.html"):
            if left.name not in content:
                left.unlink()
    except OSError as error:
        raise HarnessError(f"The site cannot be written to {folder}: {error.strerror or error}.") from error
    return folder / "index.html"


def _page(name: str, title: str, body: str) -> str:
    links = "".join(
        f'<a href="{file}"{" aria-current=page" if file == name else ""}>{label}</a>' for file, label in _PAGES.items()
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<title>{markup.text(title, 200)}</title>\n'
        f"<style>{theme.css('.site')}{_CSS}</style>\n</head>\n"
        f'<body class="site">\n<nav><b>lora harness</b>{links}</nav>\n{body}\n'
        "<footer>Written by <code>harness board --export</code>. Intervals are at 95%.</footer>\n</body>\n</html>\n"
    )


def _title(title: str, under: str = "") -> str:
    said = f'<p class="page-under">{markup.text(under)}</p>' if under else ""
    return f'<h1 class="page-title">{markup.text(title, 200)}</h1>{said}'


def _section(title: str, said: str = "") -> str:
    return f'<h2 class="section">{markup.text(title, 300)}</h2>' + (
        f'<p class="said">{markup.text(said)}</p>' if said else ""
    )


def _figure(chart: charts.Chart, said: str) -> str:
    return f'<figure role="img" aria-label="{markup.text(said)}">{charts.svg(chart, WIDTH)}</figure>'


# the leaderboard


def _leaderboard(store: Store) -> tuple[str, str]:
    from leaderboard.ranking.bands import RULE
    from leaderboard.ranking.board import boards
    from leaderboard.ranking.board_table import table

    preference = _preferences(store)
    parts = []
    for board in boards(store):
        view = _view(store, board, preference)
        parts.append(_section(f"Protocol {board.protocol}") + table(view.ordered(board.rows), view, inside=False))
    legend = f'<p class="said">{markup.text(RULE)} Partial runs are not ranked.</p>' if parts else ""
    return "Leaderboard", _title("Leaderboard") + ("".join(parts) or _nothing("There are no scores yet.")) + legend


def _preferences(store: Store) -> Preferences | None:
    from leaderboard.ranking.preferences import preferences

    return preferences(store, store.verdicts())


def _view(store: Store, board: Board, preference: Preferences | None):  # type: ignore[no-untyped-def]
    from leaderboard.ranking.bands import bands
    from leaderboard.ranking.board_table import View

    found = {c.key: bands(store, board.ranked(c), c.task, c.metric) for c in board.columns}
    people, judges = (preference.people, preference.judges) if preference else ({}, {})
    extras = [
        name for name, own in (("people", people), ("judges", judges)) if any(row.digest in own for row in board.rows)
    ]
    extras += ["lineage"] if any(row.lineage for row in board.rows) else []
    return View(
        board.columns, [*extras, "date"], found, people, judges, board.columns[0].key if board.columns else "name"
    )


# comparisons


def _comparisons(store: Store) -> tuple[str, str]:
    from leaderboard.ranking.board import boards

    parts = []
    for board in boards(store):
        ranked = [row for row in _view(store, board, None).ordered(board.rows) if not row.partial]
        chosen = ranked[:COMPARED]
        loaded = {row.key: _results(store, row, board.columns) for row in chosen}
        pairs = [_pair(a, b, loaded[a.key], loaded[b.key]) for at, b in enumerate(chosen) for a in chosen[at + 1 :]]
        if pairs:
            said = f"Every two of {len(chosen)} checkpoints" + (
                f", the first of {len(ranked)} on the leaderboard." if len(ranked) > len(chosen) else "."
            )
            parts.append(_section(f"Protocol {board.protocol}", said) + "".join(pairs))
    under = "Differences on the items that both answered. p values are adjusted over the tasks (Holm)."
    body = "".join(parts) or _nothing("Two whole runs of one protocol make a comparison; there are not two yet.")
    return "Comparisons", _title("Comparisons", under if parts else "") + body


def _results(store: Store, row: Row, columns: Sequence[Column]) -> dict[str, TaskResult]:
    """By the board's column, so that only what was asked alike is compared."""
    from harness.evaluation.compare import results

    by_run: dict[str, list[TaskResult]] = {}
    found = {}
    for column in columns:
        if cell := row.cells.get(column.key):
            own = by_run.setdefault(cell.run, []) or by_run[cell.run]
            if not own:
                own += results(store, store.resolve(cell.run))
            found[column.key] = next(each for each in own if each.task == column.task)
    return found


def _pair(a: Row, b: Row, of_a: Mapping[str, TaskResult], of_b: Mapping[str, TaskResult]) -> str:
    """b - a, task by task."""
    from harness.evaluation.compare import compare_runs
    from leaderboard.ranking.preference_view import table

    shared = [key for key in of_a if key in of_b]
    if not shared:
        return ""
    try:
        rows = compare_runs([of_a[key] for key in shared], [of_b[key] for key in shared])
    except UsageError as error:
        return f"<details><summary>{_versus(a, b)}</summary>{_nothing(str(error))}</details>"
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
    clear = [row for row in first if (row.p_value if row.p_holm is None else row.p_holm) < 0.05]
    mark = "".join(
        f' <span class="mark {"good" if row.difference > 0 else "bad"}">{markup.text(row.task, 40)}</span>'
        for row in clear
    )
    chart = _figure(charts.difference_intervals(differences, "difference, points"), "Differences by task.")
    return f"<details><summary>{_versus(a, b)}{mark}</summary>{chart}{table(heads, cells, names=(0, 1))}</details>"


def _versus(a: Row, b: Row) -> str:
    return f"<b>{markup.text(b.name, 120)}</b> against <b>{markup.text(a.name, 120)}</b>"


# studies


def _study_file(row: StudyRow) -> str:
    return f"study-{row.id[:12]}.html"


def _studies(studies: Sequence[StudyRow]) -> tuple[str, str]:
    lines = [
        f'<p><a href="{_study_file(row)}">{markup.text(row.name, 200)}</a><br><span class="said">'
        f"{markup.text(f'{row.optimizer} on {row.model}, {row.created:%Y-%m-%d}, {row.status}', 300)}</span></p>"
        for row in studies
    ]
    return "Studies", _title("Studies") + ("".join(lines) or _nothing("There are no studies yet."))


def _study(store: Store, row: StudyRow) -> tuple[str, str]:
    from leaderboard.ranking.preference_view import table
    from tuning.report import inks, page
    from tuning.report.documents import view_of
    from tuning.report.findings import findings

    found = findings(view_of(store, row.id))
    said = "".join(f"<li>{markup.text(sentence)}</li>" for sentence in (*found.sentences, *found.view.notes))
    plots = "".join(
        f'{_section(plot.title)}<figure role="img" aria-label="{markup.text(plot.title)}">{plot.svg}</figure>'
        for plot in page.make_plots(found, inks.EITHER)
    )
    names = page.columns(found)
    trials = table(names, [page.cells(found, trial) for trial in page.in_order(found)], names=(1, 2))
    body = f"<ul>{said}</ul>{plots}{_section('Trials')}{trials}"
    return row.name, _title(row.name, page.about(found.view)) + body


# preference


def _preference(store: Store) -> tuple[str, str]:
    from judges.ranking.report import gather, quality_report, ranking_report
    from leaderboard.ranking import preference_view as view

    parts = []
    for prompts in store.compared_prompts():
        evidence = gather(store, prompts["digest"])
        for source in ("people", "judges"):
            if not evidence.of(source):
                continue
            report = ranking_report(evidence, source)
            notes = "".join(f'<p class="remark">{markup.text(note)}</p>' for note in report["notes"])
            parts.append(
                _section(f"Ranked {view.heading(report)}")
                + notes
                + _figure(view.strengths(report), "Strengths of the models with their intervals.")
                + view.ranking_table(report)
                + _section("Who wins against whom")
                + _figure(view.win_matrix(report), "How often the row wins against the column.")
            )
        quality = quality_report(evidence)
        if judged := view.quality_table(quality):
            parts.append(_section("How good the judges are", "In percent, with 95% intervals.") + judged)
        if agreed := view.agreement_table(quality):
            parts.append(_section("How far they agree", "Over the pairs that both judged.") + agreed)
    return "Preference", _title("Preference") + ("".join(parts) or _nothing("Nobody has compared answers yet."))


def _nothing(said: str) -> str:
    return f'<p class="said none">{markup.text(said)}</p>'
