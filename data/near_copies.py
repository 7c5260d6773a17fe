"""Texts that are nearly the same: Jaccard >= 0.8 on their 5-gram shingles.

Shingles are 5-grams of characters of the normalised text (case, accents' form, punctuation and spaces put aside).
Instructions are short: of words' 5-grams one word in ten changes half, so that copies with a word changed would
pass; whatever is a near copy by words is one by characters too. Candidates come from MinHash (Broder 1997) in
bands; each is then verified on the shingles themselves.
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
    sets = [shingles(text) for text in texts]
    buckets: dict[tuple[int, bytes], list[int]] = {}
    kept = []
    for index, keys in enumerate(_bands(sets)):
        found = [buckets.setdefault((band, key), []) for band, key in enumerate(keys)]
        if not any(near(sets[index], sets[other]) for other in {other for bucket in found for other in bucket}):
            kept.append(index)
            for bucket in found:
                bucket.append(index)
    return kept


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
