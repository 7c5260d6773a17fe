"""A generated text with its special tokens marked, and the first stop string in it.

Special tokens (`<|im_end|>`) are no part of an answer, and yet a stop string may be one. So stops are looked for twice:
in the text with its special tokens, and in the text without them, which is what the answer is. The first one counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

Span = tuple[int, int]
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True, slots=True)
class Marked:
    """`text` with its special tokens, which stand at `marks` (ascending, each a begin and an end)."""

    text: str
    marks: tuple[Span, ...] = ()

    def without_marks(self, end: int | None = None, keep: Sequence[Span] = ()) -> str:
        """The text before `end` without its special tokens, but for those that lie in a span of `keep`."""
        pieces, at = [], 0
        end = len(self.text) if end is None else end
        for begin, after in self.marks:
            if begin >= end:
                break
            if any(a <= begin and after <= b for a, b in keep):
                continue
            pieces.append(self.text[at:begin])
            at = after
        return "".join([*pieces, self.text[at:end]])

    def visible(self, begin: int, end: int) -> int:
        """The place of the first character in [begin, end) that is neither white space nor a special token's; `end`
        where there is none."""
        marks = dict(self.marks)
        while begin < end:
            after = marks.get(begin) or _SPACE.match(self.text, begin, end).end()  # type: ignore[union-attr]
            if after == begin:
                break
            begin = after
        return min(begin, end)

    def first_stop(self, stop: Sequence[str], begin: int, end: int, visible: int) -> int:
        """Where the first stop string in [begin, end) begins; -1 where there is none. What stands before `visible` is
        white space that no stop counts in, unless it has a special token in it."""
        marks = [(a, b) for a, b in self.marks if begin <= a and b <= end]
        places = []
        for string in filter(None, stop):
            at = self.text.find(string, begin, end)
            while at >= 0:
                after = at + len(string)
                if at >= visible or any(at < b and a < after for a, b in marks):
                    places.append(at)
                    break
                at = self.text.find(string, at + 1, end)
        if marks:
            places += self._in_plain(stop, max(begin, visible), end)
        return min(places, default=-1)

    def _in_plain(self, stop: Sequence[str], begin: int, end: int) -> list[int]:
        """Where the stops begin that are found once the special tokens are gone."""
        plain, at = "", begin
        index: list[int] = []  # of each of its characters in the text
        for a, b in [*(m for m in self.marks if begin <= m[0] and m[1] <= end), (end, end)]:
            plain += self.text[at:a]
            index += range(at, a)
            at = b
        return [index[place] for string in stop if string and (place := plain.find(string)) >= 0]
