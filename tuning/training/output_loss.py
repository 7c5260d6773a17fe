"""The loss of responses from hidden states, a block of positions at a time.

All logits of a pass are never there at once: with a vocabulary of 262,144 those of 1,000 positions are 1 GB in float32,
and the loss reads and writes them several times. A block's gradient is computed with its loss, as the output embedding
is frozen: that of position i's loss by its hidden state h is (softmax(W h + b) - e[target]) W.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

NUMBERS = 2**25  # logits at once; fewer would read the output embedding too often


def takes(head: Any) -> bool:
    """A frozen linear layer without an adapter."""
    import torch

    return type(head) is torch.nn.Linear and not any(p.requires_grad for p in head.parameters())


def nll(hidden: Tensor, head: Any, targets: Tensor) -> Tensor:
    """[targets] nats, float32 at least, of hidden states [targets, size] that go through `head` and nothing else."""
    import torch

    losses, gradients = _in_blocks(hidden.detach(), head, targets, torch.is_grad_enabled() and hidden.requires_grad)
    return losses if gradients is None else _function().apply(hidden, losses, gradients)


def _in_blocks(hidden: Tensor, head: Any, targets: Tensor, differentiate: bool) -> tuple[Tensor, Tensor | None]:
    import torch

    exact = torch.promote_types(hidden.dtype, torch.float32)
    losses = torch.empty(len(hidden), dtype=exact, device=hidden.device)
    gradients = torch.empty_like(hidden) if differentiate else None
    size = max(1, NUMBERS // len(head.weight))
    with torch.no_grad():
        for begin in range(0, len(hidden), size):
            part = slice(begin, begin + size)
            logits = head(hidden[part]).to(exact)
            target = targets[part, None]
            total = logits.logsumexp(-1, keepdim=True)
            losses[part] = (total - logits.gather(-1, target))[:, 0]
            if gradients is not None:
                slopes = logits.sub_(total).exp_()
                slopes.scatter_add_(-1, target, torch.full_like(total, -1.0))
                gradients[part] = slopes.to(hidden.dtype) @ head.weight
    return losses, gradients


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
