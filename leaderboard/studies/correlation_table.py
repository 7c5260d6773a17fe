"""How far validation loss predicts each score: a table of rank correlations with their intervals as bars (HTML of
templates/tables.html)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboard.html import tables
from leaderboard.html.tables import Cell, Head
from leaderboard.theme import bars

if TYPE_CHECKING:
    from markupsafe import Markup

    from tuning.report.correlation import Agreement
    from tuning.report.findings import Prediction

_AXIS = (-1.0, 1.0)
EXPLANATION = (
    "Rank correlation of falling loss with rising score over the models that have both, with 95% intervals: 1 is the "
    "same order, 0 is none. A search that follows the loss finds better models where this is well above 0."
)


def table(predictions: Sequence[Prediction]) -> Markup:
    """A row a score."""
    ends = ("−1", "0", "1")
    heads = [Head("Score"), Head("Models", "n"), Head("Spearman", axis=ends), Head("Kendall", axis=ends)]
    lines = []
    for prediction in predictions:
        agreement = prediction.agreement
        cells = [
            tables.name(prediction.name, most=80),
            tables.number(str(agreement.n)),
            _cell(agreement.spearman, agreement.spearman_interval),
            _cell(agreement.kendall, agreement.kendall_interval),
        ]
        lines.append(("", cells))
    return tables.table("close", heads, lines)


def _cell(value: float | None, interval: tuple[float, float] | None) -> Cell:
    from tuning.report.correlation import FEWEST

    if value is None:
        return tables.absent(text="nothing to rank")
    if interval is None:
        return tables.score(f"{value:+.2f}", f"fewer than {FEWEST} models: no interval", None)
    low, high = interval
    kind = "better" if low > 0 else "worse" if high < 0 else ""
    drawn = bars.bar(value, low, high, _AXIS, f"centred {kind}")
    return tables.score(f"{value:+.2f}", f"{low:+.2f} to {high:+.2f}", drawn)


def verdict(agreement: Agreement) -> str:
    """In a word, by the interval of Spearman's coefficient; "" where there is none."""
    if agreement.spearman_interval is None:
        return ""
    low, high = agreement.spearman_interval
    if low > 0:
        return "Lower loss goes with a better score."
    return "Lower loss goes with a worse score." if high < 0 else "Cannot be told from chance."
