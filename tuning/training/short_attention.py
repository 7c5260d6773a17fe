"""Causal attention of short rows in bfloat16 on a CPU, as plain matrix products.

torch's kernel for a CPU is made for long rows: in bfloat16, forward and backward, it takes 1.5 to 4 times as long for
rows of up to twice the heads' width (measured on Zen 4, widths 64 and 256; in float32 the two are equal). Whatever is
not plain (a mask, dropout, a bias by position, a cache, longer rows) goes to the kernel as ever. Heads that share keys
are multiplied with them side by side, and no key is copied.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from harness.backends.transformers.attention.hook import HARMLESS

if TYPE_CHECKING:
    from torch import Tensor

NAME = "harness_short"
LONGEST = 2  # rows, in widths of a head


def installed(model: Any) -> Any:
    """The model; one in bfloat16 on a CPU that uses torch's kernel (sdpa) computes short rows here from now on."""
    import torch

    is_meant = model.device.type == "cpu" and model.dtype == torch.bfloat16
    if not is_meant or getattr(model.config, "_attn_implementation", None) != "sdpa":
        return model
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)
    return model


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, Any]:
    """transformers' contract: query [rows, heads, tokens, width] → [rows, tokens, heads, width]."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    causal = options.get("is_causal")
    is_causal = getattr(module, "is_causal", True) if causal is None else causal
    known = HARMLESS | {"scaling", "is_causal", "sliding_window"}
    others = [name for name, option in options.items() if name not in known and option is not None]
    is_plain = (
        attention_mask is None
        and is_causal
        and not others
        and not options.get("dropout")
        and query.shape[2] == key.shape[2] <= LONGEST * query.shape[-1]
        and query.shape[-1] == value.shape[-1]
    )
    if not is_plain:
        passed: tuple[Tensor, Any] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return passed
    scale = options.get("scaling") or query.shape[-1] ** -0.5
    return _function().apply(query, key, value, scale).transpose(1, 2), None


@cache
def _function() -> Any:
    """A class, made once and after torch is wanted."""
    import torch

    def folded(x: Tensor, heads: int) -> Tensor:
        """[rows, heads of queries, tokens, width] → [rows x heads of keys, queries' heads of each x tokens, width]"""
        return x.reshape(len(x) * heads, -1, x.shape[-1])

    class Causal(torch.autograd.Function):
        """query [rows, heads, tokens, width], key and value [rows, heads of keys, tokens, width], scale → as query.
        Softmax in float32 at least."""

        @staticmethod
        def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
            heads, tokens = key.shape[1], key.shape[2]
            q, k, v = (folded(x, heads) for x in (query, key, value))
            scores = (q @ k.transpose(1, 2)).to(torch.promote_types(q.dtype, torch.float32)).mul_(scale)
            square = scores.view(len(q), -1, tokens, tokens)
            later = torch.ones(tokens, tokens, dtype=torch.bool, device=q.device).triu_(1)
            weights = square.masked_fill_(later, -torch.inf).softmax(-1).view_as(scores).to(q.dtype)
            ctx.save_for_backward(q, k, v, weights)
            ctx.scale, ctx.shapes = scale, (query.shape, key.shape)
            return (weights @ v).view(query.shape)

        @staticmethod
        def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
            q, k, v, weights = ctx.saved_tensors
            of_query, of_key = ctx.shapes
            slope = folded(upstream[0], of_key[1])
            by_value = weights.transpose(1, 2) @ slope
            exact = torch.promote_types(q.dtype, torch.float32)
            by_weights = (slope @ v.transpose(1, 2)).to(exact)
            precise = weights.to(exact)
            by_weights.mul_(precise)
            by_scores = by_weights.addcmul_(precise, by_weights.sum(-1, keepdim=True), value=-1).mul_(ctx.scale)
            by_scores = by_scores.to(q.dtype)
            by_query, by_key = by_scores @ k, by_scores.transpose(1, 2) @ q
            return by_query.view(of_query), by_key.view(of_key), by_value.view(of_key), None

    return Causal
