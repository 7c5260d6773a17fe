"""Training rows against benchmark items: which items stand in a row, as they are or nearly.

Rows come in any number and are looked at a stretch at a time; the memory is that of the items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING

from data.contamination.item_index import ItemIndex
from data.contamination.item_texts import ItemText
from data.contamination.overlap import Kind, Overlap, Row, overlap
from data.contamination.words import sentences_of, words_of

if TYPE_CHECKING:
    from data.contamination.grams import Codes, Ints

AT_ONCE = 1_000  # rows


@dataclass(frozen=True, slots=True)
class Match:
    """An item and the row that has most of it."""

    item: int  # its place among the items
    row: int  # its place among the rows
    kind: Kind
    share: float  # of the item's words
    rows: int  # that have it


@dataclass(frozen=True, slots=True)
class Found:
    matches: tuple[Match, ...]  # in the items' order
    passages: tuple[int, ...]  # items of which a row has a run that they share with others, and not the question
    items: int  # that were compared
    rows: int


def find(items: Sequence[ItemText], rows: Iterable[str]) -> Found:
    """`rows` are read once."""
    index = ItemIndex(items)
    best: dict[int, Match] = {}  # by content
    passages: set[int] = set()
    count = 0
    for texts in _stretches(rows):
        for row, content, kind, share in _compared(index, texts, passages):
            known = best.get(content)
            if known is None:
                best[content] = Match(content, count + row, kind, share, 1)
            elif share > known.share:
                best[content] = Match(content, count + row, kind, share, known.rows + 1)
            else:
                best[content] = Match(content, known.row, known.kind, known.share, known.rows + 1)
        count += len(texts)
    matches = [
        Match(item, one.row, one.kind, one.share, one.rows)
        for content, one in best.items()
        for item in index.contents[content].items
    ]
    beside = [item for content in passages - best.keys() for item in index.contents[content].items]
    return Found(tuple(sorted(matches, key=lambda m: m.item)), tuple(sorted(beside)), index.compared, count)


def _stretches(rows: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(rows)
    while texts := list(islice(rest, AT_ONCE)):
        yield texts


def _compared(index: ItemIndex, texts: Sequence[str], passages: set[int]) -> Iterator[tuple[int, int, Kind, float]]:
    """(row, content, kind, share) of what stands in these rows; what shares a passage alone is added to `passages`."""
    import numpy as np

    words = [words_of(text) for text in texts]
    codes = index.vocabulary.codes(words)
    lengths = np.asarray([len(one) + 1 for one in words], dtype=np.int64)
    begins = np.cumsum(lengths) - lengths
    row_of = np.repeat(np.arange(len(words)), lengths)

    at, occurrence = index.long.find(codes)
    passages.update(index.long.content[occurrence].tolist())
    own = index.is_own[occurrence]
    has_long = set(zip(row_of[at[own]].tolist(), index.long.content[occurrence[own]].tolist(), strict=True))
    pairs = _candidates(index, codes, row_of, begins)
    for pair in has_long:
        pairs.setdefault(pair, [])
    for number, text in enumerate(texts):
        for sentence in sentences_of(text) & index.by_question.keys():
            yield number, index.by_question[sentence], "question", 1.0
    for number, some in groupby(sorted(pairs), key=lambda pair: pair[0]):
        row = Row(words[number])
        found = {}
        for pair in some:
            content, own_words = index.contents[pair[1]], index.own_words[pair[1]].tolist()
            if one := overlap(content, own_words, index.weight, row, pairs[pair], pair in has_long):
                found[pair[1]] = one
        yield from ((number, content, one.kind, one.share) for content, one in _most(found))


def _most(found: Mapping[int, Overlap]) -> Iterator[tuple[int, Overlap]]:
    """Of one row's, without near copies that stand where more of another item stands: a question that differs from
    another by a name is no copy of it where the other stands there."""
    taken: set[int] = set()
    ordered = sorted(found.items(), key=lambda pair: -pair[1].share)
    for _, alike in groupby(ordered, key=lambda pair: pair[1].share):
        claimed: set[int] = set()
        for content, one in alike:
            stretch = range(one.begin, one.end)
            if one.kind == "near copy" and 2 * sum(at in taken for at in stretch) > len(stretch):
                continue
            claimed.update(stretch)
            yield content, one
        taken |= claimed


def _candidates(index: ItemIndex, codes: Codes, row_of: Ints, begins: Ints) -> dict[tuple[int, int], list[int]]:
    """(row, content) that have enough runs of three words in common, with where each begins in the row less where in
    the item."""
    import numpy as np

    at, occurrence = index.short.find(codes)
    row, content, gram = row_of[at], index.short.content[occurrence], index.short.gram[occurrence]
    offset = at - begins[row] - index.short.place[occurrence]
    order = np.lexsort((gram, content, row))
    row, content, gram, offset = row[order], content[order], gram[order], offset[order]
    is_new = np.ones(len(row), dtype=bool)
    is_new[1:] = (row[1:] != row[:-1]) | (content[1:] != content[:-1])
    is_other = is_new.copy()
    is_other[1:] |= gram[1:] != gram[:-1]
    first = np.flatnonzero(is_new)
    distinct = np.add.reduceat(is_other.astype(np.int64), first) if len(first) else first
    ends = np.append(first[1:], len(row))
    wanted = distinct >= index.needed[content[first]]
    return {
        (int(row[begin]), int(content[begin])): offset[begin:end].tolist()
        for begin, end in zip(first[wanted], ends[wanted], strict=True)
    }
