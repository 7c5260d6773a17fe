"""The leaderboard on a terminal: a table where it fits, a list where names would be cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.cli.tables import fits, interval, plain, table
from harness.evaluation.report import items_words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Row = Mapping[str, Any]  # of `leaderboard`
_MARKS = ("sampled", "partial", "unverified", "chat")


def print_leaderboard(console: Console, rows: Sequence[Row]) -> None:
    """A table or list a protocol, and why a configuration has several rows."""
    for protocol in sorted({row["protocol"] for row in rows}):
        of_protocol = [row for row in rows if row["protocol"] == protocol]
        shown = _table(of_protocol)
        if fits(console, shown):
            console.print(shown)
        else:
            _print_list(console, of_protocol)
    for row in rows:
        if row["apart"]:
            runs = sum(len(training["runs"]) for training in row["trainings"])
            words = "run has a row of its own" if runs == 1 else "runs have a row of their own"
            console.print(plain(f"! {row['name']}: {runs} {words}: {row['apart']}."), style="yellow")


def print_configuration(console: Console, rows: Sequence[Row]) -> None:
    """One configuration: its rows, and each seed's runs with their scores."""
    print_leaderboard(console, rows)
    tasks = list(dict.fromkeys(task for row in rows for task in row["scores"]))
    shown = table("its trainings", ("seed", "run", *tasks), right=("seed", *tasks))
    for row in rows:
        for training in row["trainings"]:
            values = (training["scores"].get(task) for task in tasks)
            figures = (interval(score).partition(" ")[0] if score else "" for score in values)
            seed = "" if training["seed"] is None else training["seed"]
            shown.add_row(*map(plain, (seed, "\n".join(run[:12] for run in training["runs"]), *figures)))
    console.print(shown)


def _table(rows: Sequence[Row]) -> Table:
    tasks = sorted({task for row in rows for task in row["scores"]})
    shown = table(_title(rows), ("configuration", *tasks), right=tasks)
    for row in rows:
        scores = [row["scores"].get(task) for task in tasks]
        cells = ["" if score is None else "\n".join(_figure(score, row)) for score in scores]
        shown.add_row(*map(plain, ("\n".join(_names(row)), *cells)), style="dim" if row["partial"] else "")
    return shown


def _print_list(console: Console, rows: Sequence[Row]) -> None:
    """A name on a line of its own, and below it as many scores side by side as fit."""
    from rich.padding import Padding
    from rich.table import Table

    figures = [[(task, " ".join(_figure(score, row))) for task, score in row["scores"].items()] for row in rows]
    task_width = max(len(task) for own in figures for task, _ in own)
    figure_width = max(len(figure) for own in figures for _, figure in own)
    across = max(1, (console.width - 2) // (task_width + figure_width + 4))
    console.print(plain(_title(rows)), style="italic")
    for row, own in zip(rows, figures, strict=True):
        style = "dim" if row["partial"] else ""
        console.print(plain(" · ".join(_names(row))), style=style or "bold")
        grid = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(across):
            grid.add_column(min_width=task_width)
            grid.add_column(min_width=figure_width)
        for at in range(0, len(own), across):
            grid.add_row(*(plain(part) for pair in own[at : at + across] for part in pair), style=style)
        console.print(Padding(grid, (0, 0, 0, 2)))
    console.print()


def _title(rows: Sequence[Row]) -> str:
    return f"protocol {rows[0]['protocol']}"


def _names(row: Row) -> list[str]:
    """What a row is called: its name with marks, its seeds or its run, and its model."""
    marks = [mark for mark in _MARKS if row[mark] and not (mark == "partial" and row["sampled"])]
    name = row["name"] + "".join(f" ({mark})" for mark in marks)
    seeds = len(row["trainings"])
    if seeds > 1:
        return [name, f"{seeds} seeds"]
    return [name, row["run"][:8], *([_short(row["model"])] if row["model"] != row["name"] else [])]


def _figure(score: Mapping[str, Any], row: Row) -> list[str]:
    """ "45.3", "[44.5, 46.1]", of how many seeds where not all have it, and of which part of the items."""
    value, _, ends = interval(score).partition(" ")
    fewer = f" {score['seeds']} of {len(row['trainings'])} seeds" if score["seeds"] < len(row["trainings"]) else ""
    return [value, ends + fewer, *([items_words(score)] if score["sampled_of"] else [])]


def _short(model: str) -> str:
    """A long path's end: `show RUN` has the whole."""
    from pathlib import PurePath

    parts = PurePath(model).parts
    return str(PurePath("…", *parts[-2:])) if len(parts) > 3 and "://" not in model else model
