"""The contamination audits of a study in words and tables: what of the benchmarks stands in the rows it was trained on,
and what the scores are without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.audit.audit import summary

Document = Mapping[str, Any]  # of one task: harness.audit.audit.TaskAudit and tuning.study.row_audit
SCORES = ("task", "model", "all items", "without flagged", "over base", "over base, without")
FLAGGED = ("task", "item", "how", "of it", "source", "row", "text of the row")
MOST = 50  # flagged items of a task


def sentences(audits: Sequence[Document]) -> list[str]:
    """What was compared, task by task, and what of it an objective of the search saw."""
    lines = []
    for audit in audits:
        lines.append(summary(audit))
        lines += [
            f"Of the {seen['items']:,} items of {audit['task']} that the objective {seen['word']} saw, "
            f"{seen['flagged']:,} are among the flagged; scores leave them all out."
            for seen in audit["objectives"]
        ]
    return lines


def score_rows(audits: Sequence[Document]) -> list[tuple[str, ...]]:
    """With the flagged items and without them, side by side, of tasks that have some. The last two are paired
    differences from the base over the same items."""
    return [
        (
            audit["task"],
            score["name"],
            _figure(score["all"]),
            _figure(score["without"]),
            _difference(score["over_base_all"]),
            _difference(score["over_base_without"]),
        )
        for audit in audits
        for score in audit["scores"]
    ]


def flagged_rows(audits: Sequence[Document]) -> list[tuple[str, ...]]:
    return [
        (
            audit["task"],
            item["item"],
            item["kind"],
            f"{item['share']:.0%}",
            item["source"],
            f"{item['row']:,}" + (f" and {item['rows'] - 1:,} more" if item["rows"] > 1 else ""),
            item["excerpt"],
        )
        for audit in audits
        for item in audit["flagged"][:MOST]
    ]


def _figure(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "none"
    return f"{_scaled(score, 'value')} [{_scaled(score, 'low')}, {_scaled(score, 'high')}]"


def _difference(paired: Mapping[str, Any] | None) -> str:
    if paired is None:
        return ""
    low, high = _scaled(paired, "low", "+"), _scaled(paired, "high", "+")
    return f"{_scaled(paired, 'value', '+')} [{low}, {high}]"


def _scaled(figures: Mapping[str, Any], name: str, sign: str = "") -> str:
    """In points of a hundred, where they are parts of one."""
    is_part = max(abs(figures[key]) for key in ("value", "low", "high")) <= 1
    return f"{100 * figures[name]:{sign}.1f}" if is_part else f"{figures[name]:{sign}.4g}"
