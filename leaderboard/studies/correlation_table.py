"""How far validation loss predicts each score: a table of rank correlations with their intervals as bars. HTML; every
value is text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboard.html import markup
from leaderboard.theme import bars

if TYPE_CHECKING:
    from tuning.report.correlation import Agreement
    from tuning.report.findings import Prediction

_AXIS = (-1.0, 1.0)


def said(found: Sequence[Prediction]) -> str:
    return (
        '<p class="said">Rank correlation of falling loss with rising score over the models that have both, with 95% '
        "intervals: 1 is the same order, 0 is none. A search that follows the loss finds better models where this is "
        "well above 0.</p>"
    )


def table(found: Sequence[Prediction]) -> str:
    """A row a score."""
    ends = '<div class="axis"><span>−1</span><span>0</span><span>1</span></div>'
    body = "".join(
        f'<tr><th scope="row" class="name">{markup.text(each.name, 80)}</th><td class="n">{each.agreement.n}</td>'
        f"<td>{_cell(each.agreement.spearman, each.agreement.spearman_interval)}</td>"
        f"<td>{_cell(each.agreement.kendall, each.agreement.kendall_interval)}</td></tr>"
        for each in found
    )
    return (
        '<div class="board-scroll" tabindex="0"><table class="board close"><thead><tr><th scope="col">Score</th>'
        f'<th scope="col" class="n">Models</th><th scope="col">Spearman{ends}</th><th scope="col">Kendall{ends}</th>'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: float | None, interval: tuple[float, float] | None) -> str:
    from tuning.report.correlation import FEWEST

    if value is None:
        return '<span class="none">nothing to rank</span>'
    if interval is None:
        ends, bar = f"fewer than {FEWEST} models: no interval", ""
    else:
        low, high = interval
        ends = f"{low:+.2f} to {high:+.2f}"
        bar = bars.bar(value, low, high, _AXIS, "better" if low > 0 else "worse" if high < 0 else "")
    return (
        f'<div class="score centred"><span class="value">{value:+.2f}</span><span class="ends">{ends}</span>{bar}</div>'
    )


def verdict(found: Agreement) -> str:
    """In a word, by the interval of Spearman's coefficient; "" where there is none."""
    if found.spearman_interval is None:
        return ""
    low, high = found.spearman_interval
    if low > 0:
        return "<b>Lower loss goes with a better score.</b>"
    return "<b>Lower loss goes with a worse score.</b>" if high < 0 else "<b>Cannot be told from chance.</b>"
