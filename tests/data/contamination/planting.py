"""Benchmark items as they stand in training rows, in the ways in which they come there."""

from __future__ import annotations

import random

from data.contamination.item_texts import ItemText

FORMS = (
    "question and answer",
    "options listed otherwise",
    "lower case",
    "in a longer prompt",
    "words changed",
    "alone",
)
OTHER_WORDS = [
    "certain",
    "usual",
    "given",
    "several",
    "such",
    "main",
    "shown",
    "called",
    "likely",
    "maybe",
    "person",
    "thing",
]


def planted(rng: random.Random, form: str, item: ItemText, answer: str) -> tuple[str, str, str]:
    """(instruction, input, output)."""
    question, options = item.question.strip(), list(item.options)
    if form == "question and answer":
        return question, "", answer
    if form == "options listed otherwise":
        rng.shuffle(options)
        listed = "; ".join(f"({label}) {option}" for label, option in zip("abcdefgh", options, strict=False))
        return "Choose the right answer.", f"{question}\n{listed}", answer
    if form == "lower case":
        listed = "\n".join(f"{label}) {option}" for label, option in zip("ABCDEFGH", options, strict=False))
        return f"{question}\n{listed}".lower(), "", answer
    if form == "in a longer prompt":
        before = (
            "You are a patient tutor. A student sends you the question below. Give the answer and one sentence on it."
        )
        after = f"I would say {answer}, because that is what the book says. Ask me again if you need more."
        return f"{before}\n\nStudent: {question} Please help me!", "", after
    if form == "words changed":
        words = question.split(" ")
        plain = [at for at, word in enumerate(words) if word.isalpha()]
        for at in rng.sample(plain, min(len(plain), max(1, round(len(words) / 8)))):
            words[at] = rng.choice(OTHER_WORDS)
        return " ".join(words), "", answer
    return "Write down a test question.", "", question
