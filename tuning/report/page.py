"""The report of a study as HTML and Markdown. Both are self-contained; whatever a name or a note says is text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import html_templates
from tuning.report import audits, charts, drawing
from tuning.report.files import as_markdown, write_files
from tuning.report.findings import Findings, findings
from tuning.report.inks import LIGHT, Inks
from tuning.report.views import StudyView, TrialView


@dataclass(frozen=True, slots=True)
class Plot:
    title: str
    file: str
    svg: str


def write(view: StudyView, folder: Path) -> list[Path]:
    """`report.html`, `report.md` and the plots as SVG, in `folder`, which is made. HarnessError where that cannot be
    written. A file appears whole or not at all."""
    results = findings(view)
    plots = make_plots(results)
    content = {plot.file: plot.svg for plot in plots}
    content |= {"report.md": markdown(results, plots), "report.html": html(results, plots)}
    write_files(folder, content)
    return [folder / "report.html", folder / "report.md"]


def make_plots(results: Findings, inks: Inks = LIGHT) -> list[Plot]:
    """Those that there are values for."""
    view, ranked = results.view, results.ranked
    shown: list[tuple[str, str, drawing.Chart]] = []
    if ranked:
        shown.append(("Best so far", "best-so-far", charts.best_so_far([view])))
    if len(ranked) > 2 and charts.differing(view):
        shown.append(("Every trial", "parallel", charts.parallel(view)))
    if results.importance is not None and results.importance.explained > 0:
        shown.append(("What mattered", "importance", charts.importance(results.importance)))
    if len(results.front) > 1:
        shown.append(("Objectives", "front", charts.front([view], [results.front])))
    if results.gap is not None:
        shown.append(("Rank and the gap from train to validation", "gap", charts.gap([view])))
    for at, one in enumerate(results.predictions, 1):
        shown.append((f"Validation loss and {one.name}", f"predicts-{at}", charts.predicts(one)))
    if any(trial.curve for trial in results.top):
        best = {f"trial {trial.number}": trial.curve for trial in results.top}
        shown.append(("Training of the best", "curves", charts.training(best)))
    return [Plot(title, f"{file}.svg", drawing.svg(chart, inks)) for title, file, chart in shown]


def html(results: Findings, plots: Sequence[Plot]) -> str:
    return (
        html_templates.environment("tuning.report")
        .get_template("templates/page.html")
        .render(
            results=results,
            view=results.view,
            plots=plots,
            columns=columns(results),
            rows=[(trial, cells(results, trial)) for trial in in_order(results)],
            about=about(results.view),
            audited={"sentences": audits.sentences(results.view.audits), "tables": _audit_tables(results.view)},
        )
    )


def markdown(results: Findings, plots: Sequence[Plot]) -> str:
    view = results.view
    lines = [f"# {as_markdown(view.name)}", "", as_markdown(about(view)), ""]
    lines += [
        f"- {as_markdown(sentence)}" for sentence in (*results.sentences, *(f"Note: {note}" for note in view.notes))
    ]
    for plot in plots:
        lines += ["", f"## {as_markdown(plot.title)}", "", f"![{as_markdown(plot.title)}]({plot.file})"]
    if view.audits:
        lines += ["", "## Contamination audit", ""]
        lines += [f"- {as_markdown(sentence)}" for sentence in audits.sentences(view.audits)]
        for heads, rows in _audit_tables(view):
            lines += as_markdown_table(heads, rows)
    lines += [
        "",
        "## Trials",
        *as_markdown_table(columns(results), [cells(results, trial) for trial in in_order(results)]),
    ]
    return "\n".join(lines) + "\n"


def _audit_tables(view: StudyView) -> list[tuple[Sequence[str], Sequence[Sequence[str]]]]:
    """Those that have rows: scores with and without the flagged items, and these items."""
    both = [(audits.SCORES, audits.score_rows(view.audits)), (audits.FLAGGED, audits.flagged_rows(view.audits))]
    return [(heads, rows) for heads, rows in both if rows]


def as_markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["", "| " + " | ".join(map(as_markdown, heads)) + " |", "|" + " --- |" * len(heads)]
    return lines + ["| " + " | ".join(map(as_markdown, row)) + " |" for row in rows]


def about(view: StudyView) -> str:
    states = {
        state: sum(t.state == state for t in view.trials) for state in dict.fromkeys(t.state for t in view.trials)
    }
    counted = ", ".join(f"{count} {state}" for state, count in states.items()) or "no trials"
    seconds = sum(trial.seconds for trial in view.trials)
    return (
        f"{view.model}, {view.optimizer}, seed {view.seed}: {counted} of {view.budget}; {seconds:,.0f} seconds of "
        f"training; ranked by {view.objectives[0]}."
    )


def in_order(results: Findings) -> list[TrialView]:
    """The ranked trials, then the others as they came."""
    ranked = {trial.number for trial in results.ranked}
    return [*results.ranked, *(trial for trial in results.view.trials if trial.number not in ranked)]


def columns(results: Findings) -> list[str]:
    """What the table of trials has."""
    scores = sorted({name for trial in results.view.trials for name in trial.scores})
    return [
        "trial",
        "by",
        "state",
        *results.view.objectives,
        "rows",
        *results.view.searched,
        "train loss",
        "seconds",
        *scores,
    ]


def cells(results: Findings, trial: TrialView) -> list[str]:
    """A trial's row of it."""
    values = trial.values or (None,) * len(results.view.objectives)
    scores = sorted({name for scored in results.view.trials for name in scored.scores})
    return [
        str(trial.number),
        trial.label or trial.optimizer,
        trial.state,
        *(_number(value) for value in values),
        "" if trial.rung is None else f"{100 * trial.rung:g}%",
        *(_value(trial.hyperparameters.value_of(name)) for name in results.view.searched),
        _number(trial.train_loss),
        f"{trial.seconds:.0f}",
        *(_number(trial.scores.get(name)) for name in scores),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
