"""Attention over a prefix tree: what rows share is attended to by all of them at once.

Takes packed tokens of many segments, without padding, from hook.py. A token sees its own segment
up to itself and all of each ancestor segment; the parts are merged exactly by their log-sum-exps (as in
FlashAttention, Dao et al. 2022, section 3.1). Keys and values live here, not in a transformers cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.backends.transformers.attention.kernels import Form, add_ancestors, attend_self

if TYPE_CHECKING:
    import torch

    from harness.backends.transformers.prefix_tree import Segment


class Pass:
    """One forward pass over packed segments, ancestors before descendants.

    What can be known before the pass is computed here, of plain numbers: a layer that asks the device for one waits
    until it has done all that it was given."""

    def __init__(self, segments: list[Segment], device: torch.device | str) -> None:
        import torch

        self.segments = segments
        self.bounds: dict[int, tuple[int, int]] = {}
        at = 0
        for s in segments:
            self.bounds[id(s)] = (at, at + len(s.ids))
            at += len(s.ids)
        self.tokens = at
        self.positions = torch.tensor(
            [p for s in segments for p in range(s.start, s.start + len(s.ids))], device=device
        )
        self.ids = torch.tensor([t for s in segments for t in s.ids], device=device)
        self.spans = self._spans()
        self.groups = self._groups(device)

    def _spans(self) -> list[tuple[Segment, int, int, int]]:
        """(ancestor, from, to, last): the packed tokens that see all of it, and the last of their positions. One run
        each, for segments are in depth-first order."""
        runs: dict[int, tuple[Segment, int, int, int]] = {}
        for s in self.segments:
            lo, hi = self.bounds[id(s)]
            last = s.start + len(s.ids) - 1
            for node in s.ancestors():
                known = runs.get(id(node))
                runs[id(node)] = (node, lo, hi, last) if known is None else (node, known[1], hi, max(known[3], last))
        return list(runs.values())

    def _groups(self, device: Any) -> list[_Group | tuple[int, int]]:
        """Segments of like length attend to themselves together, padded to the longest of the group
        (in attention only: no padded position goes through the model). One that is alone is its bounds."""
        import numpy as np
        import torch

        ordered = sorted(self.segments, key=lambda s: len(s.ids))
        groups: list[list[Segment]] = []
        for s in ordered:
            if groups and len(s.ids) <= 1.5 * len(groups[-1][0].ids) + 8:
                groups[-1].append(s)
            else:
                groups.append([s])
        out: list[_Group | tuple[int, int]] = []
        for g in groups:
            if len(g) == 1:
                out.append(self.bounds[id(g[0])])
                continue
            starts = np.array([self.bounds[id(s)][0] for s in g])[:, None]
            lengths = np.array([len(s.ids) for s in g])[:, None]
            steps = np.arange(len(g[-1].ids))
            real = steps < lengths
            index = starts + np.minimum(steps, lengths - 1)
            parts = (index.ravel(), index[real], np.flatnonzero(real))
            out.append(_Group(len(g), *(torch.tensor(part, device=device) for part in parts)))
        return out

    def attend(self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, form: Form) -> torch.Tensor:
        """q [heads, T, d], k and v [kv_heads, T, d] → out [heads, T, d]."""
        import torch

        for s in self.segments:
            if s.memory is not None:
                lo, hi = self.bounds[id(s)]
                s.memory[layer] = (k[:, lo:hi].contiguous(), v[:, lo:hi].contiguous())
        # by tokens, as models lay them out: what is taken of some tokens is then taken in whole runs of memory
        heads, tokens, d = q.shape
        out = q.new_empty((tokens, heads, d)).transpose(0, 1)
        lse = torch.empty((tokens, heads), dtype=torch.float32, device=q.device).transpose(0, 1)
        for group in self.groups:
            if isinstance(group, _Group):
                o, x = attend_self(group.padded(q), group.padded(k), group.padded(v), form)
                out.transpose(0, 1).index_copy_(0, group.packed, group.unpadded(o))
                lse.transpose(0, 1).index_copy_(0, group.packed, group.unpadded(x))
            else:
                a, b = group
                o, x = attend_self(q[None, :, a:b], k[None, :, a:b], v[None, :, a:b], form)
                out[:, a:b], lse[:, a:b] = o[0], x[0]

        def of(node: Segment) -> tuple[torch.Tensor, torch.Tensor]:
            if id(node) not in self.bounds:
                return node.memory[layer]
            a, b = self.bounds[id(node)]
            return k[:, a:b], v[:, a:b]

        spans = ((of(node), lo, hi, last, node.start) for node, lo, hi, last in self.spans)
        add_ancestors(out, lse, q, form, self.positions, spans)
        return out


@dataclass(frozen=True, slots=True)
class _Group:
    """Segments that attend to themselves together."""

    count: int  # segments
    index: torch.Tensor  # [count x longest] packed places; what is beyond a segment's end is its last one
    packed: torch.Tensor  # [tokens] the places that are no padding
    real: torch.Tensor  # [tokens] where they stand in `index`

    def padded(self, x: torch.Tensor) -> torch.Tensor:
        """[heads, T, d] → [count, heads, longest, d]."""
        taken = x.transpose(0, 1).index_select(0, self.index)
        return taken.view(self.count, -1, *taken.shape[1:]).transpose(1, 2)

    def unpadded(self, x: torch.Tensor) -> torch.Tensor:
        """[count, heads, longest, …] → [tokens, heads, …]."""
        return x.transpose(1, 2).flatten(0, 1).index_select(0, self.real)
