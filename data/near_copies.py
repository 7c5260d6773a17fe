"""Texts, and rows of instruction and input, that are nearly the same: Jaccard >= 0.8 on their 5-gram shingles.

Shingles are 5-grams of characters of the normalised text (case, accents' form, punctuation and spaces put aside).
Instructions are short: of words' 5-grams one word in ten changes half, so that copies with a word changed would
pass; whatever is a near copy by words is one by characters too. Candidates come from MinHash (Broder 1997) in
bands; each is then verified on the shingles themselves.

Two rows with an input are near copies where the instructions are and the inputs are: a long instruction that many rows
share would hide that their short inputs differ. A row with an input and one without are near copies where the whole
texts are and the input stands in the other's instruction.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEAR = 0.8
N = 5  # characters of a shingle
BANDS, DEPTH = 40, 5  # a pair at 0.8 shares no band with a chance of (1 - 0.8^5)^40 = 1.3e-7
_SEED = 20_231_130
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
    keys = _bands(whole)
    instruction_keys = dict(zip(given, _bands(list(instructions.values())), strict=True))
    input_keys = dict(zip(given, _bands(list(inputs.values())), strict=True))

    without, with_input, by_instruction, by_input = _Buckets(), _Buckets(), _Buckets(), _Buckets()  # of those kept
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


class _Buckets:
    """Indices by the bytes of each band."""

    def __init__(self) -> None:
        self._of: dict[tuple[int, bytes], list[int]] = {}

    def at(self, keys: Sequence[bytes]) -> list[list[int]]:
        """Of each band that has any, the indices that share it."""
        return [self._of[place] for place in enumerate(keys) if place in self._of]

    def add(self, index: int, keys: Sequence[bytes]) -> None:
        for place in enumerate(keys):
            self._of.setdefault(place, []).append(index)


def _size(buckets: Sequence[Sequence[int]]) -> int:
    return sum(map(len, buckets))


def _within(part: frozenset[str], whole: frozenset[str]) -> bool:
    return len(part & whole) >= NEAR * len(part)


def near(a: frozenset[str], b: frozenset[str]) -> bool:
    return min(len(a), len(b)) >= NEAR * max(len(a), len(b)) and jaccard(a, b) >= NEAR


def _bands(sets: Sequence[frozenset[str]]) -> list[list[bytes]]:
    """For each text, the bytes of each band of its signature."""
    import numpy as np

    if not sets:
        return []
    hashes = np.fromiter((crc32(s.encode("utf-8", "surrogatepass")) for one in sets for s in one), dtype=np.uint64)
    starts = np.cumsum([0, *(len(one) for one in sets[:-1])])
    signature = _signature(hashes, starts)
    width = DEPTH * signature.itemsize
    rows = [row.tobytes() for row in signature]
    return [[row[at : at + width] for at in range(0, BANDS * width, width)] for row in rows]


def _signature(hashes: NDArray[np.uint64], starts: NDArray[np.intp]) -> NDArray[np.uint32]:
    """[texts, BANDS * DEPTH]: the least value of each text's shingles under each of as many hash functions
    (multiply, add, keep the high half: Dietzfelbinger et al. 1997)."""
    import numpy as np

    rng = np.random.default_rng(_SEED)
    factors, terms = rng.integers(1, 2**63, (2, BANDS * DEPTH), dtype=np.uint64)
    signature = np.empty((len(starts), BANDS * DEPTH), dtype=np.uint32)
    for column, (factor, term) in enumerate(zip(factors | np.uint64(1), terms, strict=True)):
        mixed = ((hashes * factor + term) >> np.uint64(32)).astype(np.uint32)  # overflow is meant
        signature[:, column] = np.minimum.reduceat(mixed, starts)
    return signature
