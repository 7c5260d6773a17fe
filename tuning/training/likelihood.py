"""Negative log-likelihood of responses: total nats over total response tokens, whatever the batch.

The mean of per-batch means, which trainers report, shifts with the batch size; arXiv 2312.00949 compared losses
of two batch sizes. Logits are computed at the positions that predict a response token and nowhere else: with a
vocabulary of 128,000 the others are most of the memory and, in a small model, of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from harness.backends.limits import depends_on_length
from harness.prompting.row_tokens import Tokens
from tuning.training.encoded import ALIKE, Batch, batch, by_length
from tuning.training.memory import in_halves
from tuning.types import Likelihood

if TYPE_CHECKING:
    from torch import Tensor

ROWS_COMPARED = 4


def response_nll(model: Any, rows: Batch) -> Tensor:
    """[targets] nats, in float32 at least. `model` is a causal model of transformers, with an adapter or without.

    A hook before the output embedding keeps the positions that count, so whatever a model does to its logits
    afterwards (scales, caps) is done to these."""
    import torch

    def keep(_: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (given[0].reshape(1, -1, given[0].shape[-1])[:, rows.at], *given[1:])

    hook = model.get_output_embeddings().register_forward_pre_hook(keep)
    try:
        logits = model(input_ids=rows.ids, position_ids=rows.positions, use_cache=False).logits
    finally:
        hook.remove()
    exact = torch.promote_types(logits.dtype, torch.float32)
    return torch.nn.functional.cross_entropy(logits[0].to(exact), rows.targets, reduction="none")


def alike(model: Any) -> float:
    """What part of the longest row's length the others of a pass have at least: all of it, where a row's positions
    depend on the padded length."""
    return 1.0 if depends_on_length(model.config) else ALIKE


def likelihood(
    model: Any,
    rows: Sequence[Tokens],
    micro_batch: int = 16,
    packed: bool = False,
    on_rows: Callable[[int, int], None] = lambda done, tokens: None,
) -> tuple[Likelihood, int, int]:
    """Of the responses under `model` (in evaluation mode), with tokens that went through it and padding.

    `micro_batch` rows at a time, fewer where memory does not suffice; sums are in double precision.
    A row without a response token counts (0, 0). `on_rows` is told how many others are done, and their tokens."""
    import torch

    nats = torch.zeros(len(rows), dtype=torch.float64)
    device, done, tokens, padding = str(model.device), 0, 0, 0

    def run(at: Sequence[int]) -> tuple[Tensor, Batch]:
        made = batch([rows[index] for index in at], packed, device)
        with torch.inference_mode():
            return response_nll(model, made).double(), made

    for chunk in by_length(rows, micro_batch, 0.0 if packed else alike(model)):
        for at, (losses, made) in in_halves(chunk, run):
            nats[at] = torch.zeros(len(at), dtype=torch.float64).index_add(0, made.row.cpu(), losses.cpu())
            tokens += made.tokens
            padding += made.padding
            done += len(at)
            on_rows(done, tokens)
    by_row = tuple((value, row.responses) for value, row in zip(nats.tolist(), rows, strict=True))
    return Likelihood(float(nats.sum()), sum(row.responses for row in rows), by_row), tokens, padding


def packs(model: Any, rows: Sequence[Tokens]) -> bool:
    """Whether rows that are packed have the likelihood that they have alone; asked of a few, the shortest with a
    response. Some architectures let them see each other, or count their positions on."""
    import torch

    few = sorted((row for row in rows if row.responses), key=lambda row: len(row.ids))[:ROWS_COMPARED]
    training = model.training
    model.eval()
    try:
        alone, packed = (likelihood(model, few, size, size > 1)[0].rows for size in (1, ROWS_COMPARED))
    finally:
        model.train(training)
    allowed = 1e-4 if model.dtype in (torch.float32, torch.float64) else 5e-2
    return all(abs(a - b) <= allowed * tokens for (a, tokens), (b, _) in zip(alone, packed, strict=True))
