"""A run as HTML (templates/run.html, tables.html): head, scores against a baseline, throughput, where it came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.cli.tables import interval
from harness.evaluation.report import items_count, items_words, tokens_per_second
from harness.evaluation.task_result import MACRO
from leaderboard.app import state
from leaderboard.html import tables
from leaderboard.html.tables import Cell, Head
from leaderboard.html.templates import macros
from leaderboard.theme.bars import Axis, axis_of, axis_words, bar

if TYPE_CHECKING:
    from markupsafe import Markup

    from harness.evaluation.compare import Comparison
    from harness.results import RunRow
    from leaderboard.ranking.lineage import Lineage

Document = Mapping[str, Any]  # harness.evaluation.report.run_document


_SECONDS = ("planning", "loading", "model", "scoring", "store", "waiting")


def head(run: RunRow, tags: Sequence[str], warnings: Sequence[str], going: Sequence[Mapping[str, Any]]) -> Markup:
    """Past three, warnings open on demand. `going`: how far each task is, of a run that is not finished."""
    marks = []
    if run.status == "running":
        marks.append(("not finished", "warn", "It is being computed, or was broken off: the same command goes on."))
    if run.status == "imported":
        marks.append(("imported", "", "From files of another program."))
    if run.sampled:
        marks.append(("sampled", "warn", "A part of the items, drawn at random: not ranked with whole runs."))
    elif run.partial:
        marks.append(("partial", "warn", "A part of the items only: not ranked with whole runs."))
    if run.unverified:
        marks.append(("unverified", "warn", run.unverified))
    marks += [(tag, "", "") for tag in tags]
    where = " · ".join(
        filter(None, (run.model, run.backend, f"{run.dtype} on {run.device}", day(run.created), run.id[:12]))
    )
    lines = [
        (
            task["task"],
            "",
            100 * task["done"] / max(1, task["items"]),
            f"{task['done']:,} of {task['items']:,} scored",
        )
        for task in going
    ]
    return macros("run").head(run.name, where, marks, warnings, lines)


def day(moment: datetime | None) -> str:
    return f"{moment:%d %B %Y, %H:%M} UTC" if moment else ""


def cards(document: Document, chosen: str, address: Callable[[str], str]) -> Markup | None:
    """A task's headline score each; `address` leads to a task."""
    first = {task["task"]: task["metric"] for task in document["tasks"]}
    panels = []
    for score in document["scores"]:
        task, metric = score["task"], score["metric"]
        if score["group"] == "all" and metric == first[task]:
            value, _, ends = interval(score).partition(" ")
            panels.append((task, address(task), task == chosen, value, between(ends), metric, items_words(score)))
    return macros("run").cards(panels) if panels else None


def between(ends: str) -> str:
    """ "[67.8, 84.2]" as "67.8 – 84.2"."""
    return ends.strip("[]").replace(", ", " – ")


def overall(document: Document, task: str, rows: Sequence[Comparison]) -> Markup:
    """Every figure of a task over all its items, beside the baseline's where there is one."""
    scores = [s for s in document["scores"] if s["task"] == task and s["group"] == "all"]
    differences = {r.metric: r for r in rows if r.group == "all"}
    return _table("Metric", [(s["metric"], s) for s in scores], differences, bool(rows))


def groups(
    document: Document,
    task: str,
    rows: Sequence[Comparison],
    sort: str,
    sorter: Callable[[str], str],
) -> Markup | None:
    """The headline metric by subject. `sort` is "", "score" or "difference"; "" is the task's own order."""
    metric = next(t["metric"] for t in document["tasks"] if t["task"] == task)
    scores = [
        s
        for s in document["scores"]
        if s["task"] == task and s["group"] != "all" and s["metric"] in (metric, metric.removesuffix(MACRO))
    ]
    if not scores:
        return None
    by_group = {r.group: r for r in rows if r.group != "all" and r.metric == metric.removesuffix(MACRO)}
    if sort == "score":
        scores.sort(key=lambda s: -s["value"])
    elif sort == "difference":
        scores.sort(key=lambda s: by_group[s["group"]].difference if s["group"] in by_group else 9.0)
    return _table("Subject", [(s["group"], s) for s in scores], by_group, bool(rows), sorter, sort)


