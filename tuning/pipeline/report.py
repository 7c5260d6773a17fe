"""What a whole study found, as HTML, Markdown and JSON. Whatever a name says is text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.counts import counted
from harness import html_templates
from tuning.pipeline import audit, people
from tuning.pipeline.measured import Board, Configuration
from tuning.pipeline.preference import rankings
from tuning.pipeline.questions import Section, sections
from tuning.pipeline.verdict import BY_LOSS, Verdict, scores
from tuning.report import audits
from tuning.report.files import as_markdown, write_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuning.pipeline.whole_study import WholeStudy


CONTENT = "report.json"  # of the report, for programs


@dataclass(frozen=True, slots=True)
class Table:
    """`names`: how many of the first columns say what a row is of."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1

    def number(self, row: Sequence[str], column: str) -> str:
        """What `harness trace` calls a cell."""
        return ", ".join((self.title, *row[: self.names], column))


@dataclass(frozen=True, slots=True)
class Report:
    name: str
    about: str
    verdict: Sequence[str]
    tables: Sequence[Table]
    sections: Sequence[Section]
    file: str  # the study's
    changes: Mapping[str, Any]  # to its options, by the command line
    scale: float | None  # that it was cut by


def numbers(report: Report) -> dict[str, str]:
    """All that the report says, by what `harness trace` calls it: cells, and sentences."""
    cells = {
        table.number(row, column): cell
        for table in report.tables
        for row in table.rows
        for column, cell in list(zip(table.columns, row, strict=True))[table.names :]
    }
    verdict = {f"Verdict, {n}": sentence for n, sentence in enumerate(report.verdict, 1)}
    said = {f"{s.title}, {n}": text for s in report.sections for n, text in enumerate(s.sentences, 1)}
    return {**verdict, **cells, **said}


def write(study: WholeStudy, outcome: Verdict, folder: Path) -> list[Path]:
    """`report.html`, `report.md` and `report.json` in `folder`, which is made. HarnessError where that cannot be
    written. A file appears whole or not at all."""
    made = report_of(study, outcome)
    page = (
        html_templates.environment("tuning.report")
        .get_template("templates/whole_study.html")
        .render(report=made, example=_example(made))
    )
    content = {"report.html": page, "report.md": markdown(made), CONTENT: json.dumps(document(made), indent=1)}
    write_files(folder, content)
    return [folder / name for name in content]


def _example(report: Report) -> str:
    """The name of a number."""
    return next((name for name in numbers(report) if name.startswith("Configurations")), "Verdict, 1")


def report_of(study: WholeStudy, outcome: Verdict) -> Report:
    from tuning.report.documents import view_of

    views = [view_of(study.store, search.row.id) for search in study.finished()]
    searches = "; ".join(search.name for search in study.searches)
    notes = dict.fromkeys((*study.file.notes, *(note for view in views for note in view.notes)))
    audited = audit.documents(study) if study.file.audit is not None else []
    tables = [configurations_table(outcome), comparisons_table(outcome), rules_table(outcome), *_preference(study)]
    if rows := audits.score_rows(audited):
        tables.append(Table("Without items that stand in the rows", audits.SCORES, tuple(rows)))
    shown = sections(outcome, views, study)
    if study.file.finalists.race:
        shown.append(Section("Race of the finalists", tuple(race_sentences(outcome.board))))
    if audited:
        shown.append(Section("Contamination of the benchmarks", tuple(audits.sentences(audited))))
    if study.file.people is not None:
        shown.append(Section("People", (people.sentence(study),)))
    if notes:
        shown.append(Section("Warnings", tuple(notes)))
    return Report(
        study.file.name,
        f"{study.file.tune.model}. Searches: {searches}. Each configuration was trained with "
        f"{counted(study.file.finalists.seeds, 'new seed')}.",
        outcome.sentences,
        tables,
        shown,
        str(study.file.path),
        study.file.changes,
        study.file.scale,
    )


def configurations_table(outcome: Verdict) -> Table:
    """A row a configuration, the lowest validation loss first: means over seeds, intervals over seeds and items."""
    board = outcome.board
    rows = []
    for c in sorted(board.configurations, key=lambda c: (c.loss is None, c.loss)):
        cells = [_score(board, c, task) for task in board.tasks]
        rows.append((c.title, "" if c.loss is None else f"{c.loss:.4f}", *cells))
    return Table("Configurations", ("configuration", "validation loss", *board.tasks), tuple(rows))


