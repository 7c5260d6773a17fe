"""Guesses at the next tokens of a greedy text, and which of them hold.

A text often repeats what stands in it or in its prompt (prompt lookup decoding: Saxena 2023, as a case of speculative
decoding, Leviathan et al. 2023). A guess goes through the model behind the row's last token, and is kept as far as the
model itself chooses it. What is kept is what one token at a time would have given: where the first two tokens are so
near that rounding might decide between them, nothing is read, and the token goes in again by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

MATCH = 3  # tokens that must stand earlier in the text
MOST = 16  # tokens of one guess
TRIED = 32  # guessed tokens from which on a row's guesses are judged
HELD = 0.4  # of a row's guessed tokens must have been right, or it guesses no more


class Guesser:
    """Of one row, from its prompt's tokens."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids = list(ids)
        self._ends: dict[tuple[int, ...], int] = {}  # where MATCH tokens ended last, other than at the text's end
        self._seen = MATCH - 1  # ends before this one are in `_ends`
        self.guessed = self.held = 0  # tokens

    def add(self, tokens: Sequence[int]) -> None:
        self._ids += tokens

    def guess(self, most: int) -> list[int]:
        """What came after the last place where the text's last tokens stand already: as many tokens as are alike
        before, and at most `most`."""
        if self.guessed >= TRIED and self.held < HELD * self.guessed:
            return []
        ids = self._ids
        for end in range(self._seen + 1, len(ids)):
            self._ends[tuple(ids[end - MATCH : end])] = end
        self._seen = max(self._seen, len(ids) - 1)
        last = self._ends.get(tuple(ids[-MATCH:]))
        if last is None:
            return []
        alike = MATCH
        while alike < min(most, MOST, last) and ids[last - alike - 1] == ids[len(ids) - alike - 1]:
            alike += 1
        return ids[last : last + min(alike, most, MOST)]

    def record(self, guessed: int, held: int) -> None:
        self.guessed += guessed
        self.held += held


@dataclass(frozen=True, slots=True)
class Kept:
    tokens: list[int]  # those that held, and the one that the model chooses after them
    doubtful: bool  # whether that one is missing: rounding might decide it, or logits are no numbers


def chosen(
    logits: torch.Tensor, guesses: Sequence[Sequence[int]], tolerance: float, columns: torch.Tensor | None = None
) -> list[Kept]:
    """What the model chooses, of each row as far as its guess holds. logits [tokens of the guesses, and one more a row,
    vocabulary], float32, or of the tokens `columns` alone, of the same shape; `tolerance` of logits, relative to a
    place's largest."""
    import torch

    best, column = logits.max(dim=-1)
    second = logits.scatter(1, column[:, None], float("-inf")).amax(dim=-1)
    largest = logits.abs().amax(dim=-1).clamp(min=1.0)
    tokens = column if columns is None else columns.gather(1, column[:, None])[:, 0]
    is_sure = best.isfinite() & (best - second > 2 * tolerance * largest)
    choices, sure = torch.stack([tokens, is_sure.to(tokens.dtype)]).tolist()  # both at once: the device is waited for
    kept, at = [], 0
    for guess in guesses:
        own = choices[at : at + len(guess) + 1]
        held = 0
        while held < len(guess) and own[held] == guess[held]:
            held += 1
        doubt = next((n for n in range(held + 1) if not sure[at + n]), None)
        kept.append(Kept(own[: held + 1 if doubt is None else doubt], doubt is not None))
        at += len(own)
    return kept