def _table(
    words: str,
    scores: Sequence[tuple[str, Mapping[str, Any]]],
    rows: Mapping[str, Comparison],
    compared: bool,
    sorter: Callable[[str], str] | None = None,
    sort: str = "",
) -> Markup:
    """`words`: what the first column has."""
    axis = axis_of([score for _, score in scores])
    far = max((abs(end) for row in rows.values() for end in (row.low, row.high)), default=0.0)
    reach = (-far, far) if far else None

    def head(words: str, key: str, arrow: str, css: str = "", axis: Sequence[str] = ()) -> Head:
        return Head(words, css, sorter(key) if sorter else "", arrow if key == sort else "", axis=axis)

    heads = [head(words, "", "", "name"), Head("Items", "n"), head("Score", "score", "▾", axis=axis_words(axis))]
    if compared:
        heads += [
            Head("Baseline", "n"),
            head("Difference", "difference", "▴"),
            Head("p", "n"),
            Head("Lost / gained", "n"),
        ]
    lines = []
    for name, score in scores:
        value, _, ends = interval(score).partition(" ")
        drawn = bar(score["value"], score["low"], score["high"], axis)
        cells = [
            tables.name(name),
            tables.number(items_count(score)),
            tables.score(value, between(ends), drawn),
        ]
        if compared:
            cells += _difference(rows.get(name), reach)
        lines.append(("", cells))
    return tables.table("close", heads, lines)


def _difference(row: Comparison | None, reach: Axis | None) -> Sequence[Cell]:
    """From a baseline: its score, the difference, p, flips."""
    if row is None:
        return (tables.absent("n"),) * 4
    scale = 100 if all(0 <= v <= 1 for v in (row.a, row.b)) else 1
    kind = "better" if row.low > 0 else "worse" if row.high < 0 else ""
    tone = {"better": "good", "worse": "bad", "": "even"}[kind]
    ends = f"{scale * row.low:+.1f} to {scale * row.high:+.1f}"
    drawn = bar(row.difference, row.low, row.high, reach, f"zero {kind}")
    return (
        tables.number(f"{scale * row.a:.1f}"),
        tables.score(f"{scale * row.difference:+.1f}", ends, drawn, tone=tone),
        tables.number(f"{row.p_value:.3g}"),
        tables.number("" if row.flips is None else f"{row.lost:,} / {row.gained:,}"),
    )


def throughput(document: Document) -> Markup | None:
    """What was asked, computed and reused, and where the time went."""
    tokens, seconds = document["tokens"], document["seconds"]
    if not tokens or not seconds:
        return None
    panels = [
        ("Prompt tokens", f"{tokens['asked']:,}", f"{tokens['reused']:,} of them reused", None),
        ("Tokens computed", f"{tokens['computed']:,}", f"{tokens['generated']:,} generated", None),
    ]
    speed = tokens_per_second(document)
    if speed is not None:
        panels.append(("Speed", f"{speed:,.0f}", "computed tokens a second of the model's time", None))
    parts = ", ".join(f"{kind} {seconds[kind]:,.1f}" for kind in _SECONDS if seconds.get(kind))
    if "total" in seconds:
        panels.append(("Seconds", f"{seconds['total']:,.1f}", parts, None))
    return macros("shared").cards(panels)


class _Fact(NamedTuple):
    name: str
    words: str
    mono: bool = False
    address: str = ""  # of the part in front
    front: str = ""
    below: str = ""


def provenance(run: RunRow, document: Document, lineage: Lineage | None) -> Markup:
    """What made the numbers, in full."""
    facts = [
        _Fact("Run", run.id, True),
        _Fact("Identity", run.identity, True),
        _Fact("Model", run.model),
        _Fact("Checkpoint's digest", run.model_digest, True),
        _Fact("Base's digest", run.base_digest, True),
        *([_trained(lineage)] if lineage else []),
        _Fact("Backend", f"{run.backend}, {run.dtype} on {run.device}"),
        _Fact("Seed", str(run.seed)),
        _Fact("Begun", day(run.created)),
        _Fact("Finished", day(run.finished)),
        _Fact("Command", run.command, True),
        *(_fact(str(key), value) for key, value in run.provenance.items()),
    ]
    tasks = [
        (task["task"], [_fact(key.replace("_", " "), value) for key, value in task.items() if key != "task"])
        for task in document["tasks"]
    ]
    options = {key: value for key, value in run.config.items() if value not in (None, "", (), [], {}, False)}
    return macros("run").provenance(facts, tasks, [_fact(key.replace("_", " "), v) for key, v in options.items()])


def _fact(name: str, value: object) -> _Fact:
    if isinstance(value, Mapping | list | tuple):
        return _Fact(name, json.dumps(value, ensure_ascii=False, default=str) if value else "", True)
    return _Fact(name, ("yes" if value else "no") if isinstance(value, bool) else str(value))


def _trained(origin: Lineage) -> _Fact:
    values = ", ".join(f"{key} {value}" for key, value in origin.hyperparameters.items())
    return _Fact(
        "Trained by",
        f", {origin.words}, {origin.optimizer}, on {origin.base}",
        address=state.link("studies", study=origin.study),
        front=origin.name,
        below=values,
    )
