"""Attention over a prefix tree: what rows share is attended to by all of them at once.

Takes packed tokens of many segments, without padding, from attention_hook.py. A token sees its own segment
up to itself and all of each ancestor segment; the parts are merged exactly by their log-sum-exps (as in
FlashAttention, Dao et al. 2022, section 3.1). Keys and values live here, not in a transformers cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.compat import flash_attention

if TYPE_CHECKING:
    import torch

    from harness.backends.transformers.prefix_tree import Segment


def attend_plain(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, visible: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """q [..., n, d], k and v [..., m, d], visible [..., n, m] or None for all: (out [..., n, d], its
    log-sum-exp [..., n] in float32). A row that sees nothing gives zeros and -inf."""
    import torch

    scores = torch.matmul(q, k.transpose(-1, -2)).float() * scale
    if visible is not None:
        scores = scores.masked_fill(~visible, float("-inf"))
    lse = torch.logsumexp(scores, dim=-1)
    weights = torch.exp(scores - lse.masked_fill(lse == float("-inf"), 0.0).unsqueeze(-1))
    return torch.matmul(weights.to(v.dtype), v), lse


def _attend_all(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Every query sees every key. q [heads, n, d], k and v [kv_heads, m, d]."""
    heads, n, d = q.shape
    kv = k.shape[0]
    folded = q.reshape(kv, heads // kv * n, d)  # the heads of one key head side by side: no copy of keys
    if q.device.type == "cpu" and folded.shape[1] >= 16:
        out, lse = flash_attention(folded.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), scale, False)
        return out[0].reshape(heads, n, d), lse[0].reshape(heads, n)
    parts = [attend_plain(p, k, v, scale) for p in folded.split(4096, dim=1)]
    out, lse = parts[0] if len(parts) == 1 else _cat(parts)
    return out.reshape(heads, n, d), lse.reshape(heads, n)


def _cat(parts: list[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    return torch.cat([o for o, _ in parts], dim=1), torch.cat([x for _, x in parts], dim=1)


def merge(out: torch.Tensor, lse: torch.Tensor, more: torch.Tensor, more_lse: torch.Tensor) -> None:
    """Merge attention over further keys into `out` and `lse`, in place."""
    import torch

    both = torch.logaddexp(lse, more_lse)
    out.mul_(torch.exp(lse - both).unsqueeze(-1).to(out.dtype))
    out.add_(more * torch.exp(more_lse - both).unsqueeze(-1).to(out.dtype))
    lse.copy_(both)


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
            parts = (index, index[real], np.flatnonzero(real))
            out.append(_Group(*(torch.tensor(part, device=device) for part in parts)))
        return out

    def attend(
        self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, window: int | None
    ) -> torch.Tensor:
        """q [heads, T, d], k and v [kv_heads, T, d] → out [heads, T, d]."""
        import torch

        for s in self.segments:
            if s.memory is not None:
                lo, hi = self.bounds[id(s)]
                s.memory[layer] = (k[:, lo:hi].contiguous(), v[:, lo:hi].contiguous())
        out = torch.empty_like(q)
        lse = torch.empty(q.shape[:2], dtype=torch.float32, device=q.device)
        for group in self.groups:
            if isinstance(group, _Group):
                o, x = _attend_self(q[:, group.index], k[:, group.index], v[:, group.index], scale, window)
                out[:, group.packed] = o.flatten(1, 2)[:, group.real]
                lse[:, group.packed] = x.flatten(1, 2)[:, group.real]
            else:
                a, b = group
                o, x = _attend_self(
                    q[:, a:b].unsqueeze(1), k[:, a:b].unsqueeze(1), v[:, a:b].unsqueeze(1), scale, window
                )
                out[:, a:b], lse[:, a:b] = o[:, 0], x[:, 0]
        for node, lo, hi, last in self.spans:
            if id(node) in self.bounds:
                a, b = self.bounds[id(node)]
                nk, nv = k[:, a:b], v[:, a:b]
            else:
                nk, nv = node.memory[layer]
            o, x = _attend_ancestor(q[:, lo:hi], nk, nv, scale, window, self.positions[lo:hi], last, node.start)
            merge(out[:, lo:hi], lse[:, lo:hi], o, x)
        return out


@dataclass(frozen=True, slots=True)
class _Group:
    """Segments that attend to themselves together."""

    index: torch.Tensor  # [segments, longest] packed places; what is beyond a segment's end is its last one
    packed: torch.Tensor  # [tokens] the places that are no padding
    real: torch.Tensor  # [tokens] where they stand in the flattened `index`


def _attend_ancestor(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    scale: float,
    window: int | None,
    positions: torch.Tensor,
    last: int,
    start: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """As _attend_all, as far back as the window reaches. `positions` [n] of the queries, `last` of these,
    `start` of the keys."""
    import torch

    if window is None or last - start < window:
        return _attend_all(q, k, v, scale)
    keys = torch.arange(start, start + k.shape[1], device=q.device)
    visible = positions[:, None] - keys[None, :] < window
    repeat = q.shape[0] // k.shape[0]
    return attend_plain(q, k.repeat_interleave(repeat, 0), v.repeat_interleave(repeat, 0), scale, visible)


def _attend_self(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, window: int | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Causal attention inside each segment. q [heads, B, L, d], k and v [kv_heads, B, L, d]."""
    import torch

    repeat = q.shape[0] // k.shape[0]
    if repeat > 1:
        k, v = k.repeat_interleave(repeat, 0), v.repeat_interleave(repeat, 0)
    length = q.shape[2]
    if q.device.type == "cpu" and (window is None or length <= window):
        out, lse = flash_attention(q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1), scale, True)
        return out.transpose(0, 1), lse.transpose(0, 1)
    at = torch.arange(length, device=q.device)
    distance = at[:, None] - at[None, :]
    visible = (distance >= 0) if window is None else (distance >= 0) & (distance < window)
    return attend_plain(q, k, v, scale, visible)
