"""An estimate of a study for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.estimate.ranges import Range
from harness.estimate.report import figures, print_notes, print_rows

if TYPE_CHECKING:
    from rich.console import Console


def print_estimate(console: Console, document: Mapping[str, Any]) -> None:
    from harness.cli.tables import plain

    head = f"{document['model']} · {document['optimizer']} · {document['dtype']} on {document['device']}"
    console.print(plain(head), style="bold")
    parts = ", ".join(f"{count:,} {part}" for part, count in document["rows"].items())
    rows = [("rows", parts)]
    if document["finished"]:
        print_rows(console, rows)
        console.print("This study was finished before: the command answers from the store.")
        return
    tokens, trainings = document["tokens"], Range.read(document["trainings"])
    whole = Range.read(document["trainings_on_all_rows"])
    rows += [
        ("tokens", f"{tokens['train']:,} train, {tokens['validation']:,} validation"),
        ("", f"{_between(Range.read(tokens['computed']))} forward and backward"),
        ("trials", f"{document['trials']:,} at most, the first {document['first_points']} of them fixed"),
        ("", f"{_between(trainings)} trainings, {_between(whole)} of them on all rows"),
    ]
    if len(document["rungs"]) > 1:
        rows.append(("rungs", ", ".join(f"{fraction:.0%}" for fraction in document["rungs"]) + " of the train rows"))
    rows += figures(document)
    if (judge := document["judge"]) is not None:
        rows.append(("judge", _judge_text(judge)))
    print_rows(console, rows)
    if document["started"]:
        console.print("The study was begun before; the figures are of all of it.", style="yellow")
    print_notes(console, document)


def _between(counts: Range) -> str:
    low, high = f"{counts.low:,.0f}", f"{counts.high:,.0f}"
    return high if low == high else f"{low} to {high}"


def _judge_text(judge: Mapping[str, Any]) -> str:
    asked = f"{judge['requests']:,} requests, about {judge['tokens_in']:,} tokens in, {judge['tokens_out']:,} out"
    if judge["cost"] is None:
        return f"{asked}; `harness tune --plan --price-in X --price-out Y` makes money of it"
    return f"{asked}: about {judge['cost']:,.2f}, at most {judge['most']:,.2f}"
