"""A trace as a tree in the terminal, readable at 80 columns. Whatever a name says is text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.cli.tables import plain
from tuning.trace.links import Figure, Link

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

_SHORT = ("id", "identity", "digest", "rows' digest", "run", "runs", "study", "baseline", "prompts", "measured by")
_ONLY_JSON = ("trainings", "answers", "responses", "tasks")  # long; figures and sources say the most of it
_MOST = 240  # characters of a fact
FIGURES = 12  # of a link


def print_trace(console: Console, link: Link) -> None:
    from rich.tree import Tree

    tree = Tree(_head(link))
    _fill(tree, link, set())
    console.print(tree, soft_wrap=False)
    for name in link.differing:
        console.print(plain(f"! {name} is not what the stored samples give"), style="red")


def _fill(tree: Tree, link: Link, seen: set[str]) -> None:
    """`seen`: what stands above, which is not written again."""
    key = key_of(link)
    if key in seen:
        tree.add(plain("as above"), style="dim")
        return
    seen.add(key)
    for text, style in lines(link):
        tree.add(plain(text), style=style, guide_style=style)
    for source in link.sources:
        _fill(tree.add(_head(source)), source, seen)


def key_of(link: Link) -> str:
    """The same for two links that are one thing."""
    return json.dumps([link.kind, link.name, link.facts], default=str)


def _head(link: Link) -> Any:
    text = plain(f"{link.kind} {link.name}")
    text.stylize("bold")
    return text


def lines(link: Link) -> list[tuple[str, str]]:
    """(text, style) of each line below a link's name."""
    shown = [(figure_text(figure), "red" if figure.agrees is False else "cyan") for figure in link.figures[:FIGURES]]
    if (rest := len(link.figures) - FIGURES) > 0:
        shown.append((f"… and {rest} more figures, which the JSON document has", "dim"))
    facts = "; ".join(f"{name} {value}" for name, value in fact_texts(link))
    return [
        *shown,
        *([(facts, "dim")] if facts else []),
        *((f"! {sentence}", "yellow") for sentence in link.missing),
        *([(f"$ {link.command}", "green")] if link.command else []),
        *([(link.page, "dim")] if link.page else []),
    ]


def figure_text(figure: Figure) -> str:
    """ "acc: 45.8 [27.9, 64.9], from 24 samples"."""
    if figure.agrees is False:
        return f"{figure.name}: {figure.text} from {figure.made_from}; STORED: {stored_text(figure)}"
    return f"{figure.name}: {figure.text}" + (f", from {figure.made_from}" if figure.made_from else ", as stored")


def stored_text(figure: Figure) -> str:
    if figure.stored is None or isinstance(figure.stored, str):
        return figure.stored or ""
    value, low, high = figure.stored
    ends = "" if low is None or high is None else f" [{low:.6g}, {high:.6g}]"
    return f"{value:.6g}{ends}" if value is not None else ""


def fact_texts(link: Link) -> list[tuple[str, str]]:
    """What is known, in short: empty ones are left out, digests and ids are cut."""
    return [
        (name, _fact(name, value))
        for name, value in link.facts.items()
        if name not in _ONLY_JSON and value not in ("", None, [], {}, ())
    ]


def _fact(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        text = ", ".join(
            f"{key} {_fact('digest' if 'digest' in name else str(key), own)}" for key, own in value.items()
        )
    elif isinstance(value, Sequence) and not isinstance(value, str):
        text = ", ".join(_fact(name, own) for own in value)
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    elif isinstance(value, float):
        text = f"{value:.5g}"
    else:
        text = str(value).replace("\n", "\\n")
        text = text[:12] if name in _SHORT else text
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
