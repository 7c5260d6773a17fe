"""The shingles of many texts as numbers: two million a second, where sets of strings take ten times as long.

Exact, not hashed: characters are numbered (under 2^18), threes of them too, and five are the number of
three and of two more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

N = 5  # characters of a shingle
_BITS = 18  # of a character's number


class ShingleSets:
    """`plain` are normalised texts. A text shorter than N is its own shingle. A shingle is its place in the order by
    how often it stands there, the rarest first."""

    def __init__(self, plain: Sequence[str]) -> None:
        import numpy as np

        lengths = np.array([len(text) for text in plain], dtype=np.int64)
        windows = np.maximum(1, lengths - N + 1)
        # behind each text N empty places (0), which the shingle of a short text reaches into
        ends = np.cumsum(lengths + N)
        starts = ends - lengths - N
        places = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.int64)
        characters = np.frombuffer("".join(plain).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        inside = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(len(characters))
        places[inside] = _numbered(characters.astype(np.int64))[0] + 1
        at = np.repeat(starts - (np.cumsum(windows) - windows), windows) + np.arange(int(windows.sum()))
        own, number = self._five(places, at)
        text = np.repeat(np.arange(len(plain)), windows)
        # in the order of all that is counted, which a text's repetitions are too: any order will do
        place = np.empty(number, dtype=np.int64)
        place[np.argsort(np.bincount(own, minlength=number), kind="stable")] = np.arange(number)
        keys = np.sort(text * number + place[own])
        keys = keys[np.concatenate([np.ones(min(1, len(keys)), dtype=bool), np.diff(keys) > 0])]
        text, self._shingles = np.divmod(keys, max(1, number))
        self._ends = np.searchsorted(text, np.arange(len(plain) + 1))
        self.sizes: list[int] = np.diff(self._ends).tolist()
        self._sets: dict[int, frozenset[int]] = {}

    def __getitem__(self, index: int) -> frozenset[int]:
        if index not in self._sets:
            self._sets[index] = frozenset(self._row(index).tolist())
        return self._sets[index]

    def rarest(self, most: Callable[[int], int]) -> list[list[int]]:
        """Of each text its rarest shingles: of n so many as `most(n)`."""
        return [row[: most(len(row))].tolist() for row in map(self._row, range(len(self._ends) - 1))]

    def _row(self, index: int) -> Integers:
        return self._shingles[self._ends[index] : self._ends[index + 1]]

    @staticmethod
    def _five(places: Integers, at: Integers) -> tuple[Integers, int]:
        """Of each place the shingle that begins there, and how many there are."""
        three, _ = _numbered(places[at] << 2 * _BITS | places[at + 1] << _BITS | places[at + 2])
        return _numbered(three << 2 * _BITS | places[at + 3] << _BITS | places[at + 4])


def _numbered(values: Integers) -> tuple[Integers, int]:
    """Each value's number, by first appearance, and how many there are."""
    import numpy as np
    import pyarrow as pa

    encoded = pa.array(values).dictionary_encode()
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)
