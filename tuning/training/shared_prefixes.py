"""Passes in which the tokens that rows begin with alike go through the model once.

Rows of one template share its first words, and causal attention makes the hidden states of a shared prefix the same
in each row. Their gradients add up there. A pass is one row of tokens: each prefix, and behind it the rest of its
rows, those of like length padded to the longest, without which attention would take them one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.prompting.row_tokens import Tokens
from tuning.training.encoded import IGNORED, Batch

TOKENS = 1024  # of a pass; more make no product of matrices quicker, and take more memory
ALIKE = 0.9  # part of the longest length that rows padded to it have at least
WORTH = 8  # tokens of a prefix that pay for attending to it apart


@dataclass(slots=True)
class Block:
    """Rows of like length that have one prefix; by their places, the longest first."""

    prefix: tuple[int, ...]
    rows: list[int]
    width: int  # tokens of the longest behind the prefix


@dataclass(frozen=True, slots=True)
class Segment:
    """`count` x `width` tokens of a pass, which see themselves and all of the segment `behind`."""

    count: int
    width: int
    behind: int | None = None


def passes(rows: Sequence[Tokens], most: int) -> list[list[int]]:
    """The places of the rows that have a response: at most `most` in a pass, and TOKENS tokens or one row of more."""
    return [[at for block in blocks for at in block.rows] for blocks in _cut(rows, most, TOKENS)]


def tokens_of(rows: Sequence[Tokens]) -> int:
    """What one pass of all these rows computes, padding too."""
    (blocks,) = _cut(rows, len(rows), math.inf)
    own = sum(block.width * len(block.rows) for block in blocks)
    return own + sum(len(prefix) for prefix in {block.prefix for block in blocks})


def shared_batch(rows: Sequence[Tokens], device: str) -> tuple[Batch, list[Segment]]:
    """One pass of all these rows, each with a response, and what attends to what in it."""
    import torch

    (blocks,) = _cut(rows, len(rows), math.inf)
    ids: list[int] = []
    positions: list[int] = []
    segments: list[Segment] = []
    by_prefix: dict[tuple[int, ...], tuple[int, int]] = {(): (0, 0)}  # its segment, and where it begins
    at: list[int] = []
    targets: list[int] = []
    row: list[int] = []
    padding = 0
    for block in blocks:
        length = len(block.prefix)
        if block.prefix not in by_prefix:
            by_prefix[block.prefix] = len(segments), len(ids)
            segments.append(Segment(1, length))
            ids += block.prefix
            positions += range(length)
        segment, begin = by_prefix[block.prefix]
        segments.append(Segment(len(block.rows), block.width, segment if length else None))
        for place in block.rows:
            own = rows[place].ids[length:]
            before = len(ids) - length
            for learnt in rows[place].learnt:
                at.append((begin if learnt <= length else before) + learnt - 1)
                targets.append(rows[place].ids[learnt])
                row.append(place)
            ids += [*own, *[IGNORED] * (block.width - len(own))]
            positions += range(length, length + block.width)
            padding += block.width - len(own)
    made = Batch(
        torch.tensor([ids], device=device),
        torch.tensor([positions], device=device),
        torch.tensor(at, device=device),
        torch.tensor(targets, device=device),
        torch.tensor(row, device=device),
        sum(len(tokens.ids) for tokens in rows),
        padding,
    )
    return made, segments


def _cut(rows: Sequence[Tokens], most: int, tokens: float) -> list[list[Block]]:
    """The blocks of each pass."""
    cut: list[list[Block]] = []
    count, size = 0, 0.0
    for length, group in _prefixes(rows):
        block: Block | None = None
        for at in sorted(group, key=lambda at: -len(rows[at].ids)):
            own = len(rows[at].ids) - length
            joins = block is not None and own >= ALIKE * block.width
            width = block.width if block is not None and joins else own
            if not cut or count == most or size + width + (0 if block else length) > tokens:
                cut.append([])
                count, size, block, width = 0, 0.0, None, own
            if block is None:
                size += length
            if block is None or not joins:
                block = Block(rows[at].ids[:length], [], own)
                cut[-1].append(block)
            block.rows.append(at)
            count, size = count + 1, size + width
    return cut


def _prefixes(rows: Sequence[Tokens]) -> Iterator[tuple[int, list[int]]]:
    """Rows with a response in groups, each with the number of tokens that its rows begin with alike."""
    order = sorted((at for at in range(len(rows)) if rows[at].responses), key=lambda at: rows[at].ids)
    # a row keeps one token at least for itself
    shared = [
        min(_common(rows[a].ids, rows[b].ids), len(rows[a].ids) - 1, len(rows[b].ids) - 1) for a, b in pairwise(order)
    ]
    for begin, end in _groups(shared, 0, len(order))[1]:
        length = min(shared[begin : end - 1], default=0)
        yield (length if length >= WORTH else 0), order[begin:end]


def _groups(shared: Sequence[int], begin: int, end: int) -> tuple[int, list[tuple[int, int]]]:
    """Tokens that are saved at most, and the groups that save them: all of `begin` to `end` together, or cut where
    neighbours share the least."""
    if end - begin < 2:
        return 0, [(begin, end)] if end > begin else []
    least = min(shared[begin : end - 1])
    together = (end - begin - 1) * least
    cuts = [place + 1 for place in range(begin, end - 1) if shared[place] == least]
    parts = [_groups(shared, a, b) for a, b in zip([begin, *cuts], [*cuts, end], strict=True)]
    apart = sum(saved for saved, _ in parts)
    if least >= WORTH and together >= apart:
        return together, [(begin, end)]
    if apart == 0:  # nothing is shared anywhere
        return 0, [(begin, end)]
    return apart, [group for _, groups in parts for group in groups]


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Tokens that both begin with."""
    for place, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return place
    return min(len(a), len(b))
