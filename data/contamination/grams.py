"""Which items have which runs of n words, and where a row has them too: sorted hashes, looked up for many rows at
once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Codes = NDArray[np.uint64]

_ODD = 0x9E3779B97F4A7C15  # of splitmix64 (Steele, Lea and Flood 2014), as are the two below
_MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


class Vocabulary:
    """A code of 64 bits for each word of the items; 0 is every other word, and what stands between two texts."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}

    def add(self, texts: Sequence[Sequence[str]]) -> None:
        for text in texts:
            for word in text:
                self._number.setdefault(word, len(self._number) + 1)

    def codes(self, texts: Sequence[Sequence[str]]) -> Codes:
        """The texts one after the other, with a 0 behind each."""
        import numpy as np

        number = self._number.get
        flat = [number(word, 0) for text in texts for word in (*text, "")]
        return _mixed(np.asarray(flat, dtype=np.uint64))


def _mixed(numbers: Codes) -> Codes:
    """Splitmix64's finaliser: 0 stays 0, and no two numbers have one code."""
    import numpy as np

    mixed = numbers * np.uint64(_ODD)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_MIX[0])
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_MIX[1])
    return mixed ^ (mixed >> np.uint64(31))


def hashes(codes: Codes, n: int) -> tuple[Codes, Ints]:
    """Of each run of n known words, its hash and where it begins."""
    import numpy as np

    count = len(codes) - n + 1
    if count <= 0:
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    total = np.zeros(count, dtype=np.uint64)
    for at in range(n):
        total = total * np.uint64(_ODD) + codes[at : at + count]
    unknown = np.concatenate([[0], np.cumsum(codes == 0)])
    begins = np.flatnonzero(unknown[n:] == unknown[:-n]).astype(np.int64)
    return total[begins], begins


class Grams:
    """The runs of n words of all contents. `content` and `place` say of each of `codes` whose word it is, and which."""

    def __init__(self, n: int, codes: Codes, content: Ints, place: Ints) -> None:
        import numpy as np

        self.n = n
        keys, begins = hashes(codes, n)
        order = np.argsort(keys, kind="stable")
        self.keys, first = np.unique(keys[order], return_index=True)
        self._starts = np.append(first, len(keys)).astype(np.int64)
        self.content, self.place = content[begins][order], place[begins][order]
        self.gram = np.repeat(np.arange(len(self.keys)), np.diff(self._starts))
        pairs = np.unique(np.stack([self.gram, self.content]), axis=1) if len(keys) else np.zeros((2, 0), np.int64)
        self.contents = np.bincount(pairs[0], minlength=len(self.keys))  # how many have it

    def keep(self, wanted: NDArray[Any]) -> None:
        """Look for those occurrences alone."""
        import numpy as np

        self.content, self.place, self.gram = self.content[wanted], self.place[wanted], self.gram[wanted]
        self._starts = np.searchsorted(self.gram, np.arange(len(self.keys) + 1)).astype(np.int64)

    def find(self, codes: Codes) -> tuple[Ints, Ints]:
        """(where it begins in `codes`, which occurrence in an item) of each run that both have."""
        import numpy as np

        keys, begins = hashes(codes, self.n)
        if not len(self.keys) or not len(keys):
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing
        gram = np.searchsorted(self.keys, keys)
        gram[gram == len(self.keys)] = 0
        known = self.keys[gram] == keys
        gram, begins = gram[known], begins[known]
        counts = self._starts[gram + 1] - self._starts[gram]
        ends = np.cumsum(counts)
        steps = np.arange(counts.sum()) - np.repeat(ends - counts, counts)
        return np.repeat(begins, counts), np.repeat(self._starts[gram], counts) + steps
