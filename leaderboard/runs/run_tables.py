"""A run as HTML: its head, scores against a baseline, throughput, where it came from. Every value is text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness.cli.tables import interval
from harness.evaluation.compare import MACRO
from harness.evaluation.report import tokens_per_second
from leaderboard.html import markup
from leaderboard.theme.bars import Axis, axis_of, axis_words, bar

if TYPE_CHECKING:
    from harness.evaluation.compare import Comparison
    from harness.results import RunRow
    from leaderboard.ranking.lineage import Lineage

Document = Mapping[str, Any]  # harness.evaluation.report.run_document


def head(run: RunRow, tags: Sequence[str]) -> str:
    marks = []
    if run.status == "running":
        marks.append(("not finished", "warn", "It is being computed, or was broken off: the same command goes on."))
    if run.status == "imported":
        marks.append(("imported", "", "From files of another program."))
    if run.partial:
        marks.append(("partial", "warn", "A part of the items only: not ranked with whole runs."))
    if run.unverified:
        marks.append(("unverified", "warn", run.unverified))
    shown = "".join(f'<span class="mark {kind}" title="{markup.text(why)}">{word}</span>' for word, kind, why in marks)
    shown += "".join(f'<span class="mark">{markup.text(tag, 60)}</span>' for tag in tags)
    where = " · ".join(
        filter(None, (run.model, run.backend, f"{run.dtype} on {run.device}", day(run.created), run.id[:12]))
    )
    return (
        f'<h1 class="page-title run-name">{markup.text(run.name, 300)}</h1>'
        f'<p class="page-under">{markup.text(where, 600)}</p><div class="marks">{shown}</div>'
    )


def day(moment: datetime | None) -> str:
    return f"{moment:%d %B %Y, %H:%M} UTC" if moment else ""


def warnings(said: Sequence[str]) -> str:
    """All of them; past three they open on demand."""
    if not said:
        return ""
    lines = "".join(f"<li>{markup.text(word, 1000)}</li>" for word in said)
    count = f"{len(said)} warning{'s' if len(said) > 1 else ''}"
    opened = " open" if len(said) <= 3 else ""
    return f'<details class="warnings"{opened}><summary>{count}</summary><ul>{lines}</ul></details>'


def progress(going: Sequence[Mapping[str, Any]]) -> str:
    """How far each task is, of a run that is not finished."""
    lines = ""
    for each in going:
        share = 100 * each["done"] / max(1, each["items"])
        lines += (
            f'<div class="going"><span class="title">{markup.text(each["task"], 80)}</span>'
            f'<span class="track"><i style="width:{share:.1f}%"></i></span>'
            f"<span>{each['done']:,} of {each['items']:,} scored</span></div>"
        )
    return f'<div class="going-on"><b>Not finished</b>{lines}</div>'


def cards(document: Document, chosen: str, address: Callable[[str], str]) -> str:
    """A task's headline score each; `address` leads to a task."""
    first = {task["task"]: task["metric"] for task in document["tasks"]}
    shown = ""
    for score in document["scores"]:
        if score["group"] != "all" or score["metric"] != first[score["task"]]:
            continue
        value, _, ends = interval(score).partition(" ")
        here = ' aria-current="true"' if score["task"] == chosen else ""
        shown += (
            f'<a class="card" href="{markup.text(address(score["task"]))}"{here}>'
            f'<div class="what">{markup.text(score["task"], 80)}</div><div class="value">{value}</div>'
            f'<div class="under">{between(ends)} · {markup.text(score["metric"], 60)} · {score["n"]:,} items</div></a>'
        )
    return f'<div class="cards pick">{shown}</div>' if shown else ""


def between(ends: str) -> str:
    """ "[67.8, 84.2]" as "67.8 – 84.2"."""
    return ends.strip("[]").replace(", ", " – ")


def overall(document: Document, task: str, rows: Sequence[Comparison]) -> str:
    """Every figure of a task over all its items, beside the baseline's where there is one."""
    scores = [s for s in document["scores"] if s["task"] == task and s["group"] == "all"]
    return _table(
        "Metric", [(s["metric"], s) for s in scores], {r.metric: r for r in rows if r.group == "all"}, bool(rows)
    )


def groups(
    document: Document,
    task: str,
    rows: Sequence[Comparison],
    sort: str,
    sorter: Callable[[str], str],
) -> str:
    """The headline metric by subject. `sort` is "", "score" or "difference"; "" is the task's own order."""
    metric = next(t["metric"] for t in document["tasks"] if t["task"] == task)
    scores = [
        s
        for s in document["scores"]
        if s["task"] == task and s["group"] != "all" and s["metric"] in (metric, metric.removesuffix(MACRO))
    ]
    if not scores:
        return ""
    by_group = {r.group: r for r in rows if r.group != "all" and r.metric == metric.removesuffix(MACRO)}
    if sort == "score":
        scores.sort(key=lambda s: -s["value"])
    elif sort == "difference":
        scores.sort(key=lambda s: by_group[s["group"]].difference if s["group"] in by_group else 9.0)
    return _table("Subject", [(s["group"], s) for s in scores], by_group, bool(rows), sorter, sort)


