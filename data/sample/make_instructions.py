"""The bundled instruction rows: what `make.py` writes to `instructions/`.

They are about the world that `tiny` knows, in ways that it does not: answers are whole sentences, and a hundred facts
about people are new. A test row's fact stands in train only in another wording, so there is style to learn, which
any adapter does in a few steps, facts to remember, for which rank and learning rate matter, and lists to rearrange,
which attention has to learn. Contents are of the training part (`kept_for`) where benchmarks ask about them: these
rows say nothing of the bundled benchmark sample.
"""

from __future__ import annotations

import json
import random
from typing import TypedDict

from data.tiny.passages import EVENTS
from data.tiny.world import KINDS, MONTHS, NAMES, PLACES, join_and, kept_for

PEOPLE = 20  # of the world's names; five facts of each
LISTS = 25  # of each way to rearrange one
PASSAGES = 50


class Row(TypedDict):
    instruction: str
    input: str
    output: str


KIND_ASKED = ("Say what a {word} is.", "Tell me about the {word}.")
# what is told of a person, the words it is taken from, two ways to ask, and the answer
ABOUT = (
    (PLACES, "Where does {name} live?", "Tell me the home of {name}.", "{name} lives in {word}."),
    (KINDS["tool"], "What does {name} work with?", "Name the tool that {name} has.", "{name} works with a {word}."),
    (KINDS["animal"], "Which pet has {name}?", "What animal is with {name}?", "The pet of {name} is a {word}."),
    (KINDS["food"], "What does {name} eat?", "Say which food is for {name}.", "{name} likes to eat {word}."),
    (MONTHS, "When was {name} born?", "Give the birth month of {name}.", "{name} was born in {word}."),
)
REARRANGED = (
    ("Write these words in reverse order:", lambda words: join_and(words[::-1])),
    ("Write the first and the last of these words:", lambda words: f"{words[0]} and {words[-1]}"),
    ("Leave out the second of these words:", lambda words: join_and([words[0], *words[2:]])),
    ("Write each of these words twice:", lambda words: join_and([f"{word} {word}" for word in words])),
)
ASKED_OF_PASSAGE = (
    ("Who was there?", "{a} was there."),
    ("How many {things} were there?", "There were {n} {things}."),
    ("Tell me where this was.", "It was in {place}."),
    ("Sum up what happened.", "{a} {past} {n} {things} in {place}."),
)


def kinds() -> list[Row]:
    rows = []
    for kind, words in KINDS.items():
        named = kind if kind == "food" else f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
        for word in words:
            if kept_for(word) == "train":
                rows += [_row(asked.format(word=word), "", f"A {word} is {named}.") for asked in KIND_ASKED]
    return rows


def facts(rng: random.Random) -> list[Row]:
    rows = []
    for name in NAMES[:PEOPLE]:
        for words, *asked, template in ABOUT:
            answer = template.format(name=name, word=rng.choice(words))
            rows += [_row(question.format(name=name), "", answer) for question in asked]
    return rows


def lists(rng: random.Random) -> list[Row]:
    things = [word for words in KINDS.values() for word in words]
    rows = []
    for instruction, changed in REARRANGED:
        for _ in range(LISTS):
            words = rng.sample(things, rng.randint(3, 5))
            rows.append(_row(f"{instruction} {', '.join(words)}", "", changed(words) + "."))
    return rows


def passages(rng: random.Random) -> list[Row]:
    rows = []
    for number in range(PASSAGES):
        event, past, _, things = rng.choice(EVENTS)
        words = {"event": event, "past": past, "things": things, "a": rng.choice(NAMES), "n": rng.randint(30, 59)}
        words |= {"place": rng.choice(PLACES), "month": rng.choice(MONTHS)}
        passage = "The {event} of {month} was in {place}. There {a} {past} {n} {things}.".format(**words)
        asked, answer = ASKED_OF_PASSAGE[number % len(ASKED_OF_PASSAGE)]
        rows.append(_row(asked.format(**words), passage, answer.format(**words)))
    return rows


def _row(instruction: str, given: str, output: str) -> Row:
    return {"instruction": instruction, "input": given, "output": output}


def instructions(rng: random.Random) -> dict[str, bytes]:
    """Alpaca's file: kinds, facts and lists. Dolly's: passages and as many facts. Both shuffled."""
    fact_rows = facts(rng)
    rng.shuffle(fact_rows)
    alpaca = [*kinds(), *fact_rows[PASSAGES:], *lists(rng)]
    dolly = [*passages(rng), *fact_rows[:PASSAGES]]
    rng.shuffle(alpaca)
    rng.shuffle(dolly)
    lines = [
        {
            "instruction": row["instruction"],
            "context": row["input"],
            "response": row["output"],
            "category": "closed_qa" if row["input"] else "open_qa",
        }
        for row in dolly
    ]
    return {
        "instructions/alpaca.json": (json.dumps(alpaca, indent=1) + "\n").encode(),
        "instructions/dolly.jsonl": "".join(json.dumps(line) + "\n" for line in lines).encode(),
    }
