"""`harness ranking`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.declared import in_flags
from harness.cli.options import DEFAULT_DB, Db, Json, print_json
from judges.cli.options import More, words

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WHO, _HOW = "Whose games", "How"


def ranking(
    more: More = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="people, judges, both (each game alike), or people+judges (judges' verdicts, corrected by people's "
            "votes). People where there are votes, if left out.",
            rich_help_panel=_WHO,
        ),
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option("--models", help="Only these: --models A B C.", rich_help_panel=_WHO)
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help="The prompt set, where there are several.", rich_help_panel=_WHO)
    ] = None,
    style_control: Annotated[
        bool, typer.Option("--style-control", help="Hold length and formatting equal.", rich_help_panel=_HOW)
    ] = False,
    bootstrap: Annotated[
        bool,
        typer.Option("--bootstrap", help="Intervals by resampling prompts, not by the sandwich.", rich_help_panel=_HOW),
    ] = False,
    db: Db = DEFAULT_DB,
    json: Json = False,
) -> None:
    """Rank models by what people or judges preferred, with intervals, and show how good those judges are."""
    from judges.ranking.evidence import gather, source_of
    from judges.ranking.report import ranking_report
    from judges.store import Store

    with in_flags("by", "prompts"):
        source = source_of(by)
        evidence = gather(Store(db), prompts, words(models, more))
    report = ranking_report(evidence, source, style_control, "bootstrap" if bootstrap else "sandwich")
    if json:
        print_json(report)
    else:
        from rich.console import Console

        _print(Console(), report)


def _print(console: Console, report: Mapping[str, Any]) -> None:
    from harness.cli.tables import plain, table
    from judges.ranking.evidence import WHOSE

    whose = WHOSE[report["source"]]
    prompts = report["prompts"]
    held = ", length and formatting held equal" if report["style_control"] else ""
    title = f"ranking by {whose}: {report['games']} games on {prompts['n']} prompts of {prompts['name']}{held}"
    shown = table(title, ("rank", "model", "strength [95%]", "win rate [95%]", "games"), right=("rank", "games"))
    for model in report["models"]:
        best, worst = model["rank_best"], model["rank_worst"]
        shown.add_row(
            plain(best if best == worst else f"{best}-{worst}"),
            plain(model["name"]),
            plain(with_interval(model["strength"], model["low"], model["high"], "{:+.2f}")),
            plain(with_interval(100 * model["win_rate"], 100 * model["win_low"], 100 * model["win_high"], "{:.1f}")),
            plain(model["games"]),
        )
    console.print(shown)
    console.print("Strengths are natural log-odds about their mean; models that share a rank cannot be told apart.")
    _print_matrix(console, report)
    for weight in report["style"]:
        console.print(
            plain(f"style: {weight['name']} {with_interval(weight['weight'], weight['low'], weight['high'])}")
        )
    _print_quality(console, report["quality"])
    for note in report["notes"]:
        console.print(plain(f"! {note}"), style="yellow")


def _print_matrix(console: Console, report: Mapping[str, Any]) -> None:
    """Who wins how often against whom: the row's model against the column's, in points of a hundred."""
    from harness.cli.tables import plain, table

    names = [model["name"] for model in report["models"]]
    rates = {(pair["a"], pair["b"]): pair["win_rate"] for pair in report["pairs"]}
    rates |= {(b, a): 1 - rate for (a, b), rate in rates.items()}
    heads = [str(number) for number in range(1, len(names) + 1)]
    shown = table("win rate of the row against the column", ("", *heads), right=heads)
    for number, name in enumerate(names, 1):
        cells = [rates.get((name, other), math.nan) for other in names]
        shown.add_row(plain(f"{number} {name}"), *("" if math.isnan(c) else f"{100 * c:.0f}" for c in cells))
    console.print(shown)


FIGURES = {
    "flip_rate": "flips",
    "first_rate": "for the first",
    "longer_rate": "for the longer",
    "tie_rate": "ties",
    "error_rate": "errors",
    "self_agreement": "agrees with itself",
}


def _print_quality(console: Console, quality: Mapping[str, Any]) -> None:
    from harness.cli.tables import fits, plain, table

    rows = [*quality["judges"], *([{**quality["people"], "judge": "people"}] if quality["people"] else [])]
    lines = [("judge", "verdicts", *FIGURES.values())]
    lines += [(row["judge"], f"{row['verdicts']}", *(percent(row[key]) for key in FIGURES)) for row in rows]
    title = "judge quality, % [95%]"
    wide = _of_lines(title, lines)
    console.print(wide if fits(console, wide) else _of_lines(title, list(zip(*lines, strict=True))))
    agreed: list[tuple[str, Mapping[str, Any]]] = [
        *((f"{row['judge']} with people", row) for row in quality["judges_with_people"]),
        *((f"{row['a']} with {row['b']}", row) for row in quality["between_judges"]),
    ]
    if agreed:
        table_ = table("agreement", ("who", "pairs", "equal, % [95%]", "Cohen's kappa [95%]"), right=("pairs",))
        for who, row in agreed:
            kappa = row["kappa"]
            figure = with_interval(kappa["value"], kappa["low"], kappa["high"], "{:.2f}")
            table_.add_row(*map(plain, (who, kappa["n"], percent(row["agreement"]), figure)))
        console.print(table_)
    for who, alpha in quality["alpha"].items():
        if alpha["n"]:
            figure = with_interval(alpha["value"], alpha["low"], alpha["high"], "{:.2f}")
            console.print(plain(f"Krippendorff's alpha of {who}: {figure} on {alpha['n']} pairs"))


def _of_lines(title: str, lines: Sequence[Sequence[str]]) -> Table:
    """The first line has the heads, and each line's first cell is what it is of."""
    from harness.cli.tables import plain, table

    shown = table(title, lines[0])
    for line in lines[1:]:
        shown.add_row(*map(plain, line))
    return shown


def percent(estimate: Mapping[str, Any]) -> str:
    """ "62 [58, 66]", of a rate and its interval; "-" where nothing was seen."""
    if not estimate["n"]:
        return "-"
    return with_interval(100 * estimate["value"], 100 * estimate["low"], 100 * estimate["high"], "{:.0f}")


def with_interval(value: float, low: float, high: float, form: str = "{:+.2f}") -> str:
    """ "+0.52 [+0.31, no limit]"; "-" for what is no number."""
    if math.isnan(value):
        return "-"
    ends: Sequence[str] = [form.format(end) if math.isfinite(end) else "no limit" for end in (low, high)]
    return f"{form.format(value)} [{ends[0]}, {ends[1]}]"