def _table(
    what: str,
    scores: Sequence[tuple[str, Mapping[str, Any]]],
    rows: Mapping[str, Comparison],
    compared: bool,
    sorter: Callable[[str], str] | None = None,
    sort: str = "",
) -> str:
    own = [score for _, score in scores]
    axis = axis_of(own)
    far = max((abs(end) for row in rows.values() for end in (row.low, row.high)), default=0.0)
    reach = (-far, far) if far else None
    heads = [_head(what, "", sorter, sort), '<th scope="col" class="n">Items</th>']
    heads += [_head("Score", "score", sorter, sort, axis_words(axis))]
    if compared:
        heads += ['<th scope="col" class="n">Baseline</th>', _head("Difference", "difference", sorter, sort)]
        heads += ['<th scope="col" class="n">p</th>', '<th scope="col" class="n">Lost / gained</th>']
    body = ""
    for name, score in scores:
        value, _, ends = interval(score).partition(" ")
        cells = f'<th scope="row" class="name"><div class="title">{markup.text(name, 120)}</div></th>'
        cells += f'<td class="n">{score["n"]:,}</td><td>{_cell(value, score, axis, between(ends))}</td>'
        if compared:
            cells += _difference(rows.get(name), reach)
        body += f"<tr>{cells}</tr>"
    return (
        f'<div class="board-scroll" tabindex="0"><table class="board close"><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _head(label: str, key: str, sorter: Callable[[str], str] | None, sort: str, under: str = "") -> str:
    css = ' class="name"' if not key else ""
    if sorter is None:
        return f'<th scope="col"{css}>{label}{under}</th>'
    arrow = '<span class="arrow">▾</span>' if key == sort else ""
    return f'<th scope="col"{css}><a href="{markup.text(sorter(key))}">{label}{arrow}</a>{under}</th>'


def _cell(value: str, score: Mapping[str, Any], axis: Axis | None, ends: str) -> str:
    drawn = bar(score["value"], score["low"], score["high"], axis)
    return f'<div class="score"><span class="value">{value}</span><span class="ends">{ends}</span>{drawn}</div>'


def _difference(row: Comparison | None, reach: Axis | None) -> str:
    if row is None:
        return '<td class="n"><span class="none">–</span></td>' * 4
    scale = 100 if all(0 <= v <= 1 for v in (row.a, row.b)) else 1
    kind = "better" if row.low > 0 else "worse" if row.high < 0 else ""
    tone = {"better": "good", "worse": "bad", "": ""}[kind]
    flips = "" if row.flips is None else f"{row.lost:,} / {row.gained:,}"
    ends = f"{scale * row.low:+.1f} to {scale * row.high:+.1f}"
    return (
        f'<td class="n">{scale * row.a:.1f}</td><td><div class="score"><span class="value delta {tone}">'
        f'{scale * row.difference:+.1f}</span><span class="ends">{ends}</span>'
        f"{bar(row.difference, row.low, row.high, reach, f'zero {kind}')}</div></td>"
        f'<td class="n">{row.p_value:.3g}</td><td class="n">{flips}</td>'
    )


def throughput(document: Document) -> str:
    """What was asked, computed and reused, and where the time went."""
    tokens, seconds = document["tokens"], document["seconds"]
    if not tokens or not seconds:
        return ""
    shown = [
        ("Prompt tokens", f"{tokens['asked']:,}", f"{tokens['reused']:,} of them reused"),
        ("Tokens computed", f"{tokens['computed']:,}", f"{tokens['generated']:,} generated"),
    ]
    speed = tokens_per_second(document)
    if speed is not None:
        shown.append(("Speed", f"{speed:,.0f}", "computed tokens a second of the model's time"))
    parts = ", ".join(f"{kind} {seconds[kind]:,.1f}" for kind in _KINDS if seconds.get(kind))
    if "total" in seconds:
        shown.append(("Seconds", f"{seconds['total']:,.1f}", parts))
    made = "".join(
        f'<div class="card"><div class="what">{what}</div><div class="value">{value}</div>'
        f'<div class="under">{under}</div></div>'
        for what, value, under in shown
    )
    return f'<div class="cards">{made}</div>'


_KINDS = ("planning", "loading", "model", "scoring", "store", "waiting")


def provenance(run: RunRow, document: Document, lineage: Lineage | None) -> str:
    """What made the numbers, in full."""
    facts: list[tuple[str, str]] = [
        ("Run", _mono(run.id)),
        ("Identity", _mono(run.identity)),
        ("Model", markup.text(run.model)),
        ("Checkpoint's digest", _mono(run.model_digest)),
        ("Base's digest", _mono(run.base_digest)),
        ("Trained by", _trained(lineage)),
        ("Backend", markup.text(f"{run.backend}, {run.dtype} on {run.device}")),
        ("Seed", str(run.seed)),
        ("Begun", day(run.created)),
        ("Finished", day(run.finished)),
        ("Command", _mono(run.command)),
    ]
    facts += [(markup.text(str(key), 80), _value(value)) for key, value in run.provenance.items()]
    tasks = "".join(
        f'<h3 class="panel">{markup.text(task["task"], 120)}</h3>'
        + _facts([(markup.text(key.replace("_", " ")), _value(value)) for key, value in task.items() if key != "task"])
        for task in document["tasks"]
    )
    options = {key: value for key, value in run.config.items() if value not in (None, "", (), [], {}, False)}
    return (
        f'{_facts(facts)}<h2 class="section">Tasks</h2>{tasks}<h2 class="section">Options</h2>'
        f"{_facts([(markup.text(key.replace('_', ' ')), _value(value)) for key, value in options.items()])}"
    )


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    return f'<dl class="facts">{"".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in facts if v)}</dl>'


def _mono(text: str) -> str:
    return f'<span class="mono">{markup.text(text, 4000)}</span>' if text else ""


def _value(value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        return _mono(json.dumps(value, ensure_ascii=False, default=str)) if value else ""
    return markup.text({True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value)


def _trained(found: Lineage | None) -> str:
    if found is None:
        return ""
    said = f", {found.words}, {found.optimizer}, on {found.base}"
    values = ", ".join(f"{key} {value}" for key, value in found.hyperparameters.items())
    return f"{markup.link(found.name, 'studies', study=found.study)}{markup.text(said)}<br>{markup.text(values)}"
