"""A small base model for the study on real rows: python -m bench.training.base [--tokens N].

About 30 M parameters, trained from nothing on the text at hand: MMLU, BIG-Bench Hard, DROP, HumanEval, and the
Alpaca rows that `bench.training.real_study` does not use (nor near copies of those it uses). The tokenizer is trained
on the same text. It learns to write English of a kind and little else. Saved under .bench/base with base.json: loss on
held-out documents, and the unigram model's on the same tokens.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common import DATA, WORK, say
from data.benchmarks import load
from data.instruction_rows import sources
from data.instruction_split import PAPER_MIX, Splits, distinct, split
from data.instructions import prompt_of, response_of
from harness.tasks.bbh import Bbh
from harness.tasks.drop import Drop
from harness.tasks.humaneval import Humaneval
from harness.tasks.mmlu import Mmlu

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

FOLDER = WORK / "base"
SEED = 0
VOCABULARY = 8192
ROW, BATCH = 256, 2048  # tokens of a row, of a step
RATE = 1.5e-3
HELD_OUT = 40  # every so many documents, one
CHARACTERS = {"mmlu": 1_100_000, "bbh": 150_000, "drop": 80_000, "humaneval": 100_000, "alpaca": 10_000_000}
SHAPE = {
    "hidden_size": 512,
    "intermediate_size": 1536,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": False,
}


def study_splits() -> Splits:
    """The real study's rows, which the base never sees: the largest 70/30 mix."""
    return split(sources.load(DATA).rows, SEED, mix=PAPER_MIX)


def documents() -> tuple[list[str], list[str]]:
    """Texts to learn from and held-out ones, shuffled."""
    if not DATA.is_dir():
        raise SystemExit(f"The base is trained on real text, and {DATA} is not there.")
    splits = study_splits()
    used = {*splits.train, *splits.validation, *splits.test}
    spare = [row for row in distinct(sources.load(DATA).rows)[0] if row not in used and row.source == "alpaca"]
    kinds = {
        "mmlu": [
            f"{row['question']}\n"
            + "".join(f"{letter}. {c}\n" for letter, c in zip("ABCD", row["choices"], strict=True))
            for row in load(Mmlu.rows, DATA).splits["test"]
        ],
        "bbh": [f"{row['input']}\n{row['target']}\n" for row in load(Bbh.rows, DATA).splits["test"]],
        "drop": sorted({row["passage"] for row in load(Drop.rows, DATA).splits["test"]}),
        "humaneval": [row["prompt"] + row["canonical_solution"] for row in load(Humaneval.rows, DATA).splits["test"]],
        "alpaca": [prompt_of(row) + response_of(row) for row in spare],
    }
    rng, chosen = random.Random(SEED), []
    for kind, texts in kinds.items():
        rng.shuffle(texts)
        left = CHARACTERS[kind]
        for text in texts:
            if (left := left - len(text)) < 0:
                break
            chosen.append(text)
    rng.shuffle(chosen)
    return [t for n, t in enumerate(chosen) if n % HELD_OUT], chosen[::HELD_OUT]


def make_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def rows_of(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> torch.Tensor:
    """[rows, ROW + 1]: documents one after the other, each with BOS and EOS; the last row's rest is left out."""
    import torch

    ids = [token for one in tokenizer(texts)["input_ids"] for token in (*one, tokenizer.eos_token_id)]
    count = (len(ids) - 1) // ROW
    return torch.tensor(ids[: count * ROW + 1]).unfold(0, ROW + 1, ROW)


def loss_of(model: LlamaForCausalLM, rows: torch.Tensor) -> torch.Tensor:
    import torch

    logits = model(input_ids=rows[:, :-1], use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())


def unigram(train: torch.Tensor, held: torch.Tensor) -> float:
    """Loss of the unigram model of `train` (add-one smoothing) on `held`, nats a token."""
    seen, targets = Counter(train[:, 1:].flatten().tolist()), held[:, 1:].flatten().tolist()
    total = sum(seen.values()) + VOCABULARY
    return -sum(math.log((seen[token] + 1) / total) for token in targets) / len(targets)


def train(tokens: int | None, seconds: float) -> dict[str, Any]:
    """One pass over the text, or `tokens` of it; the rate falls with the passing of whatever ends first."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    texts, held_texts = documents()
    tokenizer = make_tokenizer(texts)
    rows, held = rows_of(tokenizer, texts), rows_of(tokenizer, held_texts)
    torch.manual_seed(SEED)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), bos_token_id=1, eos_token_id=2, **SHAPE))
    order = torch.randperm(len(rows))
    a_step = BATCH // ROW
    steps = len(order) // a_step if tokens is None else min(len(order) // a_step, tokens // BATCH)
    matrices = [p for p in model.parameters() if p.ndim == 2]
    vectors = [p for p in model.parameters() if p.ndim != 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95))
    began, step, done = time.perf_counter(), 0, 0.0
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 20) * (0.05 + 0.95 * (1 - done))
        loss = loss_of(model, rows[order[step * a_step : (step + 1) * a_step]])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        done = max(step / steps, (time.perf_counter() - began) / seconds)
        if step % 10 == 0:
            print(f"step {step}: loss {loss.item():.3f}, {done:.0%} done", flush=True)
    spent = time.perf_counter() - began
    model.eval()
    with torch.no_grad():
        losses = [loss_of(model, part).item() * len(part) for part in held.split(8)]
    summary = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokens": step * BATCH,
        "seconds": spent,
        "held_out_tokens": held[:, 1:].numel(),
        "held_out_loss": sum(losses) / len(held),
        "unigram_loss": unigram(rows, held),
    }
    save(model, tokenizer, summary)
    return summary


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, summary: dict[str, Any]) -> None:
    part = FOLDER.with_name(FOLDER.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    model.save_pretrained(part)
    tokenizer.save_pretrained(part)
    (part / "base.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(FOLDER, ignore_errors=True)
    part.replace(FOLDER)


def base() -> Path:
    """The folder of the trained base. SystemExit where it is not there: training takes a quarter of an hour."""
    if not (FOLDER / "base.json").is_file():
        raise SystemExit("There is no base yet. Train it first: python -m bench.training.base")
    return FOLDER


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the base of the study on real rows.")
    parser.add_argument("--tokens", type=int, help="training tokens at most (default: one pass over the text)")
    parser.add_argument("--minutes", type=float, default=15, help="time to train for, at most (default: %(default)s)")
    options = parser.parse_args()
    say(bench="base", **train(options.tokens, options.minutes * 60))


if __name__ == "__main__":
    main()
