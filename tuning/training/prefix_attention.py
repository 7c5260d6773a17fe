"""Attention of the passes of shared_prefixes.py: nothing sees another row, and each row sees its prefix.

The models' attention comes here through the backend's hook (harness/backends/transformers/attention/hook.py), as its
shared prompts do; here gradients go back through it. What each layer sees is learned from the model's own masks.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.backends.transformers.attention.hook import Active, Switch, UnsupportedError
from harness.backends.transformers.attention.kernels import Form
from harness.backends.transformers.engines import unsupported
from harness.prompting.row_tokens import Tokens
from tuning.training.memory import out_of_memory
from tuning.training.shared_prefixes import Segment, shared_batch

if TYPE_CHECKING:
    from torch import Tensor

LEARNT = 16  # tokens of the row from which the layers' windows are learned


class PrefixAttention:
    """Of one pass."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = segments
        self._masks: dict[tuple[int, int, int, int | None], Tensor] = {}

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, form: Form) -> Tensor:
        """q [heads, tokens, width], k and v [heads of keys, tokens, width] → as q. UnsupportedError for capped scores
        and sinks, which torch's kernel does not have."""
        import torch

        if form.cap is not None or form.sinks is not None:
            raise UnsupportedError("its attention caps scores or has sinks")
        sizes = [segment.count * segment.width for segment in self.segments]
        parts = [x.split(sizes, 1) for x in (q, k, v)]
        heads, group = len(k), len(q) // len(k)
        outs = []
        for segment, own_q, own_k, own_v in zip(self.segments, *parts, strict=True):
            count, width = segment.count, segment.width
            keys, values = (x.view(heads, count, width, -1).transpose(0, 1) for x in (own_k, own_v))
            before = 0
            if segment.behind is not None:
                first = [part[segment.behind] for part in parts[1:]]
                before = first[0].shape[1]
                keys, values = (
                    torch.cat([shared.expand(count, -1, -1, -1), own], 2)
                    for shared, own in zip(first, (keys, values), strict=True)
                )
            # the heads of one key head go below each other: no key is copied
            folded = own_q.view(heads, group, count, width, -1).permute(2, 0, 1, 3, 4).flatten(2, 3)
            mask = self._mask(width, before, group, form.window, q)
            out = torch.nn.functional.scaled_dot_product_attention(
                folded, keys, values, attn_mask=mask, scale=form.scale
            )
            outs.append(out.view(count, heads, group, width, -1).permute(0, 3, 1, 2, 4).reshape(count * width, -1))
        return torch.cat(outs).view(q.shape[1], len(q), -1).transpose(0, 1)

    def _mask(self, width: int, before: int, group: int, window: int | None, like: Tensor) -> Tensor:
        """[group x width, before + width]: 0 where a token sees another, else minus infinity."""
        import torch

        key = width, before, group, window
        if key not in self._masks:
            places = torch.arange(before + width, device=like.device)
            distance = places[before:, None] - places
            hidden = (distance < 0) if window is None else (distance < 0) | (distance >= window)
            mask = torch.zeros(width, before + width, dtype=like.dtype, device=like.device)
            self._masks[key] = mask.masked_fill_(hidden, -torch.inf).repeat(group, 1)
        return self._masks[key]


class PrefixSharing:
    """A model whose rows can share their prefixes. UnsupportedError where its attention cannot be had so."""

    def __init__(self, model: Any) -> None:
        config = model.config.get_text_config()
        if "position_ids" not in inspect.signature(model.forward).parameters:
            raise UnsupportedError("its forward pass takes no position_ids")
        if reason := unsupported(config):
            raise UnsupportedError(reason)
        if any("drop" in name and isinstance(value, float) and value for name, value in config.to_dict().items()):
            raise UnsupportedError("it drops out activations of its own, for each row others")
        self._windows: dict[int, int | None] = {}
        self._switch = Switch(model)
        self._learn_windows(model)
        if len(self._windows) < getattr(config, "num_hidden_layers", 0):
            raise UnsupportedError("not all of its layers are attention")

    @contextmanager
    def over(self, segments: Sequence[Segment], learn: bool = False) -> Iterator[None]:
        """The model attends so meanwhile; afterwards as usual."""
        self._switch.to_ours()
        try:
            with Active(PrefixAttention(segments), self._windows, learn):  # type: ignore[arg-type]
                yield
        finally:
            self._switch.to_usual()

    def _learn_windows(self, model: Any) -> None:
        import torch

        row = Tokens(tuple(range(1, LEARNT + 1)), ((1, LEARNT),))
        made, segments = shared_batch([row], str(model.device))
        with torch.no_grad(), self.over(segments, learn=True):
            model(input_ids=made.ids, position_ids=made.positions, use_cache=False)


def sharing_of(model: Any) -> PrefixSharing | None:
    """Of a bare base in float32 on a CPU with torch's attention kernel, where its rows can share their prefixes."""
    import torch

    if model.device.type != "cpu" or model.dtype != torch.float32:
        return None
    if getattr(model.config, "_attn_implementation", None) != "sdpa":
        return None
    try:
        return PrefixSharing(model)
    except Exception as error:  # a model may do anything with attention that is not its own
        if out_of_memory(error):
            raise
        return None
