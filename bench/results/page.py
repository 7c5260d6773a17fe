"""docs/results.md from the committed figures in docs/results; every number of the page comes from there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.results import judging
from bench.results.claims import DEFAULTS, claims, turned
from bench.results.pictures import pictures

HEAD = """# Results on a real model

Written by `python -m bench.results` from docs/results/real.json, on {at}. The base is Gemma 3 270M, 268 million
parameters, as `make real` makes it from 4-bit weights; the rows are 70% Alpaca and 30% Dolly. docs/results/real has all
trials, curves and scores: `harness import docs/results/real`, and `harness study run studies/real.toml` goes on
from there.{published}

## How far it is

{stages}

{hours}

**Trimmed to what two cores can do**: 600 train rows (the plan asked for 1,400), with 300 for validation and 300 for the
test, rows cut at 256 tokens (an eighth is longer), one epoch, {seeds} a finalist in place of three and no
worst trial among them, 200 to 400 items of each benchmark, 40 of each MMLU subject, 20 of each task that is generated.
Prompts with references in place of the 80 Vicuna prompts, since the reference judge needs them.
"""
PUBLISHED = " How well the same base agrees with scores that others published: [published.md](published.md)."
PICTURES = {
    "searches": "The lowest validation loss so far of each search; dots are trials, estimated where stopped early.",
    "finalists": "What others lose on test rows against the one that validation loss chose, with 95% intervals.",
    "benchmarks": "Validation loss against the mean of all tasks; the line is the base.",
}
COLUMNS = ("trial", "proposed by", "rank", "alpha", "dropout", "learning rate", "rows", "loss on them", "on all rows")


def page(folder: Path) -> str:
    """`folder` is docs/results."""
    known: dict[str, Any] = json.loads((folder / "real.json").read_text(encoding="utf-8"))
    published = PUBLISHED if (folder / "published.json").exists() else ""
    seeds = "one new seed" if known["seeds"] == 1 else f"{known['seeds']} new seeds"
    about = {"at": known["at"], "published": published, "stages": _stages(known["stages"]), "hours": _hours(known)}
    parts = [HEAD.format(seeds=seeds, **about)]
    report = known["report"]
    if known["finalists"] is None:
        parts.append(
            "## What can be said\n\nNothing yet: a verdict needs finalists that were trained again with new seeds and "
            "measured. Below is what the searches have tried so far; each value is of one training on the search's own "
            "validation rows.\n"
        )
    if short := summary(known):
        parts.append(f"## In short\n\n{short}\n")
    if known["finalists"]:
        parts.append(_finalists(known["finalists"]))
    parts.append(_claims(known))
    parts += [f"![{PICTURES[name]}](results/{name}.svg)\n\n{PICTURES[name]}\n" for name in pictures(known)]
    if report is not None:
        parts.append(_report(report))
    judge = folder / "judge.json"
    if judge.exists():
        parts.append(judging.section(json.loads(judge.read_text(encoding="utf-8"))))
    parts += [_search(search) for search in known["searches"]]
    return "\n".join(parts)


def summary(known: Mapping[str, Any]) -> str:
    """What was found, in a few sentences; empty before there is a verdict. The README quotes it."""
    finalists, report = known["finalists"], known["report"]
    if not finalists or report is None or not finalists["chosen"]:
        return ""
    budgets = {search["budget"] for search in known["searches"]}
    trials = f"{max(budgets)} trials" if len(budgets) == 1 else f"{min(budgets)} to {max(budgets)} trials"
    names = [search["optimizer"] for search in known["searches"]]
    words: dict[str, list[str]] = {"better than": [], "worse than": [], "not to be told from": []}
    for one in map(turned, finalists["against"]):
        if not one["one"].endswith(DEFAULTS):
            continue
        figure = f"{one['one']} ({one['difference']:+.4f} [{one['low']:+.4f}, {one['high']:+.4f}])"
        word = "better than" if one["low"] > 0 else "worse than" if one["high"] < 0 else "not to be told from"
        words[word].append(figure)
    compared = "; ".join(f"{word} {', '.join(figures)}" for word, figures in words.items() if figures)
    against_base = next((text for text in report["verdict"] if text.startswith("Against base ")), "")
    return (
        f"{', '.join(names)}, {trials} each: what validation loss chose, {finalists['chosen']}, is on unseen rows "
        f"{compared}; in brackets their losses above its own, nats a token. {against_base}"
    ).strip()


def _stages(stages: Sequence[Mapping[str, Any]]) -> str:
    counted = [
        f"- {stage['name']}: " + (f"{stage['done']:,} of {stage['total']:,}" if stage["total"] else "not begun")
        for stage in stages
    ]
    return "\n".join(counted)


def _hours(known: Mapping[str, Any]) -> str:
    hours, sessions = known["hours"], known["sessions"]
    return (
        f"{hours['training']:.1f} hours of training and {hours['measuring']:.1f} of measuring in {sessions} sessions, "
        f"on two cores that other work used at the same time. The store has {known['store_bytes'] / 1e6:.1f} MB."
    )


def _finalists(finalists: Mapping[str, Any]) -> str:
    rows = []
    against = {one["rival"]: one for one in finalists["against"]}
    for one in finalists["measured"]:
        losses, loss = one["test_losses"], one["validation_loss"]
        other = against.get(one["title"])
        difference = "(chosen)"
        if other:
            above = turned(other)
            difference = f"{above['difference']:+.4f} [{above['low']:+.4f}, {above['high']:+.4f}]"
        mean = f"{sum(losses) / len(losses):.4f}"
        known = ["" if value is None else f"{value:.4f}" for value in (loss, one["new_validation_loss"])]
        rows.append((one["title"], *known, mean, f"{len(losses)}", difference))
    columns = (
        "configuration",
        "validation loss",
        "with a new seed",
        "test loss",
        "trainings",
        "above the chosen one [95%]",
    )
    parts = ["## On rows that no search saw", _table(columns, rows), *_seeds(finalists)]
    return "\n\n".join(parts) + "\n"


def _seeds(finalists: Mapping[str, Any]) -> list[str]:
    """What is to be said of one training each, and of a finalist that its search had stopped early."""
    measured, seeds = finalists["measured"], finalists["seeds"]
    sentences = []
    if any(len(one["test_losses"]) == 1 for one in measured if one["new_validation_loss"] is not None):
        sentences.append(
            "Each was trained once anew. How much a seed matters is known from "
            f"{seeds['configurations']} configurations that were trained on all rows in the search too: their two "
            f"validation losses are {seeds['apart']:.4f} apart (root mean square). The intervals hold that (Student's "
            "t), and rows."
        )
    chosen = next((one for one in measured if one["title"] == finalists["chosen"]), None)
    early = [one for one in measured if one["validation_loss"] is None and one["new_validation_loss"] is not None]
    lower = [
        f"{one['title']} ({one['new_validation_loss']:.4f})"
        for one in early
        if chosen and one["new_validation_loss"] < chosen["new_validation_loss"]
    ]
    if lower:
        sentences.append(
            f"Stopped early in its search, and on all rows lower in validation loss than the chosen one: "
            f"{', '.join(lower)}. A rung's few rows had told otherwise."
        )
    return sentences


def _claims(known: Mapping[str, Any]) -> str:
    rows = [(one.claim, f"**{one.word}**", one.because) for one in claims(known)]
    return f"## The claims of arXiv 2312.00949\n\n{_table(('claim', 'here', 'because'), rows)}\n"


def _report(report: Mapping[str, Any]) -> str:
    lines = ["## Verdict", "", *(f"- {_text(sentence)}" for sentence in report["verdict"]), ""]
    for table in report["tables"]:
        lines += [f"## {_text(table['title'])}", "", _table(table["columns"], table["rows"]), ""]
    lines += ["# The questions of arXiv 2312.00949", ""]
    for section in report["sections"]:
        lines += [f"## {_text(section['title'])}", "", *(f"- {_text(text)}" for text in section["sentences"]), ""]
    return "\n".join(lines)


def _search(search: Mapping[str, Any]) -> str:
    tokens = search["compute_tokens"]
    about = (
        f"{search['started']} of {search['budget']} trials, seed {search['seed']}; "
        f"{tokens['backward']:,} tokens trained on and {tokens['validation']:,} validated."
    )
    measured = [trial for trial in search["trials"] if trial["loss"] is not None]
    rows = [_trial(trial, trial["number"] == search["best"]) for trial in measured]
    return f"## Search by {_text(search['optimizer'])}\n\n{about}\n\n{_table(COLUMNS, rows)}\n"


def _trial(trial: Mapping[str, Any], is_best: bool) -> tuple[str, ...]:
    hyper = trial["hyperparameters"]
    value = "" if trial["value"] is None else f"{trial['value']:.4f}{' (estimated)' if trial['estimated'] else ''}"
    return (
        f"{trial['number']}{' (best)' if is_best else ''}",
        _text(trial["label"] or trial["optimizer"]),
        f"{hyper['rank']:g}",
        f"{hyper['alpha']:g}",
        f"{hyper['dropout']:g}",
        f"{hyper['lr']:.3g}",
        f"{trial['rung']:.0%}",
        f"{trial['loss']:.4f}",
        value,
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(map(_text, line)) + " |" for line in lines)


def _text(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
