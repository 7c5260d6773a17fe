"""The likeliest tokens of greedy rows without all logits in float32: a product in bfloat16 finds which tokens can be
among the two likeliest, and only theirs is computed.

A large vocabulary makes the last product most of a step: of Gemma 3 270M's, 40 rows on one thread of an AMD EPYC
(Zen 4), 153 ms in float32, and 69 in bfloat16 with 8 ms to find the tokens, 2 to 70 a row. Which these are is certain
and no guess: each factor's rounding is at most 2^-8 of it, so that a logit is wrong by at most 2^-7 |h| |w| and its
own rounding (Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 3, and Cauchy-Schwarz).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.compat import computes_bfloat16, onednn_linear, onednn_order

if TYPE_CHECKING:
    import torch

LEAST_VOCABULARY = 2**14  # below it there is nothing to be gained
MOST = 256  # tokens a row, on average; with more, all logits are computed
BLOCK = 64  # tokens whose largest logit is found first
ROUNDING = 2**-8  # of bfloat16, relative


class GreedyHead:
    """Of a model that `can_have_one`. `tokens` [rows, columns]: which token each column of the last pass's logits is
    of; None where the columns are the whole vocabulary."""

    def __init__(self, model: Any) -> None:
        self.layer: torch.nn.Linear = model.get_output_embeddings()
        self.tokens: torch.Tensor | None = None
        self.checked = False  # that its logits are the model's own
        self._version = -1  # of the weight that is held
        self._weight: Any = None
        self._norm = 0.0  # the largest of a token's weights

    @contextmanager
    def instead(self) -> Iterator[None]:
        """While it lasts the model's last layer gives [..., rows, columns] of `tokens`, in the order of the vocabulary,
        the two likeliest among them. The last column has about the lowest of all logits, as have those of a row that
        has fewer tokens than another."""
        attributes = vars(self.layer)
        usual = attributes.get("forward")
        whole = usual or self.layer.forward
        attributes["forward"] = lambda hidden: self._likeliest(hidden, whole)
        try:
            yield
        finally:
            if usual is None:
                del attributes["forward"]
            else:
                attributes["forward"] = usual

    def _likeliest(self, hidden: torch.Tensor, whole: Any) -> torch.Tensor:
        import torch

        self.tokens = None
        weight = self.layer.weight
        if self._weight is None or self._version != weight._version:
            self._weight, self._version = onednn_order(weight.bfloat16()), weight._version
            self._norm = float(torch.linalg.vector_norm(weight, dim=1).max())
        rows = hidden.reshape(-1, hidden.shape[-1])
        about = onednn_linear(rows.bfloat16(), self._weight)
        lowest = about.amin(dim=1, keepdim=True).float()
        if odd := about.shape[1] % BLOCK:
            about = torch.nn.functional.pad(about, (0, BLOCK - odd), value=float("-inf"))
        blocks = about.view(len(rows), -1, BLOCK)
        tops = blocks.amax(dim=-1)
        # of two blocks: the second likeliest token is no less likely
        first, second = tops.float().topk(2).values.T
        product = (2 * ROUNDING + ROUNDING**2 + rows.shape[1] * 2**-23) * self._norm * rows.norm(dim=1)
        least = second - 2 * product - 2 * ROUNDING * (first.abs() + second.abs())
        row, block = (tops >= least[:, None]).nonzero(as_tuple=True)
        if len(row) > MOST * len(rows):
            return whole(hidden)
        near, place = (blocks[row, block] >= least[row][:, None]).nonzero(as_tuple=True)
        row, token = row[near], block[near] * BLOCK + place
        counts = torch.bincount(row, minlength=len(rows))
        if len(row) > MOST * len(rows) or int(counts.min()) < 2:  # no two: they are no numbers
            return whole(hidden)
        columns = int(counts.max())
        column = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]
        logits = lowest.repeat(1, columns + 1)
        logits[row, column] = (rows[row] * weight[token]).sum(dim=1)
        self.tokens = torch.zeros(len(rows), columns + 1, dtype=torch.long)
        self.tokens[row, column] = token
        return logits.view(*hidden.shape[:-1], columns + 1)

    def agrees(self, logits: torch.Tensor, whole: torch.Tensor, tolerance: float) -> bool:
        """Whether its logits are those of the whole vocabulary: models may do anything with what their last layer
        gives. logits [rows, columns] of `tokens`, whole [rows, vocabulary], `tolerance` relative to the largest."""
        assert self.tokens is not None
        allowed = tolerance * max(1.0, float(whole.abs().max()))
        two = whole.topk(2).values - logits.topk(2).values
        own = (whole.gather(1, self.tokens) - logits)[logits > logits.amin(dim=1, keepdim=True)]
        return bool(two.abs().max() <= allowed and own.abs().max() <= allowed)


def can_have_one(model: Any) -> bool:
    """Whether its last layer is a plain one in float32, of a large vocabulary, on a processor with products in
    bfloat16."""
    import torch

    if model.device.type != "cpu" or not computes_bfloat16():
        return False
    try:
        layer = model.get_output_embeddings()
    except (AttributeError, NotImplementedError):
        return False
    return (
        type(layer) is torch.nn.Linear
        and layer.bias is None
        and layer.weight.dtype == torch.float32
        and layer.weight.shape[0] >= LEAST_VOCABULARY
    )
