"""An estimate for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.counts import counted
from harness.estimate.ranges import Range, size_range_text, size_text, time_range_text, time_text

if TYPE_CHECKING:
    from rich.console import Console


def print_estimate(console: Console, document: Mapping[str, Any]) -> None:
    """Of a run."""
    from harness.cli.tables import plain

    console.print(plain(f"{document['model']} · {document['dtype']} on {document['device']}"), style="bold")
    _print_tasks(console, document)
    if document["finished"]:
        console.print("This run was finished before: the command answers from the store. --fresh measures again.")
        return
    print_rows(console, _rows(document))
    _print_answered(console, [document])
    print_notes(console, document)


def print_several(console: Console, document: Mapping[str, Any]) -> None:
    """Of the runs of several models: each group, and all of them."""
    from harness.cli.tables import plain

    groups = document["groups"]
    for group in groups:
        first, *others = group["runs"]
        names = ", ".join(run["name"] for run in group["runs"])
        console.print(plain(f"{names} · {first['dtype']} on {first['device']}"), style="bold")
        if others:
            console.print(plain(f"{len(group['runs'])} models, one after another on one engine; the tasks of each:"))
        _print_tasks(console, first)
        due = [run for run in group["runs"] if not run["finished"]]
        if finished := len(group["runs"]) - len(due):
            words = f"{finished} of {counted(len(group['runs']), 'run')} were finished before; --fresh measures again."
            console.print(plain(words))
        if due:
            print_rows(console, _rows(group))
            _print_answered(console, due)
    if len(groups) > 1:
        console.print(plain(f"All {len(groups)} groups, one after another, each on an engine of its own"), style="bold")
        print_rows(console, _rows(document))
    print_notes(console, document)


def _print_tasks(console: Console, document: Mapping[str, Any]) -> None:
    from harness.cli.tables import plain, table

    columns = ("task", "protocol", "items", "prompts", "distinct")
    made = table("", columns, right=columns[2:])
    for task in document["tasks"]:
        counts = (task["items"], task["prompts"], task["distinct_prompts"])
        made.add_row(*map(plain, (task["task"], task["protocol"], *(f"{count:,}" for count in counts))))
    console.print(made)
    if document["until"]:
        console.print(plain(f"That many items at most: --until {document['until']} may stop earlier."))


def _rows(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    tokens = document["tokens"]
    generated = Range.read(tokens["generated"])
    rows = [("tokens", f"{tokens['asked']:,} asked, {tokens['computed'] or tokens['asked']:,} computed")]
    if generated.high:
        rows.append(("", f"{generated.low:,.0f} to {generated.high:,.0f} generated"))
    return rows + figures(document)


def _print_answered(console: Console, documents: Sequence[Mapping[str, Any]]) -> None:
    from harness.cli.tables import plain

    if answered := sum(document["answered"] for document in documents):
        prompts = sum(task["prompts"] for document in documents for task in document["tasks"])
        left = f"{answered:,} of {prompts:,} answers are stored already; the figures are of all."
        console.print(plain(left), style="yellow")


def figures(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Time, memory and disk, of a run or a study."""
    seconds = Range.read(document["seconds"])
    memory = document["memory_bytes"]
    disk = document["disk_bytes"]
    return [
        ("time", f"{time_range_text(seconds)} (most likely {time_text(seconds.expected)})"),
        ("memory", size_text(memory) if memory else "not known: the model is not in this process"),
        ("disk", size_range_text(Range.read(disk)) if isinstance(disk, Mapping) else f"at most {size_text(disk)}"),
    ]


def print_rows(console: Console, rows: list[tuple[str, str]]) -> None:
    from harness.cli.tables import plain

    for name, text in rows:
        console.print(plain(f"{name:<8}{text}"))


def print_notes(console: Console, document: Mapping[str, Any]) -> None:
    from harness.cli.tables import plain

    for note in document["notes"]:
        console.print(plain(f"! {note}"), style="yellow")
    measured = f"Measured for {time_text(document['measured_seconds'])}; nothing was begun."
    console.print(plain(measured), style="dim")
