"""What `harness study` prints: how far it is, the verdict, the configurations, and what a study would take."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.cli.tables import plain

if TYPE_CHECKING:
    from rich.console import Console

    from harness.progress.outline import OutlineEntry
    from tuning.pipeline.report import Table
    from tuning.pipeline.session import Result
    from tuning.pipeline.study_file import StudyFile

INDENT = "  "


def result_document(result: Result) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "stages": [_entry_document("stage", state) for state in result.states],
        "verdict": None if result.verdict is None else result.verdict.sentences,
        "people": result.people or None,
        "files": list(map(str, result.files)),
    }


def _entry_document(word: str, part: OutlineEntry) -> dict[str, Any]:
    inner = [_entry_document("entry", one) for one in part.entries]
    return {word: part.name, "done": part.done, "total": part.total, "unit": part.unit, "entries": inner}


def print_result(console: Console, study: StudyFile, result: Result) -> None:
    """The stages as a tree, then what is known: verdict, configurations, people, and where to look further."""
    from harness.progress.outline import outline_rows
    from tuning.pipeline.report import configurations_table

    for row in outline_rows(result.states):
        console.print(plain(row.text), no_wrap=True, overflow="ellipsis")
    if result.verdict is not None:
        console.print()
        for sentence in result.verdict.sentences:
            console.print(plain(sentence), style="bold" if sentence.startswith("Against") else "")
        console.print()
        print_table(console, configurations_table(result.verdict))
    if result.people:
        console.print(plain(f"people: {result.people}"), soft_wrap=True)
    for path in result.files[:1]:
        console.print(plain(f"report: {path}"), soft_wrap=True)
        board = shlex.join(["harness", "board", "--db", study.tune.db])
        console.print(plain(f"pages:  {board}"), soft_wrap=True)


def print_table(console: Console, table: Table) -> None:
    """As a table where its columns fit the terminal; else each row under its first cell, with the columns' names."""
    from harness.cli.tables import table as made_table

    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    if sum(widths) + 2 * len(widths) <= console.width:
        shown = made_table(table.title, table.columns)
        for row in table.rows:
            shown.add_row(*map(plain, row))
        console.print(shown)
        return
    console.print(plain(table.title), style="italic")
    for first, *cells in table.rows:
        console.print(plain(first), style="bold")
        named = [f"{name} {cell}" for name, cell in zip(table.columns[1:], cells, strict=True) if cell]
        for line in _lines(named, console.width - len(INDENT)):
            console.print(plain(f"{INDENT}{line}"))


def _lines(cells: Sequence[str], width: int) -> list[str]:
    """The cells in columns of one width, as many beside each other as fit; where that is one, one after the other."""
    widest = max(map(len, cells), default=0)
    many = (width + 2) // (widest + 2)
    if many > 1:
        rows = [cells[at : at + many] for at in range(0, len(cells), many)]
        return ["  ".join(cell.ljust(widest) for cell in row).rstrip() for row in rows]
    lines: list[str] = []
    for cell in cells:
        longer = f"{lines[-1]}  {cell}" if lines else cell
        if lines and len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(cell)
    return lines


def print_notes(console: Console, notes: Sequence[str]) -> None:
    for note in notes:
        console.print(plain(f"! {note}"), style="yellow")


def print_plan(console: Console, document: Mapping[str, Any]) -> None:
    """What each stage would take."""
    from harness.estimate.ranges import Range, time_range_text, time_text

    console.print(plain(f"{document['study']} · {document['model']}"), style="bold")
    width = max(len(stage["stage"]) for stage in document["stages"]) + 2
    for stage in document["stages"]:
        known = stage["seconds"]
        if known is None:
            time = f"time not estimated: {stage['why']}"
        else:
            seconds = Range.read(known)
            time = f"{time_range_text(seconds)} (most likely {time_text(seconds.expected)})" if seconds.high else "done"
        for place, line in enumerate((*stage["counts"], time)):
            console.print(_hanging(stage["stage"] if not place else "", line, width, console.width))
    total = Range.read(document["seconds"])
    if total.high:
        of = "" if all(stage["seconds"] for stage in document["stages"]) else ", without what is not estimated"
        console.print(plain(f"{'together'.ljust(width)}{time_range_text(total)}{of}"), style="bold")
    print_notes(console, document["notes"])
    console.print("Nothing was begun.", style="dim")


def _hanging(head: str, text: str, width: int, most: int) -> Any:
    """A line with a head; what does not fit goes on under its beginning."""
    import textwrap

    lines = textwrap.wrap(text, max(20, most - width), break_on_hyphens=False) or [""]
    return plain("\n".join(f"{(head if not n else '').ljust(width)}{line}" for n, line in enumerate(lines)))
