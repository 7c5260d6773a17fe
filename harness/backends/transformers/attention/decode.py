"""Attention of new tokens of rows whose prompts have been computed.

A token sees its row's own tokens and all of each shared segment above them; what rows share is attended to by all of
them at once, and the parts are merged by their log-sum-exps (shared.py).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.backends.transformers.attention.kernels import Form, add_ancestors, attend_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from harness.backends.transformers.prefix_tree import Segment

ROOM = 32  # tokens that buffers have beyond what they hold at first
Pair = tuple["torch.Tensor", "torch.Tensor"]  # keys and values


class Decode:
    """Rows that generate together. Their own tokens' keys and values lie in one buffer a layer of rows that are of
    like length, so that few places that hold nothing are read."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        memory = segments[0].memory
        self.device = next(iter(memory.values()))[0].device
        self.rows = [_Row(s, len(s.ids)) for s in segments]
        self._groups = [_Group([self.rows[n] for n in which]) for which in like_lengths([r.length for r in self.rows])]
        for group in self._groups:
            group.copy_prompts(list(memory))
        for s in segments:
            s.memory = None

    def feed(self, tokens: Sequence[Sequence[int]]) -> None:
        """What goes in next: one token of each row or more, of which later ones see the earlier."""
        import torch

        self._begin([len(own) for own in tokens])
        self.ids = torch.tensor([token for own in tokens for token in own], device=self.device)

    def _begin(self, counts: Sequence[int]) -> None:
        """What layers need to know of the next tokens, of plain numbers."""
        import torch

        starts = list(itertools.accumulate(counts, initial=0))[:-1]
        positions: list[int] = []
        runs: dict[int, tuple[Segment, int, int, int]] = {}
        for row, at, count in zip(self.rows, starts, counts, strict=True):
            begin = row.segment.start + row.length
            positions += range(begin, begin + count)
            for node in row.segment.ancestors():
                known = runs.get(id(node))
                first, last = (at, 0) if known is None else (known[1], known[3])
                runs[id(node)] = (node, first, at + count, max(last, begin + count - 1))
        self.spans = list(runs.values())  # (ancestor, from token, to token, last position)
        self.positions = torch.tensor(positions, device=self.device)  # [tokens]
        of_row = {id(row): (at, count) for row, at, count in zip(self.rows, starts, counts, strict=True)}
        self._layouts = [_Layout(group, [of_row[id(row)] for row in group.rows], self.device) for group in self._groups]

    def advance(self, counts: Sequence[int]) -> None:
        """So many of the tokens that went in are part of the rows now; the others are forgotten."""
        for row, count in zip(self.rows, counts, strict=True):
            row.length += count

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only."""
        left = [self.rows[r] for r in rows]
        staying = set(map(id, left))
        for group in self._groups:
            group.drop({id(row) for row in group.rows} - staying)
        self.rows = left
        self._groups = [group for group in self._groups if group.rows]

    def attend(self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, form: Form) -> torch.Tensor:
        """q [heads, tokens, d], k and v [kv_heads, tokens, d] → out [heads, tokens, d]."""
        import torch

        heads, tokens, d = q.shape
        out = q.new_empty((tokens, heads, d))
        lse = torch.empty((tokens, heads), dtype=torch.float32, device=q.device)
        for layout in self._layouts:
            layout.put(layer, k, v)
            layout.attend(layer, q, out, lse, form)
        out, lse = out.transpose(0, 1), lse.transpose(0, 1)
        spans = ((node.memory[layer], lo, hi, last, node.start) for node, lo, hi, last in self.spans)
        add_ancestors(out, lse, q, form, self.positions, spans)
        return out


@dataclass(slots=True, eq=False)
class _Row:
    segment: Segment
    length: int  # own tokens whose keys and values are kept


@dataclass(eq=False)
class _Group:
    """Rows of like length. Row n's keys and values are at n in each buffer [rows or more, kv_heads, room, d]."""

    rows: list[_Row]
    buffers: dict[int, Pair] = field(default_factory=dict)

    def copy_prompts(self, layers: Sequence[int]) -> None:
        for layer in layers:
            self.buffers[layer] = (self._copied(layer, 0), self._copied(layer, 1))

    def _copied(self, layer: int, which: int) -> torch.Tensor:
        first = self.rows[0].segment.memory[layer][which]
        room = max(row.length for row in self.rows) + ROOM
        buffer = first.new_zeros((len(self.rows), first.shape[0], room, first.shape[2]))
        for place, row in enumerate(self.rows):
            buffer[place, :, : row.length] = row.segment.memory[layer][which]
        return buffer

    def make_room(self, tokens: int) -> None:
        """For so many tokens a row. Places that hold nothing are zeros: what is read there counts nothing."""
        import torch

        for layer, pair in self.buffers.items():
            missing = tokens - pair[0].shape[2]
            if missing > 0:
                more = max(missing, ROOM, pair[0].shape[2] // 2)
                keys, values = (torch.nn.functional.pad(buffer[: len(self.rows)], (0, 0, 0, more)) for buffer in pair)
                self.buffers[layer] = keys, values

    def drop(self, ended: set[int]) -> None:
        """Without these rows, by id; the last ones move to their places."""
        for place in range(len(self.rows) - 1, -1, -1):
            if id(self.rows[place]) not in ended:
                continue
            last = self.rows.pop()
            if place == len(self.rows):
                continue
            for pair in self.buffers.values():
                for buffer in pair:
                    buffer[place] = buffer[len(self.rows)]
            self.rows[place] = last
        for layer, pair in self.buffers.items():
            if len(self.rows) <= len(pair[0]) // 2:  # give the memory back
                self.buffers[layer] = (pair[0][: len(self.rows)].clone(), pair[1][: len(self.rows)].clone())


class _Layout:
    """Where a group's next tokens are among all packed ones. `of_rows`: of each row, its first token and how many."""

    def __init__(self, group: _Group, of_rows: Sequence[tuple[int, int]], device: torch.device) -> None:
        import torch

        self.group, self.rows = group, len(group.rows)
        self.most = max(count for _, count in of_rows)
        self.needed = max(row.length + count for row, (_, count) in zip(group.rows, of_rows, strict=True))
        group.make_room(self.needed)
        index, packed, real, at_rows, places, sees = [], [], [], [], [], []
        for n, (row, (first, count)) in enumerate(zip(group.rows, of_rows, strict=True)):
            for step in range(self.most):
                index.append(first + min(step, count - 1))
                sees.append(row.length + min(step, count - 1))
                if step < count:
                    packed.append(first + step)
                    real.append(n * self.most + step)
                    at_rows.append(n)
                    places.append(row.length + step)
        # [rows x most] packed tokens, a row with fewer than the most repeating its last; and their places in the row
        self.index, sees_up_to = torch.tensor([index, sees], device=device)
        self.sees = sees_up_to.view(self.rows, self.most)
        # [tokens] packed tokens; where they stand in `index`; rows and places in the buffers
        self.packed, self.real, self.at_rows, self.places = torch.tensor([packed, real, at_rows, places], device=device)
        self._visible: dict[tuple[int | None, int, int], torch.Tensor] = {}

    def put(self, layer: int, k: torch.Tensor, v: torch.Tensor) -> None:
        for buffer, new in zip(self.group.buffers[layer], (k, v), strict=True):
            buffer[self.at_rows, :, self.places] = new.transpose(0, 1).index_select(0, self.packed)

    def attend(self, layer: int, q: torch.Tensor, out: torch.Tensor, lse: torch.Tensor, form: Form) -> None:
        """To the rows' own tokens. q [heads, tokens, d]; fills the group's part of out [tokens, heads, d] and lse
        [tokens, heads]."""
        # by rows and key heads in one dimension: with two of them, matmul copies what it is given a part of
        keys, values = (
            buffer.flatten(0, 1)[: self.rows * buffer.shape[1], : self.needed] for buffer in self.group.buffers[layer]
        )
        heads, _, d = q.shape
        kv = len(keys) // self.rows
        of_kv = heads // kv
        taken = q.transpose(0, 1).index_select(0, self.index).view(self.rows, self.most, kv, of_kv, d)
        queries = taken.permute(0, 2, 3, 1, 4).reshape(self.rows * kv, of_kv * self.most, d)
        o, x = attend_plain(queries, keys, values, form.scale, self._seen(form.window, kv, of_kv), form.cap)
        o = o.view(self.rows, kv, of_kv, self.most, d).permute(0, 3, 1, 2, 4).reshape(-1, heads, d)
        x = x.view(self.rows, kv, of_kv, self.most).permute(0, 3, 1, 2).reshape(-1, heads)
        if self.most > 1:
            o, x = o.index_select(0, self.real), x.index_select(0, self.real)
        out.index_copy_(0, self.packed, o)
        lse.index_copy_(0, self.packed, x)

    def _seen(self, window: int | None, kv: int, of_kv: int) -> torch.Tensor:
        """[rows x key heads, heads of a key head x most, needed] which places a token sees."""
        import torch

        visible = self._visible.get((window, kv, of_kv))
        if visible is None:
            distance = self.sees[:, :, None] - torch.arange(self.needed, device=self.sees.device)
            visible = distance >= 0 if window is None else (distance >= 0) & (distance < window)
            visible = visible[:, None, None].expand(-1, kv, of_kv, -1, -1).reshape(self.rows * kv, -1, self.needed)
            self._visible[window, kv, of_kv] = visible
        return visible


def like_lengths(lengths: Sequence[int]) -> list[list[int]]:
    """Which of these numbers of tokens go together: the most are at most a quarter more than the fewest, and 16."""
    groups: list[list[int]] = []
    for n in sorted(range(len(lengths)), key=lengths.__getitem__):
        if groups and lengths[n] <= 1.25 * lengths[groups[-1][0]] + 16:
            groups[-1].append(n)
        else:
            groups.append([n])
    return groups
