"""How a judge of 270 million parameters does. The store has answers of the base and of a trained adapter to the 80
Vicuna prompts (`harness answer`), and the base's own verdicts on them, served as an OpenAI-compatible judge (`harness
judge`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# of `harness ranking --json`: what is asked of a judge, and what one that reads answers gives
RATES = {
    "error_rate": "verdicts that are none",
    "flip_rate": "pairs whose verdict turns with the order",
    "first_rate": "decided for the answer shown first",
    "longer_rate": "decided for the longer answer",
    "tie_rate": "ties",
}
INTRO = """## The base as a judge

Gemma 3 270M, served by `vllm serve` on the same two cores, compared answers of {models} to the {prompts} Vicuna
prompts, each pair in both orders: {verdicts} verdicts. A judge that reads answers turns few verdicts with the order and
prefers no place; this one is shown as it is, and no ranking is made of it.
"""


def judging(db: str) -> dict[str, Any]:
    """Rates in percent with 95% intervals; each None where nothing shows it."""
    import judges.api

    document = judges.api.rank(db=db).document
    (quality,) = document["quality"]["judges"]
    return {
        "models": [model["name"] for model in document["models"]],
        "prompts": document["prompts"]["n"],
        "verdicts": quality["verdicts"],
        "rates": {name: quality[name] for name in RATES},
    }


def section(known: Mapping[str, Any]) -> str:
    """Of the page. `known` is docs/results/judge.json."""
    intro = INTRO.format(models=" and ".join(known["models"]), prompts=known["prompts"], verdicts=known["verdicts"])
    rows = [f"| {RATES[name]} | {_percent(rate)} | {rate['n']} |" for name, rate in known["rates"].items()]
    return "\n".join([intro, "| what | % [95%] | of |", "| --- | --- | --- |", *rows, ""])


def _percent(rate: Mapping[str, Any]) -> str:
    value, low, high = (100 * rate[end] for end in ("value", "low", "high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]" if value == value else "nothing shows it"
