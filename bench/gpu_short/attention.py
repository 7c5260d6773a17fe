"""Attention to a shared prompt and inside segments, by torch's fused kernels and by the plain product.

The shape is that of a model of 8 billion weights: 32 heads of 128, 8 key heads. 64 questions of 128 tokens see a prompt
of 1,024 tokens, and each sees itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest import mock

from bench.gpu_short.operations import DTYPES, wait
from harness.backends.transformers.attention import kernels
from harness.backends.transformers.attention.kernels import Form, attend_all, attend_self, is_fused

HEADS, KEY_HEADS, WIDTH = 32, 8, 128
PROMPT, QUESTIONS, LENGTH = 1024, 64, 128  # tokens, questions, tokens of each
TIMES = 10


def figures(
    device: str = "cuda", prompt: int = PROMPT, questions: int = QUESTIONS, times: int = TIMES
) -> Iterator[dict[str, Any]]:
    """Of each dtype and part the seconds of both ways, and how far apart they are. `is_fused`: whether runs take the
    fused kernel; where they do not, both ways are the plain one."""
    import torch

    for name in DTYPES:
        dtype = getattr(torch, name)

        def random(*shape: int, dtype: Any = dtype) -> Any:
            return torch.randn(*shape, device=device, dtype=dtype)

        tokens, scale = questions * LENGTH, WIDTH**-0.5
        q, k, v = random(HEADS, tokens, WIDTH), random(KEY_HEADS, prompt, WIDTH), random(KEY_HEADS, prompt, WIDTH)
        own = [random(questions, heads, LENGTH, WIDTH) for heads in (HEADS, KEY_HEADS, KEY_HEADS)]
        parts: dict[str, Callable[[], Any]] = {
            "shared prompt": partial(attend_all, q, k, v, scale),
            "own tokens": partial(attend_self, own[0], own[1], own[2], Form(scale)),
        }
        for part, attend in parts.items():
            fused, seconds = _timed(attend, device, times)
            with mock.patch.object(kernels, "is_fused", return_value=False):
                plain, plain_seconds = _timed(attend, device, times)
            keys = prompt if part == "shared prompt" else (LENGTH + 1) / 2
            yield {
                "dtype": name,
                "part": part,
                "is_fused": is_fused(torch.device(device).type, dtype, WIDTH),
                "seconds": seconds,
                "plain_seconds": plain_seconds,
                "attention_operations_per_second": 4 * HEADS * tokens * keys * WIDTH / seconds,
                "largest_difference": max((a - b).abs().max().item() for a, b in zip(fused, plain, strict=True)),
            }


def _timed(attend: Callable[[], Any], device: str, times: int) -> tuple[Any, float]:
    """What it gives, and its seconds, the mean of `times`."""
    result = attend()
    wait(device)
    began = time.perf_counter()
    for _ in range(times):
        attend()
    wait(device)
    return result, (time.perf_counter() - began) / times
