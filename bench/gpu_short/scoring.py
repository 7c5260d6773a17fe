"""MMLU through the transformers backend, and the same questions by plain forward passes.

The plain model is loaded a second time, so that our attention never touched it; each prompt goes through it whole and
alone. Of a question: the log-probabilities of " A" to " D".
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.gpu_short.operations import weights
from bench.mmlu import SUBJECTS
from harness.types import Choice

COMPARED = 30  # questions of each subject that are also asked plainly


def questions(data: Path | str, subjects: Sequence[str] = SUBJECTS) -> list[list[Choice]]:
    """Five-shot, of each subject."""
    from harness import tasks

    (loaded,) = tasks.load(
        ",".join(f"mmlu:{subject}" for subject in subjects), str(data), "standard", None, False, None
    )
    by_subject: dict[str, list[Choice]] = {subject: [] for subject in subjects}
    for item in loaded.task.items():
        if item.group in by_subject:
            by_subject[item.group] += [one for one in loaded.task.requests(item) if isinstance(one, Choice)]
    return list(by_subject.values())


def figures(
    model: Path | str, groups: Sequence[Sequence[Choice]], dtype: str, device: str = "cuda", compared: int = COMPARED
) -> Iterator[dict[str, Any]]:
    """Tokens a second first, then the comparison."""
    from harness.backends.transformers.backend import TransformersLM
    from harness.models.checkpoint import resolve
    from harness.models.loading import load_model, load_tokenizer

    checkpoint = resolve(str(model))
    tokenizer = load_tokenizer(checkpoint)
    backend = TransformersLM(load_model(checkpoint, dtype, device), tokenizer)
    asked = [question for group in groups for question in group]
    for _ in backend.answer(asked[:1]):  # kernels, caches
        pass
    before, began = backend.computed, time.perf_counter()
    answered = dict(pair for batch in backend.answer(asked) for pair in batch)
    seconds, computed = time.perf_counter() - began, backend.computed - before
    inside, output = weights(backend.model)
    yield {
        "dtype": dtype,
        "device": backend.info.device,
        "questions": len(asked),
        "prompt_tokens": sum(response.asked for response in answered.values()),
        "computed_tokens": computed,
        "seconds": seconds,
        "computed_tokens_per_second": computed / seconds,
        # of weights alone; attention comes on top
        "operations_per_second": 2 * (inside * computed + output * len(asked)) / seconds,
        "warnings": list(backend.warnings),
    }
    few: list[Choice] = []
    ours, at = [], 0
    for group in groups:
        few += group[:compared]
        ours += [answered[at + number].logprobs for number in range(len(group[:compared]))]
        at += len(group)
    began = time.perf_counter()
    plain = plain_logprobs(load_model(checkpoint, dtype, device), tokenizer, few)
    apart = [max(abs(a - b) for a, b in zip(one, other, strict=True)) for one, other in zip(ours, plain, strict=True)]
    yield {
        "dtype": dtype,
        "compared": len(few),
        "plain_seconds": time.perf_counter() - began,
        "largest_difference": max(apart),
        "other_letters": sum(_best(one) != _best(other) for one, other in zip(ours, plain, strict=True)),
    }


def plain_logprobs(model: Any, tokenizer: Any, asked: Sequence[Choice]) -> list[list[float]]:
    """Of each question's options, which are one token each."""
    import torch

    logprobs = []
    for question in asked:
        text = question.prompt.shared + question.prompt.own
        prompt = tokenizer.encode(text)
        options = [tokenizer.encode(text + option)[len(prompt) :] for option in question.options]
        if any(len(option) != 1 for option in options):
            raise ValueError(f"the options {question.options} are not one token each with this tokenizer")
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([prompt], device=model.device), logits_to_keep=1).logits[0, -1]
        logprobs.append(logits.float().log_softmax(-1)[[option[0] for option in options]].tolist())
    return logprobs


def _best(logprobs: Sequence[float]) -> int:
    return max(range(len(logprobs)), key=logprobs.__getitem__)
