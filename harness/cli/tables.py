"""Tables for the terminal. Text that a model or a file wrote is printed as text, never as markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from harness.results import RunRow, Store


_UNLIMITED = 10_000  # columns


def table(title: str, columns: Sequence[str], right: Sequence[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    made = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        number = column in right
        made.add_column(column, justify="right" if number else "left", no_wrap=number, overflow="fold")
    return made


def fits(console: Console, shown: Table) -> bool:
    """Whether a table needs no line broken that is not broken already."""
    unlimited = console.options.update(max_width=_UNLIMITED)
    return console.measure(shown, options=unlimited).maximum <= console.width


def plain(text: object) -> Any:
    """Text that is not to be read as rich's markup, control characters made visible."""
    from rich.text import Text

    shown = "".join(c if c in "\n\t" or c.isprintable() else f"\\x{ord(c):02x}" for c in str(text))
    return Text(shown)


def interval(score: Mapping[str, Any]) -> str:
    """ "45.3 [44.5, 46.1]", in points of a hundred for metrics between 0 and 1, and as they are otherwise."""
    value, low, high = score["value"], score["low"], score["high"]
    if score.get("interval") == "none":
        return f"{100 * value:.1f} [no interval]" if 0 <= value <= 1 else f"{value:.4g} [no interval]"
    if 0 <= value <= 1 and low >= 0 and high <= 1:
        return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{value:.4g} [{low:.4g}, {high:.4g}]"


def print_run(console: Console, store: Store, run: RunRow, groups: bool = False) -> None:
    """One run: its scores with intervals, tokens, seconds, warnings."""
    from harness.evaluation.report import items_count, run_document

    shown = run_document(store, run)
    metrics = {t["task"]: t["metric"] for t in shown["tasks"]}
    columns = ("task", "protocol", *(("group",) if groups else ()), "metric", "score [95%]", "items")
    scores = table("", columns, right=("score [95%]", "items"))
    for score in shown["scores"]:
        if not groups and score["group"] != "all":
            continue
        first = score["metric"] == metrics[score["task"]]
        cells = [score["task"], score["protocol"], *((score["group"],) if groups else ()), score["metric"]]
        scores.add_row(*map(plain, (*cells, interval(score), items_count(score))), style="" if first else "dim")
    mark = " · sampled" if run.sampled else " · partial: --limit or some groups only" if run.partial else ""
    mark += " · unverified" if run.unverified else ""
    console.print(
        plain(f"{run.name} · {run.model} · {run.dtype} on {run.device} · run {run.id[:12]}{mark}"), style="bold"
    )
    if run.status == "running":
        console.print("not finished: the same command goes on", style="yellow")
    console.print(scores)
    for task, read in run.sampled.items():
        console.print(plain(sampled_line(task, read)), style="yellow")
    console.print(plain(tokens_line(shown)), style="dim")
    if shown["estimate"]:
        console.print(plain(shown["estimate"]["sentence"]), style="dim")
    for warning in shown["warnings"]:
        console.print(plain(f"! {warning}"), style="yellow")


def sampled_line(task: str, read: Mapping[str, Any]) -> str:
    """What a score of items drawn at random means, and how it becomes that of all; `read` of `RunRow.sampled`."""
    return (
        f"{task}: sampled: {read['items']:,} of {read['of']:,} items, stopped {read['stopped']}. The interval holds the"
        f" score of all {read['of']:,} items (95%, at whatever item it stopped); the same command without --until goes"
        " on to it."
    )


def tokens_line(shown: Mapping[str, Any]) -> str:
    """One line of what was asked, computed and reused, and where the time went."""
    tokens, seconds = shown["tokens"], shown["seconds"]
    if not tokens:
        return "no tokens counted"
    parts = [
        f"{kind} {seconds[kind]:.1f} s"
        for kind in ("planning", "loading", "model", "scoring", "store")
        if kind in seconds
    ]
    return (
        f"tokens: {tokens['asked']:,} asked, {tokens['computed']:,} computed, {tokens['reused']:,} reused, "
        f"{tokens['generated']:,} generated · {', '.join(parts)}"
    )
