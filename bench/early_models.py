"""Eight small models of growing skill on rows of MMLU and BBH, for `python -m bench.early`.

The first is `tiny`; each next one has been trained on more of the rows with their answers, at first on a few of
all, then on the shorter half again and again. So some pairs differ clearly, as a model and a broken one do, and
some hardly.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench import common

SHARES = (0.03, 0.08, 0.2, 0.5)  # of all rows, after which a model is kept
ROUNDS = (2, 4, 6)  # over the shorter half, after which one is kept
ROW_TOKENS = 4096  # in one batch
RATE = 1e-3
TINY = common.ROOT / "data" / "tiny"


def make(rows: Sequence[tuple[str, str]], out: Path) -> list[Path]:
    """The folders of the models that begin with `tiny`, in the order of what they have seen of `rows`: (prompt,
    answer)."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    model = AutoModelForCausalLM.from_pretrained(TINY, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    encoded = [_encode(tokenizer, *row) for row in rows]
    shuffled = random.Random(0).sample(encoded, len(encoded))
    shorter = sorted(encoded, key=lambda row: len(row[0]))[: len(encoded) // 2]
    kept: list[Path] = []

    def keep() -> None:
        folder = out / f"model-{len(kept) + 1}"
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        kept.append(folder)
        sys.stderr.write(f"{folder.name}\n")

    done = 0
    for share in SHARES:
        until = int(share * len(shuffled))
        _learn(model, optimizer, shuffled[done:until])
        done = until
        keep()
    for number in range(1, max(ROUNDS) + 1):
        _learn(model, optimizer, random.Random(number).sample(shorter, len(shorter)))
        if number in ROUNDS:
            keep()
    return kept


def _encode(tokenizer: Any, prompt: str, answer: str) -> tuple[list[int], int]:
    """Tokens, and how many of them are the prompt's."""
    before = tokenizer(prompt)["input_ids"]
    return [*before, *tokenizer(f" {answer}\n\n", add_special_tokens=False)["input_ids"]], len(before)


def _learn(model: Any, optimizer: Any, rows: Sequence[tuple[list[int], int]]) -> None:
    import torch

    model.train()
    for batch in _batches(rows):
        width = max(len(tokens) for tokens, _ in batch)
        ids = torch.tensor([tokens + [0] * (width - len(tokens)) for tokens, _ in batch])
        wanted = torch.full_like(ids, -100)
        for place, (tokens, before) in enumerate(batch):
            wanted[place, before : len(tokens)] = ids[place, before : len(tokens)]
        loss = model(input_ids=ids, labels=wanted).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    sys.stderr.write(f"{len(rows)} rows, loss {float(loss.detach()):.2f}\n")


def _batches(rows: Sequence[tuple[list[int], int]]) -> Iterator[list[tuple[list[int], int]]]:
    """Padded, at most ROW_TOKENS each."""
    batch: list[tuple[list[int], int]] = []
    for row in rows:
        if batch and (len(batch) + 1) * max(len(row[0]), *(len(tokens) for tokens, _ in batch)) > ROW_TOKENS:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
