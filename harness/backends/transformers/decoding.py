"""Choosing tokens and knowing when to stop, one row at a time and independent of the batch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.prompting import thinking
from harness.prompting.stops import Marked, Span
from harness.prompting.thinking import StoredText
from harness.types import Generate

if TYPE_CHECKING:
    import torch


class Output:
    """One row's generated tokens and text; watches for stop strings as they come. `opened`: the tag of a thought that
    the prompt leaves open."""

    def __init__(self, tokenizer: Any, prompt_ids: Sequence[int], request: Generate, opened: str = "") -> None:
        self.tokenizer, self.request, self.opened = tokenizer, request, opened
        self.sampling = request.sampling
        self.tokens: list[int] = []
        self.ended = False  # by an end token
        self._special = special_tokens(tokenizer)
        # a few of the prompt's tokens go in front: some decoders strip a text's first space
        self._tail = list(prompt_ids[-3:])
        self._ids = list(self._tail)  # without special tokens
        self._shown, self._read = 0, len(self._ids)
        self._text, self._plain = "", ""  # with special tokens, and without
        self._marks: list[Span] = []
        self._longest = max(map(len, request.stop), default=0)
        self._undecided = False
        self._random = random.Random(request.sampling.seed)
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
        if not self._longest:
            return False
        new = self._next(token)
        if not new:
            return False
        recent = -self._longest - len(new)
        if not self._undecided and not any(
            s in text[recent:] for s in self.request.stop if s for text in (self._text, self._plain)
        ):
            return False
        if not self.request.after_thinking:
            return True
        reading = thinking.read(Marked(self._text, tuple(self._marks)), self.request.stop, self.opened, ended=False)
        self._undecided = reading.undecided
        return reading.stopped

    def _next(self, token: int) -> str:
        """What a token adds to the text; "" while a character is not complete."""
        if token in self._special:
            new = self._special[token]
            self._marks.append((len(self._text), len(self._text) + len(new)))
        else:
            self._ids.append(token)
            before = self._decode(self._ids[self._shown : self._read])
            now = self._decode(self._ids[self._shown :])
            if len(now) <= len(before) or now.endswith("�"):
                return ""
            new = now[len(before) :]
            self._shown, self._read = self._read, len(self._ids)
            self._plain += new
        self._text += new
        return new

    def stored_text(self) -> StoredText:
        """The text of the tokens, up to its first stop string."""
        return thinking.stored_text(self.marked(), self.request, self.opened)

    def marked(self) -> Marked:
        """The text of the tokens with its special tokens. A token that ended it is one of these, whatever it is."""
        ids = self.tokens[:-1] if self.ended else self.tokens
        plain: list[int] = []
        strings: list[tuple[int, str]] = []  # (ordinary tokens before it, special token)
        for token in ids:
            if token in self._special:
                strings.append((len(plain), self._special[token]))
            else:
                plain.append(token)
        if self.ended:
            end = self.tokens[-1]
            strings.append((len(plain), self._special.get(end) or self.tokenizer.decode([end])))
        text = self._whole(plain)
        place = {0: 0, len(plain): len(text)}  # in the text, by ordinary tokens before it
        whole, marks, at = "", [], 0
        for before, string in strings:
            if before not in place:
                place[before] = max(at, min(len(self._whole(plain[:before]).rstrip("�")), len(text)))
            whole += text[at : place[before]]
            at = place[before]
            marks.append((len(whole), len(whole) + len(string)))
            whole += string
        return Marked(whole + text[at:], tuple(marks))

    def _whole(self, ids: Sequence[int]) -> str:
        before = self._decode(self._tail)
        whole = self._decode([*self._tail, *ids])
        return whole[len(before) :] if whole.startswith(before) else self._decode(ids)

    def _decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@lru_cache(maxsize=2)
def special_tokens(tokenizer: Any) -> dict[int, str]:
    """The tokens that vanish from a decoded text, with what they are written as."""
    return {token: added.content for token, added in tokenizer.added_tokens_decoder.items() if added.special}


def choose(logits: torch.Tensor, outputs: Sequence[Output], columns: torch.Tensor | None = None) -> list[int]:
    """The next token of each row. logits [rows, vocabulary], float32, or, where all rows are greedy, of the tokens
    `columns` alone, of the same shape. Temperature 0 takes the first maximum; otherwise the nucleus of probability
    top_p (Holtzman et al. 2020), by the row's own draw. Rows whose logits are not numbers are marked as broken (the
    maximum of such a row is NaN or infinite)."""
    import torch

    best = logits.argmax(dim=-1)
    sound = logits.gather(1, best[:, None])[:, 0].isfinite()
    if columns is not None:
        best = columns.gather(1, best[:, None])[:, 0]
    tokens, is_sound = torch.stack([best, sound.to(best.dtype)]).tolist()  # both at once: the device is waited for
    for output, finite in zip(outputs, is_sound, strict=True):
        output.broken = not finite
    rows = [i for i, o in enumerate(outputs) if o.sampling.temperature > 0 and not o.broken]
    if not rows:
        return tokens
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
