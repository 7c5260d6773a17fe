"""Puzzles answered step by step, in BBH's shape: truth values, adding up, the greater of two numbers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypedDict

from data.tiny.world import COUNT_WORDS, KINDS, Part, Wording, join_and, kept_for


class Puzzle(TypedDict):
    input: str
    target: str
    steps: str  # the reasoning, ending in "So the answer is X."


DESCRIPTIONS = {
    "boolean_expressions": "Find the value of an expression of truth values.",
    "object_counting": "Count the things in a list.",
    "greater_number": "Find the greater of two numbers.",
}

EXPRESSION = Wording(("Evaluate {}", "Give the value of {}", "What is {}"), ("The expression to evaluate: {}",))
COUNTING = Wording(
    ("How many {kind}s are there: {things}", "Count the {kind}s: {things}", "I have {things}"),
    ("Say how many {kind}s these are: {things}",),
)
GREATER = Wording(
    ("Which is greater, {} or {}", "Find the greater number: {} or {}", "Of these, which is more: {} or {}"),
    ("Name the greater of the two: {} or {}",),
)


def _boolean(rng: random.Random) -> tuple[str, Callable[[Part], Puzzle]]:
    values = [rng.choice(["True", "False"]) for _ in range(4)]
    joins = [rng.choice(["and", "or"]) for _ in range(3)]
    known, steps = values[0], []
    for join, value in zip(joins, values[1:], strict=True):
        new = _truth(known, join, value)
        steps.append(f"{known} {join} {value} is {new}.")
        known = new
    text = f"( ( {values[0]} {joins[0]} {values[1]} ) {joins[1]} {values[2]} ) {joins[2]} {values[3]}"
    reasoning = " ".join([*steps, f"So the answer is {known}."])
    return text, lambda part: {"input": EXPRESSION.pick(rng, part).format(text), "target": known, "steps": reasoning}


def _truth(a: str, join: str, b: str) -> str:
    both = (a == "True", b == "True")
    return str(all(both) if join == "and" else any(both))


def _counting(rng: random.Random) -> tuple[str, Callable[[Part], Puzzle]]:
    kind = rng.choice(list(KINDS))
    counts = [rng.randint(2, 9) for _ in range(3)]
    things = join_and([f"{COUNT_WORDS[n - 1]} {w}s" for n, w in zip(counts, rng.sample(KINDS[kind], 3), strict=True)])
    a, b, c = counts
    reasoning = f"{a} + {b} = {a + b}. {a + b} + {c} = {a + b + c}. So the answer is {a + b + c}."

    def puzzle(part: Part) -> Puzzle:
        text = COUNTING.pick(rng, part).format(kind=kind, things=things)
        return {"input": text, "target": str(a + b + c), "steps": reasoning}

    return str(counts), puzzle


def _greater(rng: random.Random) -> tuple[str, Callable[[Part], Puzzle]]:
    a, b = rng.sample(range(1, 100), 2)
    high, low = max(a, b), min(a, b)
    reasoning = f"{high} is more than {low}. So the answer is {high}."

    def puzzle(part: Part) -> Puzzle:
        return {"input": GREATER.pick(rng, part).format(a, b), "target": str(high), "steps": reasoning}

    return f"{a} {b}", puzzle


_MAKERS = {"boolean_expressions": _boolean, "object_counting": _counting, "greater_number": _greater}
TASKS = tuple(_MAKERS)


def make_puzzle(rng: random.Random, task: str, part: Part) -> Puzzle:
    while True:
        content, puzzle = _MAKERS[task](rng)
        if kept_for(content) == part:
            return puzzle(part)
