"""The batches in which rows go through a model.

Rows are padded at the right, where causal attention never looks, so no mask is needed; or packed: one after the
other in one row whose positions start anew, which transformers turns into block-diagonal attention (and
FlashAttention's variable lengths where that is in use). Of these two padded is the quicker on a CPU, because rows of a
like length stand together: little padding, and no mask to build or to read. Where rows can share their prefixes they
go as shared_prefixes.py has it, which is quicker still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.prompting.row_tokens import Tokens

if TYPE_CHECKING:
    from torch import Tensor

ALIKE = 0.8  # so padding is a fifth at most, and a tenth or so of what is computed
IGNORED = 0  # the token that pads: any will do, nothing attends to it


@dataclass(frozen=True, slots=True)
class Batch:
    ids: Tensor  # [rows, length], or [1, all tokens] where packed
    positions: Tensor | None  # like ids, where packed
    at: Tensor  # [targets] places in the flattened ids whose next token is a target
    targets: Tensor  # [targets] response tokens
    row: Tensor  # [targets] the row of each
    tokens: int  # not padding
    padding: int


def by_length(rows: Sequence[Tokens], most: int, alike: float = ALIKE) -> list[list[int]]:
    """Indices of rows that have a response in micro-batches of at most `most` rows, none shorter than `alike` of its
    longest. Longest first, so that memory runs out at once or not at all."""
    order = sorted((at for at in range(len(rows)) if rows[at].responses), key=lambda at: -len(rows[at].ids))
    chunks: list[list[int]] = []
    for at in order:
        if chunks and len(chunks[-1]) < most and len(rows[at].ids) >= alike * len(rows[chunks[-1][0]].ids):
            chunks[-1].append(at)
        else:
            chunks.append([at])
    return chunks


def batch(rows: Sequence[Tokens], packed: bool, device: str) -> Batch:
    """Rows that go through the model together."""
    import torch

    lengths = [len(row.ids) for row in rows]
    width = max(lengths)
    if packed:
        starts = [sum(lengths[:at]) for at in range(len(rows))]
        ids = torch.tensor([token for row in rows for token in row.ids])[None]
        positions = torch.cat([torch.arange(length) for length in lengths])[None].to(device)
    else:
        starts = [at * width for at in range(len(rows))]
        ids = torch.tensor([[*row.ids, *[IGNORED] * (width - len(row.ids))] for row in rows])
        positions = None
    at = [start + place - 1 for start, row in zip(starts, rows, strict=True) for place in row.learnt]
    return Batch(
        ids.to(device),
        positions,
        torch.tensor(at, device=device),
        torch.tensor([row.ids[place] for row in rows for place in row.learnt], device=device),
        torch.tensor([number for number, row in enumerate(rows) for _ in row.learnt], device=device),
        sum(lengths),
        0 if packed else width * len(rows) - sum(lengths),
    )
