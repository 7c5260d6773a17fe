"""The sample's prompts for preference: 34 in the nine categories of the Vicuna prompts, all of our own writing.

Some of the mathematics and reasoning comes from the puzzles that `tiny` knows, in the words kept for the sample, so
that the embedded model gets some of it right. References end in a line "Answer: …"
(judges/judging/reference_judge.py).
"""

from __future__ import annotations

import json
import random
from typing import Any

from data.tiny.reasoning import make_puzzle

# by category: (turns, references by turn)
WRITTEN: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "generic": [
        (("How can I keep a small notebook useful after the first week?",), ()),
        (("What should I look at first when a bicycle makes a new noise?",), ()),
        (("How do I tell a neighbour that the music is too loud without starting a quarrel?",), ()),
        (("What are three signs that a meeting should have been a letter?",), ()),
    ],
    "knowledge": [
        (
            ("What kind of thing is a heron: an animal, a food, a tool or a garment?",),
            ("A heron is a wading bird.\nAnswer: animal",),
        ),
        (
            ("What kind of thing is a chisel: an animal, a food, a tool or a garment?",),
            ("A chisel cuts wood or stone.\nAnswer: tool",),
        ),
        (("Why is the sky dark at night although there are so many stars?",), ()),
        (("How does a lock on a canal lift a boat?",), ()),
    ],
    "roleplay": [
        (("You keep a lighthouse on a small island. Tell a visitor how you spend a winter evening.",), ()),
        (("You are a dragon who would rather bake than burn. Answer a knight who has come to fight you.",), ()),
        (("You guide people through an old mill. Explain to a class of children how it makes flour.",), ()),
    ],
    "common-sense": [
        (
            (
                "A glass stands on a table, over a coin. I lift the glass and put it back. Where is the coin?",
                "And if I had slid the glass off the table together with the coin into my other hand?",
            ),
            (
                "Lifting the glass leaves the coin where it was.\nAnswer: on the table",
                "The coin went along with the glass.\nAnswer: hand",
            ),
        ),
        (("Wet paint on a bench and a sign that says so: why do people still touch it?",), ()),
    ],
    "fermi": [
        (("How many times does a church bell ring in a year if it strikes the hours? Show your reasoning.",), ()),
        (("How many loaves of bread does a town of ten thousand people eat in a week? Show your reasoning.",), ()),
        (
            ("How much paper would it take to print every page that one person reads in a year? Show your reasoning.",),
            (),
        ),
    ],
    "counterfactual": [
        (("What if rivers had frozen every winter everywhere on Earth? How might towns have grown differently?",), ()),
        (("What if the wheel had come before pottery? What might have been made first?",), ()),
        (("What if nobody had thought of the alphabetical order? How would we find a word?",), ()),
    ],
    "coding": [
        (
            ("What does this Python program print?\n\ntotal = 0\nfor n in [3, 4, 5]:\n    total += n\nprint(total)",),
            ("The three numbers are added up: 3 + 4 + 5 = 12.\nAnswer: 12",),
        ),
        (
            ("What does this Python program print?\n\nwords = ['oak', 'elm', 'ash']\nprint(sorted(words)[0])",),
            ("Sorted by letters, ash comes first.\nAnswer: ash",),
        ),
        (
            ("Write a Python function that gives back the even ones of a list of numbers, in their order.",),
            (),
        ),
        (("What is the value of len('lamp' + 'post') in Python?",), ("'lamppost' has eight letters.\nAnswer: 8",)),
    ],
    "math": [
        (
            (
                "A basket holds 17 pears and I take out 9. How many are left?",
                "And if I then put in twice as many as are left?",
            ),
            ("17 - 9 = 8.\nAnswer: 8", "Twice 8 is 16, and 8 + 16 = 24.\nAnswer: 24"),
        ),
        (("A rectangle is 7 long and 6 wide. What is its area?",), ("7 times 6 is 42.\nAnswer: 42",)),
    ],
    "writing": [
        (("Write a short letter that thanks a stranger for returning a lost umbrella.",), ()),
        (("Describe a market in the rain in five sentences, without the words rain, wet or water.",), ()),
        (
            (
                "Write the first paragraph of a story in which a clock runs backwards, and nobody minds.",
                "Now write the same paragraph as the clock would tell it.",
            ),
            (),
        ),
    ],
}
PUZZLES: dict[str, tuple[str, ...]] = {
    "common-sense": ("boolean_expressions", "boolean_expressions"),
    "math": ("greater_number", "greater_number", "object_counting", "object_counting"),
}


def prompts(rng: random.Random) -> dict[str, bytes]:
    """path -> content of the prompts' one file."""
    lines: list[str] = []
    for category, written in WRITTEN.items():
        puzzles = [make_puzzle(rng, task, "sample") for task in PUZZLES.get(category, ())]
        asked = [((p["input"],), (f"{p['steps']}\nAnswer: {p['target']}",)) for p in puzzles]
        for turns, reference in (*written, *asked):
            row: dict[str, Any] = {"question_id": len(lines) + 1, "category": category, "turns": turns}
            lines.append(json.dumps({**row, "reference": reference} if reference else row) + "\n")
    return {"prompts/question.jsonl": "".join(lines).encode()}
