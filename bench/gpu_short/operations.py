"""Floating-point operations: how many a card does at its best, and how many a model takes for a token."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from harness.compat import onednn_linear

SIZE, TIMES = 8192, 40  # of the square matrices; products that are timed together
DTYPES = ("bfloat16", "float32")


def figures(device: str = "cuda", size: int = SIZE, times: int = TIMES) -> Iterator[dict[str, Any]]:
    """Of each dtype the operations a second of large matrix products, the best of three rounds; on a CPU of torch's own
    product and of oneDNN's."""
    import torch

    products: list[Any] = [torch.matmul]
    if device == "cpu" and torch.backends.mkldnn.is_available():
        products.append(onednn_linear)
    for name in DTYPES:
        left, right = (torch.randn(size, size, device=device, dtype=getattr(torch, name)) for _ in range(2))
        seconds = []
        for product in products:
            product(left, right)
            for _ in range(3):
                wait(device)
                began = time.perf_counter()
                for _ in range(times):
                    product(left, right)
                wait(device)
                seconds.append(time.perf_counter() - began)
        yield {"dtype": name, "peak_operations_per_second": 2 * size**3 * times / min(seconds)}


def wait(device: str) -> None:
    """Until the card has done what it was given."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()


def weights(model: Any) -> tuple[int, int]:
    """Weights that every token goes through (no embedding), and those of the output embedding."""
    outside = {id(e.weight) for e in (model.get_input_embeddings(), model.get_output_embeddings())}
    inside = sum(p.numel() for p in model.parameters() if id(p) not in outside)
    return inside, model.get_output_embeddings().weight.numel()
