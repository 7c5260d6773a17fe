"""Training rows against benchmark items: which items stand in a row, as they are or nearly.

Rows come in any number and are looked at a stretch at a time; the memory is that of the items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    place: float  # where in the row it stands: the part of the row's words before


@dataclass(frozen=True, slots=True)
class Found:
    matches: tuple[Match, ...]  # in the items' order
    passages: tuple[int, ...]  # items of which a row has a run that they share with others, and not the question
    wordless: tuple[int, ...]  # items without a word, which nothing can be compared with


def find(items: Sequence[ItemText], rows: Iterable[str]) -> Found:
    """`rows` are read once."""
    index = ItemIndex(items)
    best: dict[int, Match] = {}  # by content
    passages: set[int] = set()
    count = 0
    for texts in _stretches(rows):
        for match in _compared(index, texts, passages):
            known = best.get(match.item)
            here = replace(match, row=count + match.row)
            if known is None:
                best[match.item] = here
            else:
                more = here if here.share > known.share else known
                best[match.item] = replace(more, rows=known.rows + 1)
        count += len(texts)
    matches = [replace(one, item=item) for content, one in best.items() for item in index.contents[content].items]
    beside = [item for content in passages - best.keys() for item in index.contents[content].items]
    compared = {item for content in index.contents for item in content.items}
    wordless = [item for item in range(len(items)) if item not in compared]
    return Found(tuple(sorted(matches, key=lambda match: match.item)), tuple(sorted(beside)), tuple(wordless))


def _stretches(rows: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(rows)
    while texts := list(islice(rest, AT_ONCE)):
        yield texts


def _compared(index: ItemIndex, texts: Sequence[str], passages: set[int]) -> Iterator[Match]:
    """What stands in these rows, each content once a row; `item` is the content, and `row` counts from the first of
    these. What shares a run of 13 words is added to `passages`."""
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
    by_row: dict[int, list[int]] = {}
    for number, content in sorted(pairs):
        by_row.setdefault(number, []).append(content)
    for number, text in enumerate(texts):
        asked = {index.by_question[sentence] for sentence in sentences_of(text) & index.by_question.keys()}
        for content in sorted(asked):
            yield Match(content, number, "question", 1.0, 1, 0.0)
        row = Row(words[number])
        overlaps = {}
        for content in by_row.get(number, ()):
            pair = (number, content)
            own_words = index.own_words[content].tolist()
            one = overlap(index.contents[content], own_words, index.weight, row, pairs[pair], pair in has_long)
            if one is not None and content not in asked:
                overlaps[content] = one
        for content, one in _most(overlaps):
            yield Match(content, number, one.kind, one.share, 1, max(0, one.begin) / len(row.words))


def _most(overlaps: Mapping[int, Overlap]) -> Iterator[tuple[int, Overlap]]:
    """Of one row's, without near copies that stand where more of another item stands: a question that differs from
    another by a name is no copy of it where the other stands there."""
    taken: set[int] = set()
    ordered = sorted(overlaps.items(), key=lambda pair: -pair[1].share)
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
