"""From token sequences to a plan in which no shared prefix is computed twice.

Rows are sorted into a prefix tree. An inner node is a `Segment` that is computed once and kept for the
rows below it; a leaf is the rest of one row. Segments are taken in depth-first order and packed into
passes (one forward pass each) and batches (what is stored together). The plan depends on the rows and
the budgets only, never on what has been answered already.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

WORTH = 96  # tokens saved that pay for one more segment to attend to
FEWEST = 64  # rows that generate together, however many tokens they keep


@dataclass(slots=True, eq=False)
class Row:
    """One token sequence; its last `reads` positions are read."""

    ids: list[int]
    reads: int
    request: int  # index of the request that asked for it
    part: int = 0  # which of the request's rows
    reused: int = 0  # tokens that another row's pass has computed; set by the plan
    new: int = 0  # tokens that it may generate


@dataclass(slots=True, eq=False)
class Segment:
    ids: list[int]
    start: int  # position of its first token
    parent: Segment | None
    row: Row | None  # a leaf's row; None for a shared segment
    last_batch: int = -1  # a shared segment is forgotten after this batch
    memory: Any = None  # what the engine keeps of it: keys and values by layer

    def ancestors(self) -> list[Segment]:
        """From the root down, itself excluded."""
        nodes = []
        node = self.parent
        while node is not None:
            nodes.append(node)
            node = node.parent
        return nodes[::-1]


@dataclass(slots=True, eq=False)
class Batch:
    passes: list[list[Segment]] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        return [s.row for segments in self.passes for s in segments if s.row is not None]


def plan(
    rows: Sequence[Row],
    pass_tokens: int,
    batch_rows: int | None = None,
    kept_tokens: int | None = None,
    *,
    batch_tokens: int = 0,
) -> list[Batch]:
    """Batches for these rows. A pass holds `pass_tokens` tokens or one longer segment. A batch is one pass that answers
    something, or more while they hold `batch_tokens` tokens together, or as many as hold `batch_rows` rows (rows that
    go on to generate). Of these it has fewer, and at least FEWEST, where their own tokens, those to come among them,
    would be more than `kept_tokens`."""
    segments = _segments(rows)
    batches: list[Batch] = []
    current: list[Segment] = []
    size = total = leaves = kept = 0
    batch = Batch()

    def end_pass() -> None:
        nonlocal current, size
        if current:
            batch.passes.append(current)
            current, size = [], 0

    def end_batch() -> None:
        nonlocal batch, leaves, kept, total
        end_pass()
        if batch.passes:
            batches.append(batch)
        batch, leaves, kept, total = Batch(), 0, 0, 0

    for segment in segments:
        if current and size + len(segment.ids) > pass_tokens:
            if batch_rows is None and leaves and total + len(segment.ids) > batch_tokens:
                end_batch()
            else:
                end_pass()
        current.append(segment)
        size += len(segment.ids)
        total += len(segment.ids)
        if segment.row is not None:
            leaves += 1
            kept += len(segment.ids) + segment.row.new
            full = kept_tokens is not None and leaves >= FEWEST and kept >= kept_tokens
            if batch_rows is not None and (full or leaves >= batch_rows):
                end_batch()
    end_batch()
    for i, b in enumerate(batches):
        for segments_of_pass in b.passes:
            for segment in segments_of_pass:
                for node in segment.ancestors():
                    node.last_batch = i
    return batches


def _segments(rows: Sequence[Row]) -> list[Segment]:
    """All segments, parents before children, in depth-first order."""
    import numpy as np

    if not rows:
        return []
    # big-endian bytes compare like the sequences they hold, and quickly
    arrays = [np.asarray(r.ids, dtype=">i4") for r in rows]
    keys = [a.tobytes() for a in arrays]
    order = sorted(range(len(rows)), key=lambda i: (keys[i], i))
    ordered = [rows[i] for i in order]
    arrays = [arrays[i] for i in order]
    common = np.zeros(max(0, len(rows) - 1), dtype=np.int64)
    for i in range(len(rows) - 1):
        a, b = arrays[i], arrays[i + 1]
        most = min(len(ordered[i].ids) - ordered[i].reads, len(ordered[i + 1].ids) - ordered[i + 1].reads)
        differ = np.flatnonzero(a[:most] != b[:most])
        common[i] = differ[0] if len(differ) else most

    out: list[Segment] = []
    # what is left to do, last first: (from row, to row, depth already covered, parent)
    todo: list[tuple[int, int, int, Segment | None]] = [(0, len(rows), 0, None)]
    while todo:
        lo, hi, depth, parent = todo.pop()
        between = common[lo : hi - 1]
        if int((between - depth).clip(min=0).sum()) < WORTH:  # nothing below here pays
            leaves = sorted(ordered[lo:hi], key=lambda r: len(r.ids))  # like lengths beside each other
            out += [Segment(r.ids[depth:], depth, parent, r) for r in leaves]
            continue
        least = int(between.min())
        if (least - depth) * (hi - lo - 1) >= WORTH:
            parent = Segment(ordered[lo].ids[depth:least], depth, parent, None)
            out.append(parent)
            depth = least
        edges = [lo, *(int(i) + lo + 1 for i in np.flatnonzero(between == least)), hi]
        parts = [(a, b, depth, parent) for a, b in itertools.pairwise(edges)]
        single = [p for p in parts if p[1] - p[0] == 1]
        leaves = sorted((ordered[p[0]] for p in single), key=lambda r: len(r.ids))
        out += [Segment(r.ids[depth:], depth, parent, r) for r in leaves]
        todo += [p for p in reversed(parts) if p[1] - p[0] > 1]
    _charge(out)
    return out


def _charge(segments: list[Segment]) -> None:
    """A shared segment's tokens count as computed for the first row below it, as reused for the rest."""
    charged: set[int] = set()
    for segment in segments:
        if segment.row is not None:
            free = 0
            for node in segment.ancestors():
                if id(node) in charged:
                    free += len(node.ids)
                charged.add(id(node))
            segment.row.reused = free
