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
from collections.abc import Iterable, Sequence

from data.near_copies.shingle_sets import ShingleSets

NEAR = 0.8
_OTHER = re.compile(r"[\W_]+")


def normalise(text: str) -> str:
    folded = _OTHER.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
    return folded or text.strip()  # punctuation alone is a text too


def jaccard(a: frozenset[int], b: frozenset[int]) -> float:
    both = len(a & b)
    return both / (len(a) + len(b) - both)


def first_of_each(texts: Sequence[str]) -> list[int]:
    """Indices of the texts that are no near copy of a text kept before them; no two kept ones are near copies."""
    return first_of_rows([(text, "") for text in texts])


def first_of_rows(rows: Sequence[tuple[str, str]]) -> list[int]:
    """The same of rows, each (instruction, input); the input is blank where there is none."""
    given = [index for index, (_, text) in enumerate(rows) if text.strip()]
    texts = ["\n".join(row) for row in rows] + [rows[index][part] for part in (0, 1) for index in given]
    sets = ShingleSets(list(map(normalise, texts)))
    rarest = sets.rarest(_prefix)
    sizes = sets.sizes
    # texts are by number: a row's is the row's index
    instruction = {index: len(rows) + at for at, index in enumerate(given)}
    of_input = {index: len(rows) + len(given) + at for at, index in enumerate(given)}

    def are_near(a: int, b: int) -> bool:
        return _alike(sizes[a], sizes[b]) and jaccard(sets[a], sets[b]) >= NEAR

    without, with_input, by_instruction, by_input = _Postings(), _Postings(), _Postings(), _Postings()  # of those kept
    kept = []
    for index in range(len(rows)):
        keys = rarest[index]
        if index in of_input:
            instruction_keys, input_keys = rarest[instruction[index]], rarest[of_input[index]]
            # the smaller of the two: an instruction, or an input, that thousands of rows share makes no pairs of all
            alike = min(by_instruction.at(instruction_keys), by_input.at(input_keys), key=_size)
            copy = any(
                are_near(of_input[index], of_input[other]) and are_near(instruction[index], instruction[other])
                for other in set().union(*alike)
            ) or any(
                are_near(index, other) and _within(sets[of_input[index]], sets[other])
                for other in set().union(*without.at(keys))
            )
        else:
            copy = any(are_near(index, other) for other in set().union(*without.at(keys))) or any(
                are_near(index, other) and _within(sets[of_input[other]], sets[index])
                for other in set().union(*with_input.at(keys))
            )
        if copy:
            continue
        kept.append(index)
        if index in of_input:
            with_input.add(index, keys)
            by_instruction.add(index, instruction_keys)
            by_input.add(index, input_keys)
        else:
            without.add(index, keys)
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


def _within(part: frozenset[int], whole: frozenset[int]) -> bool:
    return len(part & whole) >= NEAR * len(part)


def _alike(a: int, b: int) -> bool:
    """Whether sets of these sizes can be near copies."""
    return a >= NEAR * b and b >= NEAR * a


def _prefix(size: int) -> int:
    """Of how many of its rarest shingles any near copy of a text shares one: two sets of which one has n, and of which
    NEAR * n are common, cannot have them all outside the n - NEAR * n + 1 that come first in any order."""
    return size - math.ceil(NEAR * size - 1e-9) + 1
