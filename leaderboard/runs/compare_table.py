"""Comparisons in words and tables of HTML (templates/compare.html, tables.html)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboard.html import tables
from leaderboard.html.tables import Head
from leaderboard.html.templates import macros
from leaderboard.runs import comparing

if TYPE_CHECKING:
    from markupsafe import Markup

    from harness.evaluation.compare import Comparison


_HEADS = (
    Head("Task"),
    Head("Metric"),
    *(
        Head(words, "n")
        for words in (
            "Items",
            "Baseline",
            "Candidate",
            "Difference",
            "95% interval",
            "p",
            "p (Holm)",
            "Lost / gained",
        )
    ),
)


def verdict(rows: Sequence[Comparison]) -> Markup:
    """In a sentence, by the adjusted p values."""
    clear = [row for row in rows if comparing.p_of(row) < comparing.CLEAR]
    better = [row.task for row in clear if row.difference > 0]
    worse = [row.task for row in clear if row.difference < 0]
    return macros("compare").verdict(", ".join(better), ", ".join(worse), len(rows) - len(clear), len(rows))


def table(rows: Sequence[Comparison]) -> Markup:
    """As `harness compare` prints it; over several seeds nothing is lost or gained as a whole."""
    lines = []
    flipped = any(row.flips is not None for row in rows)
    for row in rows:
        scale = 100 if percent(row) else 1
        a, b, difference, low, high = (scale * v for v in (row.a, row.b, row.difference, row.low, row.high))
        clear = comparing.p_of(row) < comparing.CLEAR
        tone = ("good" if row.difference > 0 else "bad") if clear else ""
        cells = [
            tables.name(row.task if row.group == "all" else row.group, most=80),
            tables.words(row.metric),
            tables.number(f"{row.n:,}"),
            tables.number(f"{a:.1f}"),
            tables.number(f"{b:.1f}"),
            tables.toned(f"{difference:+.1f}", f"delta {tone}", "n"),
            tables.number(f"{low:+.1f} to {high:+.1f}"),
            tables.number(p(row.p_value)),
            tables.number("" if row.p_holm is None else p(row.p_holm)),
            tables.number("" if row.flips is None else f"{row.lost:,} / {row.gained:,}"),
        ]
        lines.append(("", cells if flipped else cells[:-1]))
    return tables.table("trials", _HEADS if flipped else _HEADS[:-1], lines)


def tested(row: Comparison) -> str:
    """ "acc, p 0.0381, after Holm 0.229"."""
    return f"{row.metric}, p {p(row.p_value)}" + ("" if row.p_holm is None else f", after Holm {p(row.p_holm)}")


def p(value: float) -> str:
    return f"{value:.3g}"


def percent(row: Comparison) -> bool:
    return all(0 <= value <= 1 for value in (row.a, row.b))


def agreement(counts: dict[str, int]) -> Markup:
    """Both right, one right, both wrong: a bar whose parts are to scale."""
    n = counts["n"]
    names = {
        "both_right": "both right",
        "gained": "gained: only this run",
        "lost": "lost: only the baseline",
        "both_wrong": "both wrong",
    }
    parts = [(key, words, counts[key], 100 * counts[key] / n) for key, words in names.items()]
    same = counts["same_answer"]
    return macros("compare").agreement(parts, same, n, 100 * same / n)
