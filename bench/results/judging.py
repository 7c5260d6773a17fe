"""How a judge of 270 million parameters does. The store has answers of the base and of a trained adapter to the 80
Vicuna prompts (`harness answer`), and the base's own verdicts on them, served as an OpenAI-compatible judge (`harness
judge`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judges.cli.ranking import percent

# of `harness ranking --json`: what is asked of a judge, and what one that reads answers gives
RATES = {
    "error_rate": "verdicts that are none",
    "flip_rate": "pairs whose verdict turns with the order",
    "first_rate": "decided for the answer shown first",
    "longer_rate": "decided for the longer answer",
    "tie_rate": "ties",
}
ASKED = {"ours": "the prompts for judges", "few_shot_judge.jsonl": "two examples and the verdict's beginning"}
INTRO = """## The base as a judge

Gemma 3 270M, served by `vllm serve` on the same two cores, compared answers of the base and of an adapter to the 80
Vicuna prompts, each pair in both orders. A judge that reads answers turns few verdicts with the order and prefers no
place. Asked as judges are, this one never writes a verdict; asked by two examples (bench/results/few_shot_judge.jsonl)
it writes one, by the place. `harness judge` refuses to call the first a result, and `harness ranking` doubts the
second. No model is ranked by it here.
"""


def judging(db: str) -> dict[str, Any]:
    """Rates in percent with 95% intervals; each None where nothing shows it."""
    import judges.api
    from judges.store import Store

    document = judges.api.rank(db=db).document
    asked = {judge.id[:8]: judge.config["prompts"] for judge in Store(db).judges()}
    return {
        "judges": [
            {
                "prompts": next(prompts for short, prompts in asked.items() if short in one["judge"]),
                "verdicts": one["verdicts"],
                "rates": {name: one[name] if one[name]["n"] else {"n": 0} for name in RATES},
            }
            for one in document["quality"]["judges"]
        ],
    }


def section(known: Mapping[str, Any]) -> str:
    """Of the page. `known` is docs/results/judge.json."""
    heads = ["asked by", "verdicts", *(f"{text}, % [95%]" for text in RATES.values())]
    rows = [
        [ASKED[one["prompts"]], str(one["verdicts"]), *(percent(one["rates"][name]) for name in RATES)]
        for one in known["judges"]
    ]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join([INTRO, *("| " + " | ".join(line) + " |" for line in lines), ""])
