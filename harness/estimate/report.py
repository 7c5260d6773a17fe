"""An estimate for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.estimate.ranges import Range, size_range_text, size_text, time_range_text, time_text

if TYPE_CHECKING:
    from rich.console import Console


def print_estimate(console: Console, document: Mapping[str, Any]) -> None:
    """Of a run."""
    from harness.cli.tables import plain, table

    console.print(plain(f"{document['model']} · {document['dtype']} on {document['device']}"), style="bold")
    columns = ("task", "protocol", "items", "prompts", "distinct")
    made = table("", columns, right=columns[2:])
    for task in document["tasks"]:
        counts = (task["items"], task["prompts"], task["distinct_prompts"])
        made.add_row(*map(plain, (task["task"], task["protocol"], *(f"{count:,}" for count in counts))))
    console.print(made)
    if document["until"]:
        console.print(plain(f"That many items at most: --until {document['until']} may stop earlier."))
    if document["finished"]:
        console.print("This run was finished before: the command answers from the store. --fresh measures again.")
        return
    tokens = document["tokens"]
    generated = Range.read(tokens["generated"])
    rows = [("tokens", f"{tokens['asked']:,} asked, {tokens['computed'] or tokens['asked']:,} computed")]
    if generated.high:
        rows.append(("", f"{generated.low:,.0f} to {generated.high:,.0f} generated"))
    rows += figures(document)
    print_rows(console, rows)
    if document["answered"]:
        all_prompts = sum(task["prompts"] for task in document["tasks"])
        left = f"{document['answered']:,} of {all_prompts:,} answers are stored already; the figures are of all."
        console.print(plain(left), style="yellow")
    print_notes(console, document)


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
