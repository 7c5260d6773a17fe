"""LoRA's forward and backward pass in a linear layer as one function, in place of peft's.

peft's layer keeps a float32 copy of its input until the backward pass, and leaves sums and scaling to autograd; on a
CPU that takes longer than half of the layer's own products. Here the input is kept as it came. A and B are multiplied
in float32 as peft does, whatever the base's type: in bfloat16 the gradients of an adapter with a large B were 2.4
times as far from float32's. The narrow products are written with the rank in front, [rank, positions], which a CPU
multiplies several times as fast.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def install(model: Any) -> None:
    """Have the LoRA layers of a PeftModel with one adapter computed here, where they are plain ones on a frozen linear
    layer. peft goes on with the others (DoRA, 4 bits, embeddings)."""
    import torch
    from peft.tuners.lora.layer import Linear

    for module in model.modules():
        if type(module) is not Linear or type(base := module.base_layer) is not torch.nn.Linear:
            continue
        (name,) = module.active_adapters
        has_bias = module.lora_A[name].bias is not None or module.lora_B[name].bias is not None
        if not (name in module.lora_variant or has_bias or base.weight.requires_grad):
            module.forward = partial(_forward, module, name)


def _forward(module: Any, name: str, x: Tensor) -> Tensor:
    """Of peft's Linear `module` with the adapter `name`."""
    if module.disable_adapters or module.merged:
        kept: Tensor = module.base_layer(x)
        return kept
    base, dropout = module.base_layer, module.lora_dropout[name]
    thinned = dropout(x) if module.training and getattr(dropout, "p", 0) else None
    weights = module.lora_A[name].weight, module.lora_B[name].weight
    y: Tensor = _function().apply(x, thinned, base.weight, base.bias, *weights, module.scaling[name])
    return y


@cache
def _function() -> Any:
    """A class, made once and after torch is wanted."""
    import torch

    class Lora(torch.autograd.Function):
        """x [..., in], the same after dropout (None: there is none), W [out, in], bias [out] or None, A [rank, in],
        B [out, rank], scale → [..., out]. No gradients by W and bias."""

        @staticmethod
        def forward(
            ctx: Any, x: Tensor, thinned: Tensor | None, weight: Tensor, bias: Any, a: Tensor, b: Tensor, scale: float
        ) -> Tensor:
            y = torch.nn.functional.linear(x, weight, bias)
            taken = x if thinned is None else thinned
            exact = torch.promote_types(y.dtype, torch.float32)
            low = a.to(exact) @ taken.reshape(-1, taken.shape[-1]).to(exact).t()  # [rank, positions]
            scaled = (b * scale).to(exact)
            out = y.view(-1, y.shape[-1])
            if y.dtype == exact:
                out.addmm_(low.t(), scaled.t())
            else:
                out.add_(low.t() @ scaled.t())
            ctx.save_for_backward(taken, low, weight, a, b)
            ctx.scale, ctx.is_thinned = scale, thinned is not None
            return y

        @staticmethod
        def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
            taken, low, weight, a, b = ctx.saved_tensors
            exact = low.dtype
            slope = upstream[0].reshape(-1, weight.shape[0])
            precise = slope.to(exact)
            down = (b * ctx.scale).to(exact).t() @ precise.t()  # [rank, positions]
            by_a = (down @ taken.reshape(-1, taken.shape[-1]).to(exact)).to(a.dtype)
            by_b = (low @ precise).to(b.dtype).mul_(ctx.scale).t()
            by_x = by_thinned = None
            if ctx.needs_input_grad[0]:
                by_x = slope @ weight
                if ctx.is_thinned:
                    by_thinned = (down.t() @ a.to(exact)).to(by_x.dtype).view(taken.shape)
                elif by_x.dtype == exact:
                    by_x.addmm_(down.t(), a.to(exact))
                else:
                    by_x.add_(down.t() @ a.to(exact))
                by_x = by_x.view(taken.shape)
            return by_x, by_thinned, None, None, by_a, by_b, None

    return Lora
