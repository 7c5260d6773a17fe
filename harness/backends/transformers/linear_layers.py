"""Linear layers in float32 on a CPU by oneDNN, their weights once in the order in which it reads them.

torch computes them by Intel's MKL, which is slower on processors of other makers and with few rows: on an AMD EPYC
(Zen 4), one thread, operations a nanosecond of products with 640 x 2,048 and 384 x 32,000 weights, MKL's, oneDNN's with
weights as torch has them, and with weights in its own order:

    rows    640 x 2,048        384 x 32,000
       1    27    31    31      5     5     5
       4    42    45    88     11    15    31
       8    60    62   100     19    25    45
      16    75    82   107     28    39    69
     128    82    94   101     62    88   102
    1024    65   102   105     66    70    77

In halved types torch takes oneDNN itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.compat import onednn_linear, onednn_order

if TYPE_CHECKING:
    import torch

ROWS = 16  # from which on a product with weights as torch has them is quicker
ORDERED_BYTES = 2**32  # weights of a model, at most, that are held in oneDNN's order too


class LinearLayers:
    """Those of a model. A weight that torch changes in place is read again; a change of its memory by other means goes
    unseen, so that who makes one begins with a new object."""

    def __init__(self, model: Any) -> None:
        import torch

        self._layers: list[tuple[dict[str, Any], Callable[[torch.Tensor], torch.Tensor]]] = []
        if model.device.type != "cpu" or model.dtype != torch.float32 or not _replaces_mkl():
            return
        orders = sum(p.numel() * p.element_size() for p in model.parameters()) <= ORDERED_BYTES
        for module in model.modules():
            if type(module) is torch.nn.Linear and _takes(module.weight) and _takes(module.bias):
                self._layers.append((vars(module), _Ordered(module) if orders else _AsIs(module)))

    @contextmanager
    def faster(self) -> Iterator[None]:
        """While it lasts the model's linear layers are oneDNN's, for passes without gradients."""
        for attributes, forward in self._layers:
            attributes["forward"] = forward
        try:
            yield
        finally:
            for attributes, _ in self._layers:
                del attributes["forward"]


class _AsIs:
    """A layer's forward pass, with its weight as torch has it."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        self.layer = layer

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        weight, bias = self.layer.weight, self.layer.bias
        if x.numel() >= ROWS * x.shape[-1] and _takes(x):
            return onednn_linear(x, weight, bias)
        return torch.nn.functional.linear(x, weight, bias)


class _Ordered:
    """A layer's forward pass, with its weight in oneDNN's order, in which it is put at the first pass."""

    def __init__(self, layer: torch.nn.Linear) -> None:
        self.layer = layer
        self.version = -1  # of the weight that is held
        self.weight: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        weight, bias = self.layer.weight, self.layer.bias
        if not _takes(x):
            return torch.nn.functional.linear(x, weight, bias)
        if self.weight is None or self.version != weight._version:
            self.weight, self.version = onednn_order(weight), weight._version
        return onednn_linear(x, self.weight, bias)


def _replaces_mkl() -> bool:
    import torch

    return bool(torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available())


def _takes(x: Any) -> bool:
    import torch

    return x is None or (
        type(x) in (torch.Tensor, torch.nn.Parameter)
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and x.layout == torch.strided
    )
