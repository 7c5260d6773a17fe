"""Negative log-likelihood of responses: total nats over total response tokens, whatever the batch.

The mean of per-batch means, which trainers report, shifts with the batch size; arXiv 2312.00949 compared losses
of two batch sizes. Logits are computed at the positions that predict a response token and nowhere else: with a
vocabulary of 128,000 the others are most of the memory and, in a small model, of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from harness.backends.limits import depends_on_length
from harness.prompting.row_tokens import Tokens
from tuning.training import output_loss
from tuning.training.encoded import ALIKE, Batch, batch, by_length
from tuning.training.memory import in_halves, out_of_memory
from tuning.training.prefix_attention import PrefixSharing, sharing_of
from tuning.training.shared_prefixes import passes, shared_batch
from tuning.types import Likelihood

if TYPE_CHECKING:
    from torch import Tensor

ROWS_COMPARED = 4
ROWS_SEARCHED = 8  # the shortest, for those that begin alike
TARGETS_COMPARED = 16
_IN_BLOCKS: MutableMapping[Any, bool] = WeakKeyDictionary()  # by output embedding, once it was tried


def response_nll(model: Any, rows: Batch) -> Tensor:
    """[targets] nats, in float32 at least. `model` is a causal model of transformers, with an adapter or without.

    From hidden states in blocks, where that is this model's loss; from its own logits else."""
    head = model.get_output_embeddings()
    if not output_loss.takes(head):
        return _of_logits(model, rows)
    if head not in _IN_BLOCKS:
        _IN_BLOCKS[head] = _same(model, rows)
    return _of_hidden_states(model, rows) if _IN_BLOCKS[head] else _of_logits(model, rows)


def _of_logits(model: Any, rows: Batch) -> Tensor:
    """A hook before the output embedding keeps the positions that count, so whatever a model does to its logits
    afterwards (scales, caps) is done to these."""
    import torch

    with _at_output(model, lambda hidden: hidden.reshape(1, -1, hidden.shape[-1])[:, rows.at]):
        logits = model(input_ids=rows.ids, position_ids=rows.positions, use_cache=False).logits
    exact = torch.promote_types(logits.dtype, torch.float32)
    return torch.nn.functional.cross_entropy(logits[0].to(exact), rows.targets, reduction="none")


def _of_hidden_states(model: Any, rows: Batch) -> Tensor:
    """The model's own output embedding is given no position."""
    kept: list[Tensor] = []

    def take(hidden: Tensor) -> Tensor:
        kept.append(hidden.reshape(-1, hidden.shape[-1])[rows.at])
        return hidden[:, :0]

    with _at_output(model, take):
        model(input_ids=rows.ids, position_ids=rows.positions, use_cache=False)
    return output_loss.nll(kept[-1], model.get_output_embeddings(), rows.targets)


@contextmanager
def _at_output(model: Any, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """What comes to the output embedding is changed first."""
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, given: (change(given[0]), *given[1:]))
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Without dropout; in the mode that it had again afterwards."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _same(model: Any, rows: Batch) -> bool:
    """Whether logits are what the output embedding gives: some architectures scale or cap them, and fail without any.
    Asked of a few targets of the first row."""
    import torch

    few = torch.nonzero(rows.at < rows.ids.shape[1])[:TARGETS_COMPARED, 0]
    positions = None if rows.positions is None else rows.positions[:1]
    first = replace(rows, ids=rows.ids[:1], positions=positions, at=rows.at[few], targets=rows.targets[few])
    try:
        with _evaluating(model), torch.no_grad():
            logits, hidden_states = _of_logits(model, first), _of_hidden_states(model, first)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        if out_of_memory(error):
            raise
        return False
    allowed = 1e-4 if model.dtype in (torch.float32, torch.float64) else 2e-2
    return len(few) > 0 and bool(((logits - hidden_states).abs() <= allowed * (1 + logits.abs())).all())


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
    sharing: PrefixSharing | None = None,
) -> tuple[Likelihood, int, int]:
    """Of the responses under `model` (in evaluation mode), with the rows' tokens and padding.

    `micro_batch` rows at a time, fewer where memory does not suffice; sums are in double precision. With `sharing` of
    this model rows go through it that way.
    A row without a response token counts (0, 0). `on_rows` is told how many others are done, and their tokens."""
    import torch

    nats = torch.zeros(len(rows), dtype=torch.float64)
    device, done, tokens, padding = str(model.device), 0, 0, 0

    def run(at: Sequence[int]) -> tuple[Tensor, Batch]:
        given = [rows[index] for index in at]
        with torch.inference_mode():
            if sharing is None:
                made = batch(given, packed, device)
                return response_nll(model, made).double(), made
            made, segments = shared_batch(given, device)
            with sharing.over(segments):
                return response_nll(model, made).double(), made

    if sharing is None:
        chunks = by_length(rows, micro_batch, 0.0 if packed else alike(model))
    else:
        chunks = passes(rows, micro_batch)
    for chunk in chunks:
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
    with _evaluating(model):
        alone, packed = (likelihood(model, few, size, size > 1)[0] for size in (1, ROWS_COMPARED))
    return _alike_in_rows(alone, packed, 1e-4 if model.dtype in (torch.float32, torch.float64) else 5e-2)


def shares(model: Any, rows: Sequence[Tokens]) -> PrefixSharing | None:
    """How rows share their prefixes in this base, where they have the likelihood so that they have alone; asked of a
    few that begin alike."""
    sharing = sharing_of(model)
    if sharing is None:
        return None
    some = sorted((row for row in rows if row.responses), key=lambda row: len(row.ids))[:ROWS_SEARCHED]
    chosen = [some[at] for at in next(iter(passes(some, ROWS_COMPARED)), [])]
    with _evaluating(model):
        try:
            alone, shared = (likelihood(model, chosen, 1)[0], likelihood(model, chosen, sharing=sharing)[0])
        except Exception as error:  # a model may do anything with attention that is not its own
            if out_of_memory(error):
                raise
            return None
    return sharing if _alike_in_rows(alone, shared, 1e-4) else None


def _alike_in_rows(a: Likelihood, b: Likelihood, allowed: float) -> bool:
    """Up to `allowed` nats a token."""
    return all(abs(x - y) <= allowed * tokens for (x, tokens), (y, _) in zip(a.rows, b.rows, strict=True))
