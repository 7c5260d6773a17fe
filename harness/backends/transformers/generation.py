"""Generating the texts of rows whose prompts have been computed, all of them together, until each has ended."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.backends.transformers.decoding import Output, choose
from harness.backends.transformers.engines import Decoder, SharedEngine
from harness.backends.transformers.guessing import Guesser, chosen
from harness.backends.transformers.plain_engine import CachedDecoder, PlainDecoder, PlainEngine
from harness.backends.transformers.self_check import tolerance
from harness.models.rounding import MOST

if TYPE_CHECKING:
    import torch

    from harness.backends.transformers.prefix_tree import Segment

# tokens of one step, with guesses. On a CPU (AMD EPYC, one thread, Gemma 3 270M, weights in oneDNN's order) the product
# with the vocabulary takes 36 ms for 4 tokens, 47 for 8, 66 for 16, 160 for 40. With 16 and 24, ten rows of HumanEval
# took 31 and 30 s of the processor, and 29 s without guesses: rows that repeat themselves ended sooner, others did not.
STEP_TOKENS = {"cpu": 8}
STEP_TOKENS_ELSEWHERE = 256  # as many as the most rows


@dataclass(slots=True, eq=False)
class _Going:
    """A row that generates."""

    output: Output
    most: int  # tokens
    guesser: Guesser | None  # of greedy rows
    alone: bool = False  # its next token goes in without a guess

    def push(self, tokens: Sequence[int], end_ids: frozenset[int]) -> bool:
        """Take tokens up to the one that ends the text; True when it has ended."""
        for n, token in enumerate(tokens):
            if self.output.push(token, end_ids) or len(self.output.tokens) >= self.most:
                return True
            if self.guesser is not None:
                self.guesser.add(tokens[n : n + 1])
        return False


def generate(
    engine: SharedEngine | PlainEngine,
    leaves: list[Segment],
    outputs: list[Output],
    logits: torch.Tensor,
    end_ids: frozenset[int],
) -> None:
    """Fill `outputs`, those of `leaves`, whose own segments are in memory; `logits` [rows, vocabulary] are theirs. What
    the leaves' memory holds is gone afterwards."""
    device = logits.device.type
    step_tokens = STEP_TOKENS.get(device, STEP_TOKENS_ELSEWHERE) if isinstance(engine, SharedEngine) else 0
    rows = []
    for segment, output in zip(leaves, outputs, strict=True):
        assert segment.row is not None
        greedy = output.sampling.temperature == 0
        rows.append(_Going(output, segment.row.new, Guesser(segment.row.ids) if step_tokens and greedy else None))
    allowed = MOST * tolerance(engine.model)  # the most that the self-check takes for rounding
    decoder = None
    tokens = [[token] for token in choose(logits, outputs)]
    while True:
        going = [n for n, row in enumerate(rows) if not row.push(tokens[n], end_ids)]
        if not going:
            for segment in leaves:
                segment.memory = None
            return
        if decoder is None:
            decoder = engine.decode(leaves)
        if len(going) < len(rows):
            decoder.keep(going)
            rows = [rows[n] for n in going]
        guesses = _guesses(rows, step_tokens)
        tokens = _step(decoder, rows, guesses, allowed)


def _guesses(rows: Sequence[_Going], step_tokens: int) -> list[list[int]]:
    """Of each row a guess at what comes after its next token; rows that are the furthest from their end come first."""
    guesses: list[list[int]] = [[] for _ in rows]
    room = step_tokens - len(rows)
    for n in sorted(range(len(rows)), key=lambda n: len(rows[n].output.tokens)):
        row = rows[n]
        most = min(room, row.most - len(row.output.tokens) - 1)
        if most > 0 and row.guesser is not None and not row.alone:
            guesses[n] = row.guesser.guess(most)
            room -= len(guesses[n])
        row.alone = False
    return guesses


def _step(
    decoder: Decoder | PlainDecoder | CachedDecoder,
    rows: Sequence[_Going],
    guesses: Sequence[list[int]],
    allowed: float,
) -> list[list[int]]:
    """The next tokens of each row, of one forward pass."""
    outputs = [row.output for row in rows]
    last = [output.tokens[-1] for output in outputs]
    if not isinstance(decoder, Decoder):
        return [[token] for token in choose(decoder.step(last), outputs)]
    feed = [[token, *guess] for token, guess in zip(last, guesses, strict=True)]
    columns = None  # which token each column of the logits is of; None: the vocabulary
    if all(output.sampling.temperature == 0 for output in outputs):
        logits, columns = decoder.feed_greedy(feed)
    else:
        logits = decoder.feed(feed)
    if not any(guesses):
        decoder.advance([1] * len(rows))
        return [[token] for token in choose(logits, outputs, columns)]
    starts = list(itertools.accumulate((1 + len(guess) for guess in guesses), initial=0))
    tokens: list[list[int]] = [[] for _ in rows]
    plain = [n for n, guess in enumerate(guesses) if not guess]
    if plain:
        at = [starts[n] for n in plain]
        choices = choose(logits[at], [outputs[n] for n in plain], None if columns is None else columns[at])
        for n, token in zip(plain, choices, strict=True):
            tokens[n] = [token]
    guessed = [n for n, guess in enumerate(guesses) if guess]
    places = [place for n in guessed for place in range(starts[n], starts[n + 1])]
    of_guesses = None if columns is None else columns[places]
    held = chosen(logits[places], [guesses[n] for n in guessed], allowed, of_guesses)
    for n, kept in zip(guessed, held, strict=True):
        tokens[n], rows[n].alone = kept.tokens, kept.doubtful
        guesser = rows[n].guesser
        assert guesser is not None
        guesser.record(len(guesses[n]), len(kept.tokens) - (not kept.doubtful))
    decoder.advance([len(own) for own in tokens])
    return tokens
