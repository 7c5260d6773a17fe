"""Texts, and rows of instruction and input, that are nearly the same: Jaccard >= 0.8 on their 5-gram shingles.

Shingles are 5-grams of characters of the normalised text (case, accents' form, punctuation and spaces put aside).
Instructions are short: of words' 5-grams one word in ten changes half, so that copies with a word changed would
pass; whatever is a near copy by words is one by characters too. Candidates share one of their rarest shingles (prefix
filtering: Chaudhuri, Ganti and Kaushik 2006), which misses none, and a template that thousands of texts share makes
none; each is then verified on all its shingles.

Two rows with an input are near copies where the instructions are and the inputs are: a long instruction that many rows
share would hide that their short inputs differ. A row with an input and one without are near copies where the whole
texts are and the input stands in the other's instruction.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

NEAR = 0.8
N = 5  # characters of a shingle
_OTHER = re.compile(r"[\W_]+")


def normalise(text: str) -> str:
    folded = _OTHER.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return folded or text.strip()  # punctuation alone is a text too


def shingles(text: str) -> frozenset[str]:
    """Never empty; of a text shorter than N the text itself."""
    plain = normalise(text)
    return frozenset(plain[at : at + N] for at in range(max(1, len(plain) - N + 1)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    both = len(a & b)
    return both / (len(a) + len(b) - both)


def first_of_each(texts: Sequence[str]) -> list[int]:
    """Indices of the texts that are no near copy of a text kept before them; no two kept ones are near copies."""
    return first_of_rows([(text, "") for text in texts])


def first_of_rows(rows: Sequence[tuple[str, str]]) -> list[int]:
    """The same of rows, each (instruction, input); the input is blank where there is none."""
    given = [index for index, (_, text) in enumerate(rows) if text.strip()]
    whole = [shingles("\n".join(row)) for row in rows]
    instructions = {index: shingles(rows[index][0]) for index in given}
    inputs = {index: shingles(rows[index][1]) for index in given}
    keys = _rarest(whole)
    instruction_keys = dict(zip(given, _rarest(list(instructions.values())), strict=True))
    input_keys = dict(zip(given, _rarest(list(inputs.values())), strict=True))

    without, with_input, by_instruction, by_input = _Postings(), _Postings(), _Postings(), _Postings()  # of those kept
    kept = []
    for index in range(len(rows)):
        if index in inputs:
            # the smaller of the two: an instruction, or an input, that thousands of rows share makes no pairs of all
            alike = min(by_instruction.at(instruction_keys[index]), by_input.at(input_keys[index]), key=_size)
            copy = any(
                near(inputs[index], inputs[other]) and near(instructions[index], instructions[other])
                for other in set().union(*alike)
            ) or any(
                near(whole[index], whole[other]) and _within(inputs[index], whole[other])
                for other in set().union(*without.at(keys[index]))
            )
        else:
            copy = any(near(whole[index], whole[other]) for other in set().union(*without.at(keys[index]))) or any(
                near(whole[index], whole[other]) and _within(inputs[other], whole[index])
                for other in set().union(*with_input.at(keys[index]))
            )
        if copy:
            continue
        kept.append(index)
        if index in inputs:
            with_input.add(index, keys[index])
            by_instruction.add(index, instruction_keys[index])
            by_input.add(index, input_keys[index])
        else:
            without.add(index, keys[index])
    return kept


class _Postings:
    """Indices by shingle."""

    def __init__(self) -> None:
        self._of: dict[int, list[int]] = {}

    def at(self, keys: Iterable[int]) -> list[list[int]]:
        """Of each shingle that has any, the indices that share it."""
        return [self._of[key] for key in keys if key in self._of]

    def add(self, index: int, keys: Iterable[int]) -> None:
        for key in keys:
            self._of.setdefault(key, []).append(index)


def _size(postings: Sequence[Sequence[int]]) -> int:
    return sum(map(len, postings))


def _within(part: frozenset[str], whole: frozenset[str]) -> bool:
    return len(part & whole) >= NEAR * len(part)


def near(a: frozenset[str], b: frozenset[str]) -> bool:
    return min(len(a), len(b)) >= NEAR * max(len(a), len(b)) and jaccard(a, b) >= NEAR


def _rarest(sets: Sequence[frozenset[str]]) -> list[list[int]]:
    """Of each text so many of its rarest shingles that any near copy shares one: two sets of which one has n, and of
    which NEAR * n are common, cannot have them all outside the n - NEAR * n + 1 that come first in any order. A shingle
    is its place in that order."""
    counts = Counter(shingle for one in sets for shingle in one)
    place = {shingle: at for at, shingle in enumerate(sorted(sorted(counts), key=counts.__getitem__))}
    rarest: dict[frozenset[str], list[int]] = {}  # thousands of rows may share an instruction
    for one in sets:
        if one not in rarest:
            most = len(one) - math.ceil(NEAR * len(one) - 1e-9) + 1
            rarest[one] = sorted(map(place.__getitem__, one))[:most]
    return [rarest[one] for one in sets]
