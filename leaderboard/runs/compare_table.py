"""Comparisons in words and tables of HTML; every value is text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboard.html import markup
from leaderboard.runs import comparing

if TYPE_CHECKING:
    from harness.evaluation.compare import Comparison


def verdict(rows: Sequence[Comparison]) -> str:
    """In a sentence, by the adjusted p values."""
    clear = [row for row in rows if comparing.p_of(row) < comparing.CLEAR]
    better = [row.task for row in clear if row.difference > 0]
    worse = [row.task for row in clear if row.difference < 0]
    said = []
    if better:
        said.append(f"<b>Better</b> on {markup.text(', '.join(better), 300)}")
    if worse:
        said.append(f"<b>{'worse' if better else 'Worse'}</b> on {markup.text(', '.join(worse), 300)}")
    left = len(rows) - len(clear)
    if left:
        said.append(f"{left} of {len(rows)} cannot be told apart" if said else "<b>Cannot be told apart</b>")
    return "; ".join(said) + "."


def table(rows: Sequence[Comparison]) -> str:
    """As `harness compare` prints it."""
    heads = (
        "Task",
        "Metric",
        "Items",
        "Baseline",
        "This run",
        "Difference",
        "95% interval",
        "p",
        "p (Holm)",
        "Lost / gained",
    )
    body = []
    for row in rows:
        scale = 100 if percent(row) else 1
        a, b, difference, low, high = (scale * v for v in (row.a, row.b, row.difference, row.low, row.high))
        clear = comparing.p_of(row) < comparing.CLEAR
        kind = ("good" if row.difference > 0 else "bad") if clear else ""
        cells = [
            f"{row.n:,}",
            f"{a:.1f}",
            f"{b:.1f}",
            f'<span class="delta {kind}">{difference:+.1f}</span>',
            f"{low:+.1f} to {high:+.1f}",
            p(row.p_value),
            "" if row.p_holm is None else p(row.p_holm),
            "" if row.flips is None else f"{row.lost:,} / {row.gained:,}",
        ]
        body.append(
            f'<tr><th scope="row" class="name">{markup.text(row.task if row.group == "all" else row.group, 80)}</th>'
            f"<td>{markup.text(row.metric, 60)}</td>{''.join(f'<td class=n>{cell}</td>' for cell in cells)}</tr>"
        )
    head = "".join(f'<th scope="col"{" class=n" if at > 1 else ""}>{title}</th>' for at, title in enumerate(heads))
    return (
        f'<div class="board-scroll" tabindex="0"><table class="board trials"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def tested(row: Comparison) -> str:
    """ "acc, p 0.0381, after Holm 0.229"."""
    return f"{row.metric}, p {p(row.p_value)}" + ("" if row.p_holm is None else f", after Holm {p(row.p_holm)}")


def p(value: float) -> str:
    return f"{value:.3g}"


def percent(row: Comparison) -> bool:
    return all(0 <= value <= 1 for value in (row.a, row.b))


def agreement(found: dict[str, int]) -> str:
    """Both right, one right, both wrong: a bar whose parts are to scale."""
    n = found["n"]
    parts = (
        ("both_right", "both right"),
        ("gained", "gained: only this run"),
        ("lost", "lost: only the baseline"),
        ("both_wrong", "both wrong"),
    )
    there = [(key, 100 * found[key] / n) for key, _ in parts if found[key]]
    bar = "".join(f'<i class="{key}" style="width:{share:.2f}%"></i>' for key, share in there)
    legend = "".join(
        f'<span><i class="{key}"></i>{label} <b>{found[key]:,}</b> ({100 * found[key] / n:.1f}%)</span>'
        for key, label in parts
    )
    share = 100 * found["same_answer"] / n
    same = f"<span>the same answer to <b>{found['same_answer']:,}</b> of {n:,} ({share:.1f}%)</span>"
    return f'<div class="agreed"><div class="parts">{bar}</div><div class="keys">{legend}{same}</div></div>'
