"""Choosing tokens and knowing when to stop, one row at a time and independent of the batch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.types import Sampling

if TYPE_CHECKING:
    import torch


class Output:
    """One row's generated tokens and text; watches for stop strings as they come."""

    def __init__(self, tokenizer: Any, prompt_ids: Sequence[int], stop: tuple[str, ...], sampling: Sampling) -> None:
        self.tokenizer = tokenizer
        # a few of the prompt's tokens go in front: some decoders strip a text's first space
        self._tail = list(prompt_ids[-3:])
        self._ids = list(self._tail)
        self._shown, self._read = 0, len(self._ids)
        self._text = ""
        self.stop = tuple(s for s in stop if s)
        self._longest = max((len(s) for s in self.stop), default=0)
        self.sampling = sampling
        self._random = random.Random(sampling.seed)
        self.tokens: list[int] = []
        self.ended = False  # by an end token
        self.broken = False  # by logits that are not numbers: there is no answer

    def uniform(self) -> float:
        return self._random.random()

    def push(self, token: int, end_ids: frozenset[int]) -> bool:
        """Take a token; True when the row is finished by it."""
        if self.broken:
            return True
        self.tokens.append(token)
        if token in end_ids:
            self.ended = True
            return True
        if not self.stop:
            return False
        self._ids.append(token)
        before = self._decode(self._ids[self._shown : self._read])
        now = self._decode(self._ids[self._shown :])
        if len(now) <= len(before) or now.endswith("�"):  # a character is not complete yet
            return False
        new = now[len(before) :]
        self._shown, self._read = self._read, len(self._ids)
        self._text = self._text[-self._longest :] + new
        return any(s in self._text for s in self.stop)

    def text(self) -> tuple[str, bool]:
        """The text before the first stop string, and whether there was one."""
        ids = self.tokens[:-1] if self.ended else self.tokens
        before = self._decode(self._tail)
        whole = self._decode(self._tail + ids)
        text = whole[len(before) :] if whole.startswith(before) else self._decode(ids)
        cuts = [at for s in self.stop if (at := text.find(s)) >= 0]
        return (text[: min(cuts)], True) if cuts else (text, False)

    def _decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def choose(logits: torch.Tensor, outputs: Sequence[Output]) -> list[int]:
    """The next token of each row. logits [rows, vocabulary], float32. Temperature 0 takes the first
    maximum; otherwise the nucleus of probability top_p (Holtzman et al. 2020), by the row's own draw. Rows whose
    logits are not numbers are marked as broken (the maximum of such a row is NaN or infinite)."""
    best = logits.argmax(dim=-1)
    for output, sound in zip(outputs, logits.gather(1, best[:, None])[:, 0].isfinite().tolist(), strict=True):
        output.broken = not sound
    tokens = best.tolist()
    rows = [i for i, o in enumerate(outputs) if o.sampling.temperature > 0]
    if not rows:
        return tokens
    import torch

    temperature = torch.tensor([outputs[i].sampling.temperature for i in rows], device=logits.device)
    top_p = torch.tensor([outputs[i].sampling.top_p for i in rows], device=logits.device, dtype=torch.float64)
    draws = torch.tensor([outputs[i].uniform() for i in rows], device=logits.device, dtype=torch.float64)
    probs, order = torch.softmax(logits[rows] / temperature[:, None], dim=-1).double().sort(dim=-1, descending=True)
    total = probs.cumsum(dim=-1)
    inside = (total - probs) < top_p[:, None]
    mass = (probs * inside).sum(dim=-1)
    picked = (total < (draws * mass)[:, None]).sum(dim=-1).minimum(inside.sum(dim=-1) - 1)
    for i, token in zip(rows, order.gather(1, picked[:, None])[:, 0].tolist(), strict=True):
        tokens[i] = token
    return tokens