def _score(board: Board, configuration: Configuration, task: str) -> str:
    """ "45.1 [40.0, 50.2]", and of one that a race stopped "45.1 [30.0, 60.2] after 100"."""
    read = board.items_read(configuration, task)
    behind = f" after {read:,}" if read < len(board.items[task]) else ""
    return _interval(*scores(board, configuration, task)) + behind


def race_sentences(board: Board) -> list[str]:
    """How each task's race went: who was measured whole, and who was out after how many items."""
    lines = []
    for task in board.tasks:
        items = len(board.items[task])
        read = {c.title: board.items_read(c, task) for c in board.configurations}
        whole = [title for title, count in read.items() if count == items]
        seeds = {c.title: len(c.values[task]) for c in board.configurations}
        share = sum(seeds[title] * count for title, count in read.items()) / (items * sum(seeds.values()))
        line = f"{task}: measured on all {items:,} items: {', '.join(whole)}."
        if out := sorted((count, title) for title, count in read.items() if count < items):
            line += f" Out of the race: {', '.join(f'{title} after {count:,}' for count, title in out)}."
        lines.append(f"{line} {100 * share:.0f}% of all answers were read.")
    return lines


def comparisons_table(outcome: Verdict) -> Table:
    rows = [
        (
            one.a.title,
            one.task,
            f"{one.difference:+.1f} [{one.low:+.1f}, {one.high:+.1f}]",
            f"{one.p_holm:.3g}",
            one.word,
        )
        for one in outcome.against_rivals
    ]
    chosen = outcome.board.chosen
    title = f"{chosen.title if chosen else ''}, chosen by validation loss, against"
    return Table(title, ("rival", "task", "difference [95%]", "p (Holm)", "verdict"), tuple(rows), names=2)


def rules_table(outcome: Verdict) -> Table:
    """How good each way to choose is, on items that no way has seen."""
    rows = []
    for rule in outcome.rules:
        difference, low, high = rule.over_loss
        over = "" if rule.name == BY_LOSS else f"{difference:+.1f} [{low:+.1f}, {high:+.1f}]"
        rows.append((rule.name, f"{rule.score:.1f}", over, f"{rule.lost:.1f}", " / ".join(dict.fromkeys(rule.choices))))
    columns = ("choose by", "points", f"over {BY_LOSS} [95%]", "lost", "chooses")
    return Table("Which rule chooses best", columns, tuple(rows))


def _preference(study: WholeStudy) -> list[Table]:
    """The ranking of the answers by judges, and by people, as far as they compared them."""
    return [
        Table(
            f"Preference, by {source}",
            ("configuration", "win rate [95%]", "games"),
            tuple(
                (
                    model["name"],
                    f"{100 * model['win_rate']:.1f} [{100 * model['win_low']:.1f}, {100 * model['win_high']:.1f}]",
                    str(model["games"]),
                )
                for model in ranking["models"]
            ),
        )
        for source, ranking in rankings(study).items()
    ]


def document(report: Report) -> dict[str, Any]:
    """As JSON."""
    return {
        "study": report.name,
        "about": report.about,
        "verdict": list(report.verdict),
        "tables": [
            {"title": t.title, "columns": list(t.columns), "rows": list(map(list, t.rows))} for t in report.tables
        ],
        "sections": [{"title": s.title, "sentences": list(s.sentences)} for s in report.sections],
        "numbers": numbers(report),
        "made_from": {"file": report.file, "changes": dict(report.changes), "scale": report.scale},
    }


def markdown(report: Report) -> str:
    lines = [
        f"# {as_markdown(report.name)}",
        "",
        as_markdown(report.about),
        "",
        *(f"- {as_markdown(text)}" for text in report.verdict),
    ]
    for table in report.tables:
        lines += ["", f"## {as_markdown(table.title)}", "", "| " + " | ".join(map(as_markdown, table.columns)) + " |"]
        lines += ["|" + " --- |" * len(table.columns)]
        lines += ["| " + " | ".join(map(as_markdown, row)) + " |" for row in table.rows]
    for section in report.sections:
        lines += ["", f"## {as_markdown(section.title)}", "", *(f"- {as_markdown(text)}" for text in section.sentences)]
    lines += [
        "",
        f"Where a number comes from: `harness trace {CONTENT}`, or with a number's name of that file behind it.",
    ]
    return "\n".join(lines) + "\n"


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"
