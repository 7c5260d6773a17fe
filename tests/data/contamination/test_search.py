"""Which items stand in which rows."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.contamination.grams import Grams, Vocabulary, hashes
from data.contamination.item_index import FEW
from data.contamination.item_texts import ItemText
from data.contamination.search import Found, find
from tests.data.contamination.planting import FORMS, planted

NOUNS = [
    "glacier",
    "enzyme",
    "treaty",
    "violin",
    "comet",
    "harbor",
    "ledger",
    "mosaic",
    "tariff",
    "neuron",
    "parish",
    "quartz",
    "rocket",
    "senate",
    "tunnel",
    "vaccine",
    "walrus",
    "yacht",
    "zinc",
    "abbey",
    "badger",
    "canyon",
    "dynamo",
    "estuary",
    "falcon",
    "granite",
    "hormone",
    "isotope",
    "jungle",
    "kernel",
    "lagoon",
    "magnet",
]
VERBS = [
    "melts",
    "binds",
    "ends",
    "sounds",
    "orbits",
    "shelters",
    "lists",
    "covers",
    "taxes",
    "fires",
    "governs",
    "forms",
    "lifts",
    "votes",
    "spans",
    "protects",
]


def item(number: int, rng: random.Random) -> ItemText:
    a, b, c, d = rng.sample(NOUNS, 4)
    verb, other = rng.sample(VERBS, 2)
    question = f"In the year {1400 + number}, why does the {a} near the old {b} {verb} whenever a {c} {other} the {d}?"
    options = tuple(f"because the {noun} {rng.choice(VERBS)} it" for noun in rng.sample(NOUNS, 4))
    return ItemText("quiz", f"q{number}", "all", question, options)


@pytest.fixture(scope="module")
def items() -> list[ItemText]:
    rng = random.Random(0)
    return [item(number, rng) for number in range(200)]


def matched(found: Found) -> set[int]:
    return {match.item for match in found.matches}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found_and_nothing_else(items: list[ItemText], form: str) -> None:
    rng = random.Random(1)
    clean = [" ".join(rng.choices(NOUNS + VERBS, k=60)) for _ in range(50)]
    chosen = rng.sample(range(len(items)), 20)
    rows = [*clean, *("\n".join(planted(rng, form, items[at], items[at].options[0])) for at in chosen)]
    found = find(items, rows)
    assert len(matched(found) & set(chosen)) >= 19
    assert len(matched(found) - set(chosen)) <= 1
    assert {match.row for match in found.matches} <= set(range(len(clean), len(rows)))
    assert not find(items, clean).matches


def test_a_match_says_how_much_of_it_stands_where(items: list[ItemText]) -> None:
    half = " ".join(items[3].question.split()[:14])
    rows = ["Nothing here.", f"{'Some words before it. ' * 20}{items[3].question}", half]
    (match,) = find(items, rows).matches
    assert (match.item, match.row, match.kind, match.share, match.rows) == (3, 1, "question", 1.0, 2)
    assert 0.7 < match.place < 0.95
    (part,) = find(items, [half]).matches
    assert part.kind == "13-gram"
    assert 0.4 < part.share < 0.9


def test_the_words_around_all_questions_flag_nothing() -> None:
    frame = "Read the statement below with care and then say in a single word whether it is positive or negative: "
    items = [
        ItemText("t", str(at), "all", f"{frame}{noun} {NOUNS[at - 1]} {VERBS[at % 16]}")
        for at, noun in enumerate(NOUNS)
    ]
    assert len(items) > FEW
    found = find(items, [f"{frame}the weather was lovely and we all went out", items[4].question])
    assert matched(found) == {4}
    assert not found.passages


def test_a_passage_that_questions_share_is_no_question() -> None:
    passage = f"The {' and the '.join(NOUNS[:20])} stood in the village square when the old market was closed."
    asked = ("How many ships left the harbor in spring?", "Which king signed the treaty that ended the long war?")
    items = [ItemText("drop", str(at), "all", f"{passage} {question}") for at, question in enumerate(asked)]
    found = find(items, [f"Summarise this.\n{passage}\nIt is about a village."])
    assert not found.matches
    assert found.passages == (0, 1)
    for row in (f"{passage} {asked[1]}", f"{asked[1]}\n{passage}\nKing Olaf"):  # Dolly asks first
        found = find(items, [row])
        assert matched(found) == {1}
        assert found.passages == (0,)


def test_a_question_that_differs_by_a_name_is_no_copy() -> None:
    text = "As of 2019, about what percentage of people from {} say that most neighbours can be trusted with a key?"
    items = [ItemText("t", country, "all", text.format(country)) for country in ("Brazil", "Russia", "Japan")]
    assert matched(find(items, [text.format("Russia")])) == {1}


def test_other_numbers_make_another_question() -> None:
    text = "Anna has {} red apples and buys {} more at the market on the hill. How many does she have?"
    items = [ItemText("t", "1", "all", text.format(5, 3)), ItemText("t", "2", "all", "Where is the market?")]
    assert matched(find(items, [text.replace("Anna has", "Anna owns").format(5, 3)])) == {0}
    assert not find(items, [text.replace("red ", "").format(51, 33).replace("the hill", "a hill")]).matches


def test_a_short_question_counts_alone_or_with_an_option() -> None:
    other = [ItemText("t", str(at), "all", f"The {noun} of the {NOUNS[at - 1]}") for at, noun in enumerate(NOUNS)]
    items = [
        ItemText("t", "short", "all", "What is coring?", ("a practice of taking samples from the seabed", "no")),
        *other,
    ]
    assert matched(find(items, ["Answer this: What is coring?"])) == {0}
    assert not find(items, ["He asked what is coring the apples for"]).matches
    assert matched(find(items, ["so what is coring but a practice of taking samples from the seabed?"])) == {0}


def test_items_that_ask_the_same_are_all_flagged() -> None:
    twice = ItemText("t", "a", "all", "Why does the old glacier near the harbor melt?", ("heat", "cold"))
    items = [twice, ItemText("t", "b", "all", "why does the OLD glacier near the harbor melt", ("cold", "heat"))]
    assert matched(find(items, [twice.question])) == {0, 1}


def test_nothing_to_compare() -> None:
    assert find([], ["row"]) == Found((), (), ())
    assert find([ItemText("t", "a", "all", "… — !")], ["row", ""]) == Found((), (), (0,))
    assert not find([ItemText("t", "a", "all", "two words")], []).matches


TEXTS = st.lists(st.lists(st.sampled_from(NOUNS[:6]), max_size=12), min_size=1, max_size=8)


@settings(max_examples=40)
@given(TEXTS, TEXTS, st.integers(1, 4))
def test_runs_of_words_are_those_that_both_have(own: list[list[str]], rows: list[list[str]], n: int) -> None:
    import numpy as np

    vocabulary = Vocabulary()
    vocabulary.add(own)
    lengths = [len(text) + 1 for text in own]
    content = np.repeat(np.arange(len(own)), lengths)
    place = np.concatenate([np.arange(length) for length in lengths])
    grams = Grams(n, vocabulary.codes(own), content, place)
    at, occurrence = grams.find(vocabulary.codes(rows))
    flat = [word for text in rows for word in (*text, "")]
    found = {(int(a), int(grams.content[o]), int(grams.place[o])) for a, o in zip(at, occurrence, strict=True)}
    wanted = {
        (a, number, b)
        for a in range(len(flat) - n + 1)
        for number, text in enumerate(own)
        for b in range(len(text) - n + 1)
        if flat[a : a + n] == text[b : b + n]
    }
    assert found == wanted
    sharing = {tuple(text[b : b + n]): number for number, text in enumerate(own) for b in range(len(text) - n + 1)}
    assert len(grams.keys) == len(sharing)
    assert not len(hashes(vocabulary.codes([[]]), n)[0])


SEPARATORS = st.sampled_from([" ", "  ", ", ", "\n", " — ", "... ", "\t", " **", "; "])


@settings(max_examples=20)
@given(st.data())
def test_a_question_is_found_however_it_is_written(data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 1000)))
    items = [item(number, rng) for number in range(12)]
    wanted = data.draw(st.integers(0, 11))
    words = items[wanted].question.split()
    written = "".join(
        data.draw(st.sampled_from([word, word.upper(), word.title()])) + data.draw(SEPARATORS) for word in words
    )
    row = f"{data.draw(st.sampled_from(['', 'Question: ', 'Please answer. ']))}{written}\nNo idea."
    (match,) = find(items, ["Nothing.", row]).matches
    assert (match.item, match.row, match.kind, match.share) == (wanted, 1, "question", 1.0)
