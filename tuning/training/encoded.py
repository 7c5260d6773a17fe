"""Instruction rows as tokens, and the batches that go through a model.

Rows are padded at the right, where causal attention never looks, so no mask is needed; or packed: one after the
other in one row whose positions start anew, which transformers turns into block-diagonal attention (and
FlashAttention's variable lengths where that is in use). Padded is the quicker on a CPU, because rows of a like
length stand together: little padding, and no mask to build or to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.instructions import Instruction, prompt_of, response_of
from harness.prompting.control_tokens import ControlTokens

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

ALIKE = 0.8  # so padding is a fifth at most, and a tenth or so of what is computed
IGNORED = 0  # the token that pads: any will do, nothing attends to it


@dataclass(frozen=True, slots=True)
class Tokens:
    ids: tuple[int, ...]  # prompt, response, end token
    response: int  # where the response begins; len(ids) where no part of it fitted

    @property
    def responses(self) -> int:
        return len(self.ids) - self.response


@dataclass(frozen=True, slots=True)
class Batch:
    ids: Tensor  # [rows, length], or [1, all tokens] where packed
    positions: Tensor | None  # like ids, where packed
    at: Tensor  # [targets] places in the flattened ids whose next token is a target
    targets: Tensor  # [targets] response tokens
    row: Tensor  # [targets] the row of each
    tokens: int  # not padding
    padding: int


def encode(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Instruction], max_tokens: int
) -> tuple[list[Tokens], list[str]]:
    """Each row in the Alpaca template with its end token, cut at `max_tokens`, and warnings.

    Prompt and response are tokenised together, as at inference a response continues its prompt; the response
    begins with the first token that reaches into it. Names of control tokens in a row are text, and tokenised as text
    (harness/prompting/control_tokens.py):
    the one BOS is the tokenizer's, the one end token is that behind the response."""
    if not rows:
        return [], []
    prompts = [prompt_of(row) for row in rows]
    texts = [prompt + response_of(row) for prompt, row in zip(prompts, rows, strict=True)]
    control = ControlTokens(tokenizer)
    encodings = tokenizer(texts, return_offsets_mapping=True)
    as_text = 0
    ends = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    encoded, cut = [], 0
    tokenised = zip(encodings["input_ids"], encodings["offset_mapping"], strict=True)
    for prompt, text, (ids, offsets) in zip(prompts, texts, tokenised, strict=True):
        if control.misread(text, ids, control.added):
            as_text += 1
            again = control.encode(text)
            ids, offsets = again.ids, again.offsets
        begin = next((at for at, (_, end) in enumerate(offsets) if end > len(prompt)), len(offsets))
        whole = [*ids, *ends] if ids[-1:] != ends else ids
        cut += len(whole) > max_tokens
        encoded.append(Tokens(tuple(whole[:max_tokens]), min(begin, max_tokens)))
    warnings = [] if not cut else [f"{cut} of {len(rows)} rows are longer than {max_tokens} tokens and are cut there."]
    if empty := sum(not one.responses for one in encoded):
        warnings.append(f"Of {empty} of {len(rows)} rows no response token is left; they count for nothing.")
    if as_text:
        warnings.append(
            f"{as_text} of {len(rows)} rows have names of control tokens in their text; they are trained as text."
        )
    if not ends:
        warnings.append("The tokenizer has no end token; responses end without one.")
    return encoded, warnings


def by_length(rows: Sequence[Tokens], most: int, alike: float = ALIKE) -> list[list[int]]:
    """Indices of rows that have a response in micro-batches of at most `most` rows, none shorter than `alike` of its
    longest. Longest first, so that memory runs out at once or not at all."""
    order = sorted((at for at in range(len(rows)) if rows[at].responses), key=lambda at: -len(rows[at].ids))
    chunks: list[list[int]] = []
    for at in order:
        if chunks and len(chunks[-1]) < most and len(rows[at].ids) >= alike * len(rows[chunks[-1][0]].ids):
            chunks[-1].append(at)
        else:
            chunks.append([at])
    return chunks


def batch(rows: Sequence[Tokens], packed: bool, device: str) -> Batch:
    """Rows that go through the model together."""
    import torch

    lengths = [len(row.ids) for row in rows]
    width = max(lengths)
    if packed:
        starts = [sum(lengths[:at]) for at in range(len(rows))]
        ids = torch.tensor([token for row in rows for token in row.ids])[None]
        positions = torch.cat([torch.arange(length) for length in lengths])[None].to(device)
    else:
        starts = [at * width for at in range(len(rows))]
        ids = torch.tensor([[*row.ids, *[IGNORED] * (width - len(row.ids))] for row in rows])
        positions = None
    at = [start + place - 1 for start, row in zip(starts, rows, strict=True) for place in _targets(row)]
    return Batch(
        ids.to(device),
        positions,
        torch.tensor(at, device=device),
        torch.tensor([row.ids[place] for row in rows for place in _targets(row)], device=device),
        torch.tensor([number for number, row in enumerate(rows) for _ in _targets(row)], device=device),
        sum(lengths),
        0 if packed else width * len(rows) - sum(lengths),
    )


def _targets(row: Tokens) -> range:
    return range(max(1, row.response), len(row.ids))
