"""Linear layers by oneDNN give torch's numbers to rounding, and only where nothing else is asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.backends.transformers import linear_layers
from harness.backends.transformers.linear_layers import ROWS, faster_linear
from harness.compat import onednn_linear


@pytest.fixture
def calls(monkeypatch) -> list[tuple[int, ...]]:
    """Shapes of what went through oneDNN."""
    shapes: list[tuple[int, ...]] = []

    def counted(x: Any, *others: Any) -> Any:
        shapes.append(tuple(x.shape))
        return onednn_linear(x, *others)

    monkeypatch.setattr(linear_layers, "onednn_linear", counted)
    return shapes


def model(device: str = "cpu", dtype: str = "float32") -> Any:
    import torch

    return SimpleNamespace(device=torch.device(device), dtype=getattr(torch, dtype))


@pytest.mark.parametrize("bias", [True, False])
def test_the_same_numbers(calls: list[tuple[int, ...]], bias: bool) -> None:
    import torch

    torch.manual_seed(0)
    layer = torch.nn.Linear(24, 40, bias=bias)
    x = torch.randn(2, 30, 48)[..., ::2]  # a view
    with torch.inference_mode():
        wanted = layer(x)
        with faster_linear(model(), 60):
            got = layer(x)
        assert calls == [(2, 30, 24)]
        assert torch.equal(layer(x), wanted), "afterwards torch's own"
    assert len(calls) == 1
    torch.testing.assert_close(got, wanted, atol=1e-6, rtol=1e-6)


def test_what_is_no_float32_on_a_cpu_goes_its_usual_way(calls: list[tuple[int, ...]]) -> None:
    import torch

    layer = torch.nn.Linear(8, 8).double()
    with torch.inference_mode(), faster_linear(model(), 60):
        assert layer(torch.ones(3, 8).double()).dtype == torch.float64
    float32 = torch.nn.Linear(8, 8)
    for other in (model("meta"), model(dtype="bfloat16")):
        with torch.inference_mode(), faster_linear(other, 60):
            float32(torch.ones(3, 8))
    with torch.inference_mode(), faster_linear(model(), ROWS - 1):
        float32(torch.ones(3, 8))
    assert calls == []
