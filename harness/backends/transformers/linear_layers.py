"""Linear layers in float32 on a CPU by oneDNN.

torch computes them by Intel's MKL, which is slower on processors of other makers: on an AMD EPYC (Zen 4), one thread,
66 to 85 operations a nanosecond against oneDNN's 88 to 100. In halved types torch takes oneDNN itself.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

from harness.compat import onednn_linear

ROWS = 16  # tokens that go through at once, from which on it is quicker


def faster_linear(model: Any, tokens: int) -> AbstractContextManager[Any]:
    """A context in which torch.nn.functional.linear is oneDNN's, for a forward pass of `model` on `tokens` tokens
    without gradients; one that changes nothing where that would be no gain."""
    import torch

    if tokens < ROWS or model.device.type != "cpu" or model.dtype != torch.float32 or not _replaces_mkl():
        return nullcontext()
    return _mode()()


def _replaces_mkl() -> bool:
    import torch

    return bool(torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available())


@lru_cache
def _mode() -> Any:
    """The class, made when torch is there."""
    import torch
    from torch.overrides import TorchFunctionMode

    linear = torch.nn.functional.linear

    class OneDnnLinear(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is linear and not kwargs and all(map(_takes, args)):
                return onednn_linear(*args)
            return func(*args, **(kwargs or {}))

    return OneDnnLinear


def _takes(x: Any) -> bool:
    import torch

    return x is None or (
        type(x) in (torch.Tensor, torch.nn.Parameter)
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and x.layout == torch.strided
    )
