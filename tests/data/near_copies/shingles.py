"""Near copies by the definition, over sets of strings."""

from __future__ import annotations

from data.near_copies.first_of_each import NEAR, normalise
from data.near_copies.shingle_sets import N


def shingles(text: str) -> frozenset[str]:
    """Never empty; of a text shorter than N the text itself."""
    plain = normalise(text)
    return frozenset(plain[at : at + N] for at in range(max(1, len(plain) - N + 1)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    both = len(a & b)
    return both / (len(a) + len(b) - both)


def near(a: frozenset[str], b: frozenset[str]) -> bool:
    return min(len(a), len(b)) >= NEAR * max(len(a), len(b)) and jaccard(a, b) >= NEAR
