"""The split: no near copy across parts, nothing twice, the same again; and the paper's, which leaks."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.instruction_rows.sources import load
from data.instruction_split import PAPER_MIX, PAPER_SIZES, Sizes, Splits, leak, split
from data.instructions import Instruction
from data.near_copies.first_of_each import NEAR, first_of_each, first_of_rows
from data.sources import DataError
from tests.data.near_copies.shingles import jaccard, near, shingles

PARTS = ("train", "validation", "test")


def rows(alpaca: int, dolly: int = 0, seed: int = 0) -> list[Instruction]:
    """Rows that are no near copies."""
    rng = random.Random(seed)
    sources = ["alpaca"] * alpaca + ["dolly"] * dolly
    return [Instruction(source, f"{rng.getrandbits(200):050x}", "", "yes") for source in sources]


def crossing(splits: Splits) -> list[tuple[Instruction, Instruction]]:
    """Pairs of near copies that stand in two parts, by comparing all with all: no MinHash here."""
    sets = {row: shingles(f"{row.instruction}\n{row.input}") for name in PARTS for row in splits.part(name)}
    pairs = []
    for name, later in (("train", "validation"), ("train", "test"), ("validation", "test")):
        pairs += [(a, b) for a in splits.part(name) for b in splits.part(later) if jaccard(sets[a], sets[b]) >= NEAR]
    return pairs


def spoiled(given_: list[Instruction], seed: int) -> list[Instruction]:
    """With near copies added: another case, other punctuation, one letter more."""
    rng = random.Random(seed)
    change: list[Callable[[str], str]] = [
        str.upper,
        lambda t: t.replace(" ", ", "),
        lambda t: t + "s",
        lambda t: f"{t} !",
        str,
    ]
    extra = [
        dataclasses.replace(row, instruction=rng.choice(change)(row.instruction)) for row in rng.sample(given_, 60)
    ]
    mixed = [*given_, *extra]
    rng.shuffle(mixed)
    return mixed


@pytest.mark.parametrize("seed", [0, 1])
def test_no_row_and_no_near_copy_crosses_parts(seed: int) -> None:
    splits = split(spoiled(list(load("sample").rows), seed), seed)
    assert crossing(splits) == []
    assert len({row for name in PARTS for row in splits.part(name)}) == sum(len(splits.part(name)) for name in PARTS)


def test_no_row_and_no_near_copy_of_the_real_rows_crosses_parts(shared_data: Path) -> None:
    splits = split(spoiled(list(load(shared_data).rows), 0), 0, mix=PAPER_MIX)
    assert crossing(splits) == []
    assert sum(len(splits.part(name)) for name in PARTS) == 503  # 151 rows of Dolly are the 30%


def test_a_crossing_would_be_found() -> None:
    splits = split(load("sample").rows, 0)
    copy = dataclasses.replace(splits.test[3], instruction=splits.test[3].instruction.upper() + "?")
    assert crossing(dataclasses.replace(splits, train=(*splits.train, copy))) == [(copy, splits.test[3])]


@pytest.mark.parametrize("part", [20, pytest.param(1, marks=pytest.mark.full)])
def test_the_papers_split_leaks(part: int) -> None:
    """At the size of the two data sets (52,002 and 15,011) and of the paper's parts, 70/30, and at a part of that."""
    sizes = Sizes(53_610 // part, 13_402 // part, 0)
    splits = split(rows(52_002 // part, 15_011 // part), 0, sizes, PAPER_MIX, "paper")
    assert (len(splits.train), len(splits.validation)) == (sizes.train, sizes.validation)
    found = leak({"train": splits.train, "validation": splits.validation})
    # expected: 1 - (1 - 1/n)^m over both sources, weighed by the mix: 0.557
    expected = 0.7 * (1 - (1 - 1 / 52_002) ** 37_527) + 0.3 * (1 - (1 - 1 / 15_011) ** 16_083)
    assert found == pytest.approx(expected, abs=0.05 if part > 1 else 0.012)
    assert any(f"{found:.0%}" in note and "stand in train" in note for note in splits.notes)


def test_the_papers_split_keeps_its_test_part_clean() -> None:
    splits = split(rows(300, 100), 0, mix=PAPER_MIX, way="paper")
    assert leak({"train": splits.train, "validation": splits.validation}) > 0.3
    assert not {*splits.test} & {*splits.train, *splits.validation}


def test_the_papers_sizes_shrink_with_a_note() -> None:
    splits = split(rows(999, 151), 0, PAPER_SIZES, PAPER_MIX)
    assert len(splits.train) / len(splits.validation) == pytest.approx(53_610 / 13_402, rel=0.02)
    assert len(splits.train) + len(splits.validation) in (502, 503)
    assert any("67012 were asked for" in note for note in splits.notes)


@settings(deadline=None, max_examples=40)
@given(
    alpaca=st.integers(20, 120),
    dolly=st.integers(20, 120),
    share=st.floats(0.1, 0.9),
    sizes=st.sampled_from([Sizes(), Sizes(0.5, 0.25, 0.25), Sizes(10, 5, 5), Sizes(100, 5, 5), Sizes(0.6, 10, 0.1)]),
    seed=st.integers(0, 5),
)
def test_parts_are_disjoint_mixed_and_the_same_again(
    alpaca: int, dolly: int, share: float, sizes: Sizes, seed: int
) -> None:
    given_ = rows(alpaca, dolly)
    mix = {"alpaca": share, "dolly": 1 - share}
    splits = split(given_, seed, sizes, mix)
    everything = [row for name in PARTS for row in splits.part(name)]
    assert len(set(everything)) == len(everything)
    assert set(everything) <= set(given_)
    for name in PARTS:
        part = splits.part(name)
        assert abs(sum(row.source == "alpaca" for row in part) - share * len(part)) <= 2
    assert split(given_, seed, sizes, mix) == splits


def test_another_seed_is_another_split() -> None:
    one, other = split(rows(100), 0), split(rows(100), 1)
    assert all(one.digests[name] != other.digests[name] for name in PARTS)


def test_the_test_part_does_not_depend_on_the_sizes_of_the_others() -> None:
    one, other = (split(rows(100), 0, Sizes(50, size, 20)) for size in (10, 30))
    assert set(one.test) == set(other.test)
    assert set(one.validation) < set(other.validation)


def test_subsets_are_nested() -> None:
    splits = split(rows(200), 0)
    smaller: tuple[Instruction, ...] = ()
    for fraction in (0.001, 0.05, 0.1, 0.3, 1.0):
        subset = splits.subset(fraction)
        assert subset.train[: len(smaller)] == smaller
        assert len(subset.train) == max(1, round(fraction * len(splits.train)))
        assert (subset.validation, subset.test) == (splits.validation, splits.test)
        smaller = subset.train
    assert smaller == splits.train
    assert splits.subset(0.1).digests["train"] != splits.digests["train"]
    for bad in (0, 1.1):
        with pytest.raises(ValueError, match="fraction"):
            splits.subset(bad)


def test_what_is_left_out_is_said() -> None:
    given_ = rows(50)
    silent = dataclasses.replace(given_[0], instruction="quite another text", output=" \n")
    blank = dataclasses.replace(given_[0], instruction=" ", input="\n")
    near_copy = dataclasses.replace(given_[5], instruction=given_[5].instruction.upper())
    other_output = dataclasses.replace(given_[4], output="no")
    splits = split([*given_, given_[3], near_copy, other_output, silent, blank], 0)
    assert splits.notes == (
        "1 of 55 rows has no instruction and no input and is left out.",
        "1 of 55 rows has no output and is left out.",
        "2 of 53 rows are exact copies of others and are left out (1 of them with another output, which is lost).",
        "1 of 53 rows is a near copy of another and is left out.",
    )
    assert sum(len(splits.part(name)) for name in PARTS) == 50


def test_too_few_rows_are_said_with_what_was_left_out() -> None:
    with pytest.raises(DataError, match=r"40 rows make no .* part of .*39 of 40 rows are exact copies of others"):
        split(rows(1) * 40, 0, Sizes(12, 6, 6))


LONG = "Read the review below and say whether it is positive, negative or neutral. Answer with one word, in lower case."


def test_rows_with_an_input_are_near_copies_where_both_parts_are() -> None:
    """One long instruction and short inputs of their own, or one long input that many short instructions are about."""
    rng = random.Random(0)
    short = [f"{rng.getrandbits(80):020x}" for _ in range(40)]
    for made in (
        [Instruction("alpaca", LONG, text, "yes") for text in short],
        [Instruction("alpaca", text, LONG * 3, "yes") for text in short],
    ):
        splits = split(made, 0)
        assert sum(len(splits.part(name)) for name in PARTS) == 40
        assert splits.notes == ()
        copies = [dataclasses.replace(r, input=r.input.upper(), instruction=f"{r.instruction} !") for r in made[:7]]
        assert any("7 of 47 rows are near copies" in note for note in split([*made, *copies], 0).notes)


@pytest.mark.parametrize(
    ("pairs", "kept"),
    [
        ([(LONG, ""), (LONG, "The soup was cold."), (LONG, "We came again.")], [0, 1, 2]),  # the input is what differs
        ([(LONG, "The soup was cold."), (LONG, "")], [0, 1]),
        ([(f"{LONG} The soup was cold.", ""), (LONG, "The soup was cold.")], [0]),  # the same text, otherwise parted
        ([(LONG, "The soup was cold."), (f"{LONG} The soup was cold.", "")], [0]),
        ([(LONG, ""), (LONG, " \n")], [0]),
        ([("Add.", "1 2"), ("Add.", "1 3"), ("add", "1  2")], [0, 1]),
        ([("Say it.", LONG), ("Count it.", LONG), ("SAY it!", LONG)], [0, 1]),
    ],
)
def test_near_copies_of_rows(pairs: list[tuple[str, str]], kept: list[int]) -> None:
    assert first_of_rows(pairs) == kept


@pytest.mark.parametrize(
    ("given_", "options", "said"),
    [
        ([], {}, "no instruction rows"),
        (rows(2), {}, "make no validation part"),
        (rows(9), {"mix": {"alpaca": 0.5, "doly": 0.5}}, "names doly"),
        (rows(9), {"mix": {"alpaca": 0.0}}, "a share over 0"),
        (rows(9), {"sizes": Sizes(-1, 1, 1)}, "fewer than 0"),
    ],
)
def test_what_makes_no_split(given_: list[Instruction], options: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        split(given_, 0, **options)


# near copies

words = st.lists(st.sampled_from(["ab", "cde", "fgh", "ij", "klmn", "op", "qrst"]), max_size=12).map(" ".join)
SHARED = ["Say in a few words what this text is about, and name all that it names. " * 3, "Put it into French. " * 8]


@settings(deadline=None, max_examples=60)
@given(st.lists(words, max_size=25))
def test_first_of_each_is_the_exact_greedy_choice(texts: list[str]) -> None:
    kept: list[int] = []
    for index, text in enumerate(texts):
        if not any(near(shingles(text), shingles(texts[other])) for other in kept):
            kept.append(index)
    assert first_of_each(texts) == kept


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(words | st.sampled_from(SHARED), words), max_size=25))
def test_first_of_rows_is_the_exact_greedy_choice(rows_: list[tuple[str, str]]) -> None:
    def copies(a: tuple[str, str], b: tuple[str, str]) -> bool:
        if bool(a[1]) == bool(b[1]):
            return all(near(shingles(x), shingles(y)) for x, y in zip(a, b, strict=True) if x or y)
        one, other = (a, b) if a[1] else (b, a)
        inner, whole = shingles(one[1]), shingles("\n".join(other))
        return near(shingles("\n".join(one)), whole) and len(inner & whole) >= NEAR * len(inner)

    kept: list[int] = []
    for index, row in enumerate(rows_):
        if not any(copies(row, rows_[other]) for other in kept):
            kept.append(index)
    assert first_of_rows(rows_) == kept


def test_minhash_misses_no_pair_at_the_threshold() -> None:
    rng = random.Random(0)
    texts = []
    for _ in range(400):
        text = "".join(rng.choice("abcdefghijklmnop ") for _ in range(120))
        at = rng.randrange(5, 100)
        texts += [text, text[:at] + "#" * 9 + text[at:]]  # normalised: one gap
    pairs = [(shingles(a), shingles(b)) for a, b in zip(texts[::2], texts[1::2], strict=True)]
    assert 0.8 <= min(jaccard(a, b) for a, b in pairs) < 0.95
    assert first_of_each(texts) == list(range(0, 800, 2))


def test_what_counts_as_near() -> None:
    assert first_of_each(["Name two tools.", "name  TWO tools", "Name two foods.", "!!", "??", ""]) == [0, 2, 3, 4, 5]
