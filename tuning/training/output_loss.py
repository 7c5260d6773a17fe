"""The loss of responses from hidden states, a block of positions and words at a time.

All logits of a pass are never there at once: with a vocabulary of 262,144 those of 1,000 positions are 1 GB in float32,
and the loss reads and writes them several times. On a CPU a block stays in the processor's cache. The sum over the
vocabulary is kept relative to the largest logit so far (online softmax, Milakov and Gimelshein 2018, arXiv 1805.02867).
The gradient is computed with the loss, as the output embedding is frozen: that of position i's loss by its hidden state
h is (softmax(W h + b) - e[target]) W, and its first part is added up block by block like the sum.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

POSITIONS = 1024  # in a block, at most
CPU_LOGITS, GPU_LOGITS = 2**20, 2**25  # in a block: what a cache holds; what fills a GPU


def takes(head: Any) -> bool:
    """A frozen linear layer without an adapter."""
    import torch

    return type(head) is torch.nn.Linear and not any(p.requires_grad for p in head.parameters())


def nll(hidden: Tensor, head: Any, targets: Tensor) -> Tensor:
    """[targets] nats, float32 at least, of hidden states [targets, size] that go through `head` and nothing else."""
    import torch

    differentiate = torch.is_grad_enabled() and hidden.requires_grad
    with torch.no_grad():
        parts = [
            _of_positions(states, head, words, differentiate)
            for states, words in zip(hidden.detach().split(POSITIONS), targets.split(POSITIONS), strict=True)
        ]
    losses = torch.cat([loss for loss, _ in parts])
    if not differentiate:
        return losses
    return _function().apply(hidden, losses, torch.cat([slopes for _, slopes in parts]))


def _of_positions(hidden: Tensor, head: Any, targets: Tensor, differentiate: bool) -> tuple[Tensor, Tensor]:
    """Losses [positions], and their gradients by the hidden states, [positions, size] (not computed: empty)."""
    import torch

    exact = torch.promote_types(hidden.dtype, torch.float32)
    total = torch.full((len(hidden), 1), -torch.inf, dtype=exact, device=hidden.device)  # log of the sum so far
    of_target = torch.zeros_like(total)
    mean = torch.zeros(hidden.shape if differentiate else (0,), dtype=exact, device=hidden.device)
    words = max(1, (CPU_LOGITS if hidden.device.type == "cpu" else GPU_LOGITS) // max(1, len(hidden)))
    for begin in range(0, len(head.weight), words):
        weight = head.weight[begin : begin + words]
        bias = None if head.bias is None else head.bias[begin : begin + words]
        logits = torch.nn.functional.linear(hidden, weight, bias).to(exact)
        place = targets[:, None] - begin
        is_here = (place >= 0) & (place < len(weight))
        of_target = torch.where(is_here, logits.gather(-1, place.clamp(0, len(weight) - 1)), of_target)
        shares = logits.softmax(-1)
        own = logits.amax(-1, keepdim=True) - shares.amax(-1, keepdim=True).log()  # logsumexp takes two more passes
        before, total = total, torch.logaddexp(total, own)
        if differentiate:
            mean.mul_((before - total).exp_())
            mean.addcmul_((shares.to(hidden.dtype) @ weight).to(exact), (own - total).exp_())
    if differentiate:
        mean.sub_(head.weight[targets].to(exact))
    return (total - of_target)[:, 0], mean.to(hidden.dtype)


@cache
def _function() -> Any:
    """A class, made once and after torch is wanted."""
    import torch

    class Known(torch.autograd.Function):
        """Losses whose gradients by `hidden` are known."""

        @staticmethod
        def forward(ctx: Any, hidden: Tensor, losses: Tensor, gradients: Tensor) -> Tensor:
            ctx.save_for_backward(gradients)
            return losses.clone()

        @staticmethod
        def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
            (gradients,) = ctx.saved_tensors
            return (upstream[0][:, None].to(gradients.dtype) * gradients), None, None

    return Known
