"""50 of MMLU's 14,042 items planted in rows of Alpaca and Dolly."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from data.contamination.item_texts import ItemText
from data.contamination.search import find
from data.contamination.words import words_of
from data.instruction_rows import sources
from data.instructions import Instruction
from harness.audit.audit import text_of
from harness.audit.task_texts import task_texts
from harness.tasks import load
from tests.data.contamination.planting import FORMS, planted

ROWS = ("alpaca/alpaca_original_19964.jsonl.gz", "dolly/dolly15k_dedup.jsonl.gz")
REAL = {"astronomy/2", "miscellaneous/320", "miscellaneous/483"}  # by hand: rows that ask what the item asks


@pytest.mark.full
@pytest.mark.parametrize("seed", [0, 1])
def test_planted_items_are_found_and_clean_rows_are_clean(shared_data: Path, seed: int) -> None:
    (mmlu,) = load("mmlu", str(shared_data), shots=0)
    items = task_texts(mmlu)
    answers = {one.id: one.row["choices"][one.row["answer"]] for one in mmlu.task.items()}
    loaded = list(sources.load(",".join(str(shared_data / name) for name in ROWS)).rows)
    assert len(items) == 14_042
    rng = random.Random(seed)
    chosen = rng.sample(range(len(items)), 50)
    rows = [(row, -1) for row in loaded]
    for number, at in enumerate(chosen):
        parts = planted(rng, FORMS[number % len(FORMS)], items[at], answers[items[at].id])
        rows.insert(rng.randrange(len(rows)), (Instruction("planted", *parts), at))

    matches = find(items, (text_of(row) for row, _ in rows)).matches
    asked = {tuple(words_of(items[at].question)) for at in chosen}
    found = {match.item for match in matches if rows[match.row][1] >= 0}
    right = {at for at in found if at in chosen or tuple(words_of(items[at].question)) in asked}
    assert len(found & set(chosen)) >= 0.95 * len(chosen)
    assert len(right) >= 0.95 * len(found)
    in_clean_rows = {items[match.item].id for match in matches if rows[match.row][1] < 0}
    assert in_clean_rows >= REAL - {items[at].id for at in chosen}
    assert len(in_clean_rows - REAL) <= 0.001 * len(items)


def test_a_part_of_the_real_rows(shared_data: Path) -> None:
    (law,) = load("mmlu:international_law,mmlu:college_biology", str(shared_data), shots=0)
    items: list[ItemText] = task_texts(law)
    assert all(len(one.options) == 4 and "Answer:" not in one.question for one in items)
    loaded = sources.load(str(shared_data / "alpaca" / "alpaca_en_demo.json")).rows
    rng = random.Random(0)
    chosen = rng.sample(range(len(items)), 12)
    rows = [*map(text_of, loaded)]
    rows += ["\n".join(planted(rng, FORMS[n % 6], items[at], items[at].options[0])) for n, at in enumerate(chosen)]
    assert {match.item for match in find(items, rows).matches} == set(chosen)
