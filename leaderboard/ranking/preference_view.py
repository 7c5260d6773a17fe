"""A ranking and its judges' quality as charts and tables: on the page, and in the static site.

All of it comes from `judges.ranking.report.ranking_report`, in the words of `harness ranking`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from judges.cli.ranking import FIGURES, percent, with_interval
from judges.ranking.evidence import WHOSE
from leaderboard.html.templates import macros, shorten
from leaderboard.theme import charts

if TYPE_CHECKING:
    from markupsafe import Markup

Report = Mapping[str, Any]
_HINTS = {
    "flip_rate": "Pairs judged in both orders: another verdict when the answers change places. Near 0 is good.",
    "first_rate": "Decided verdicts on such pairs that name the answer shown first. 50% is no preference.",
    "longer_rate": "Decided verdicts that name the longer answer. 50% is no preference.",
    "tie_rate": "Verdicts that are ties.",
    "error_rate": "Verdicts that could not be read, or did not come.",
    "self_agreement": "The same pair in the same order again: the same verdict again.",
}


def heading(report: Report) -> str:
    """ "by judges: 900 games on 80 prompts of vicuna, length and formatting held equal"."""
    prompts = report["prompts"]
    held = ", length and formatting held equal" if report["style_control"] else ""
    whose = WHOSE[report["source"]]
    return f"by {whose}: {report['games']:,} games on {prompts['n']} prompts of {prompts['name']}{held}"


def strengths(report: Report) -> charts.Chart:
    """Bradley-Terry strengths with their intervals; an end without limit is not drawn, and said."""
    rows = [
        charts.Estimate(
            model["name"],
            model["strength"],
            model["low"] if math.isfinite(model["low"]) else None,
            model["high"] if math.isfinite(model["high"]) else None,
            model["games"],
            note=""
            if math.isfinite(model["high"] - model["low"])
            else "an end has no limit: it won, or lost, everything",
        )
        for model in report["models"]
        if math.isfinite(model["strength"])
    ]
    return charts.interval_bars(rows, "strength, log-odds", scale=1)


def win_matrix(report: Report) -> charts.Chart:
    """How often the row wins against the column, ties as half. Columns have the rows' numbers."""
    names = [model["name"] for model in report["models"]]
    met: dict[tuple[str, str], tuple[float, float, float, int]] = {}
    for pair in report["pairs"]:
        value, low, high = pair["win_rate"], pair["win_low"], pair["win_high"]
        met[pair["a"], pair["b"]] = value, low, high, pair["games"]
        met[pair["b"], pair["a"]] = 1 - value, 1 - high, 1 - low, pair["games"]
    cells = []
    for number, name in enumerate(names, 1):
        for at, other in enumerate(names, 1):
            value, low, high, games = met.get((name, other), (math.nan, math.nan, math.nan, 0))
            cell = charts.Cell(f"{number}  {name}", str(at), None)
            cells.append(cell if math.isnan(value) else cell._replace(value=value, low=low, high=high, n=games))
    return charts.matrix(cells)


def ranking_table(report: Report) -> Markup:
    """Rank, model, strength, win rate, games. Models that share a rank cannot be told apart."""
    rows = []
    for model in report["models"]:
        best, worst = model["rank_best"], model["rank_worst"]
        won = with_interval(100 * model["win_rate"], 100 * model["win_low"], 100 * model["win_high"], "{:.1f}")
        strength = with_interval(model["strength"], model["low"], model["high"])
        rank = str(best) if best == worst else f"{best}–{worst}"
        rows.append([rank, model["name"], strength, won, f"{model['games']:,}"])
    return table(("rank", "model", "strength [95%]", "win rate, % [95%]", "games"), rows, names=(1,))


def style_table(report: Report) -> Markup | None:
    """What one standard deviation more of length and formatting is worth; None without style control."""
    rows = [[w["name"], with_interval(w["weight"], w["low"], w["high"])] for w in report["style"]]
    return table(("style", "log-odds [95%]"), rows, names=(0,)) if rows else None


def quality_table(quality: Report) -> Markup | None:
    """A row a judge, then people; None where nobody judged."""
    rows = [*quality["judges"], *([{**quality["people"], "judge": "people"}] if quality["people"] else [])]
    cells = [[row["judge"], f"{row['verdicts']:,}", *(percent(row[key]) for key in FIGURES)] for row in rows]
    hints = {label: _HINTS[key] for key, label in FIGURES.items()}
    return table(("judge", "verdicts", *FIGURES.values()), cells, names=(0,), hints=hints) if cells else None


def agreement_table(quality: Report) -> Markup | None:
    """Judges with people, judges with each other, and Krippendorff's alpha; None where nobody judged the same pair."""
    agreed = [(f"{row['judge']} with people", row) for row in quality["judges_with_people"]]
    agreed += [(f"{row['a']} with {row['b']}", row) for row in quality["between_judges"]]
    rows = []
    for who, row in agreed:
        kappa = row["kappa"]
        shown = with_interval(kappa["value"], kappa["low"], kappa["high"], "{:.2f}")
        rows.append([who, f"{kappa['n']:,}", percent(row["agreement"]), shown, ""])
    whose = {"judges": "among judges", "people": "among people", "both": "among all of them"}
    for key, alpha in quality["alpha"].items():
        if alpha["n"]:
            shown = with_interval(alpha["value"], alpha["low"], alpha["high"], "{:.2f}")
            rows.append([whose[key], f"{alpha['n']:,}", "", "", shown])
    return (
        table(("who", "pairs", "equal, % [95%]", "Cohen's κ [95%]", "Krippendorff's α [95%]"), rows, names=(0,))
        if rows
        else None
    )


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    names: Sequence[int] = (),
    hints: Mapping[str, str] | None = None,
) -> Markup:
    """Columns whose places are in `names` are words; the others are numbers, with their intervals in brackets, which
    are less loud. `hints` are by column."""
    heads = [(name, (hints or {}).get(name, ""), at in names) for at, name in enumerate(columns)]
    lines = [[_cell(value, at in names) for at, value in enumerate(row)] for row in rows]
    return macros("tables").figures(heads, lines)


def _cell(value: object, word: bool) -> tuple[str, str, bool]:
    """(words or a number, its interval, whether it is words)."""
    shown = shorten(value, 120)
    if word or " [" not in shown:
        return shown, "", word
    number, _, ends = shown.partition(" [")
    return number, f"[{ends}", word
