"""Linear layers by oneDNN give torch's numbers to rounding, and only where nothing else is asked."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backends.transformers import linear_layers
from harness.backends.transformers.linear_layers import ROWS, LinearLayers
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


def model(layer: Any, device: str = "cpu", dtype: str = "float32") -> Any:
    import torch

    whole = torch.nn.Sequential(layer)
    whole.device, whole.dtype = torch.device(device), getattr(torch, dtype)
    return whole


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_the_same_numbers(calls: list[tuple[int, ...]], monkeypatch, bias: bool, ordered: bool) -> None:
    import torch

    if not ordered:
        monkeypatch.setattr(linear_layers, "ORDERED_BYTES", 0)
    torch.manual_seed(0)
    layer = torch.nn.Linear(24, 40, bias=bias)
    layers = LinearLayers(model(layer))
    x = torch.randn(2, 30, 48)[..., ::2]  # a view
    with torch.inference_mode():
        wanted, few = layer(x), layer(x[:1, :3])
        with layers.faster():
            got, got_few = layer(x), layer(x[:1, :3])
        assert calls == [(2, 30, 24), *([(1, 3, 24)] if ordered else [])]
        assert torch.equal(layer(x), wanted), "afterwards torch's own"
    assert len(calls) == 1 + ordered
    torch.testing.assert_close(got, wanted, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(got_few, few, atol=1e-6, rtol=1e-6)


def test_a_weight_that_is_changed_in_place_is_read_again() -> None:
    import torch

    layer = torch.nn.Linear(24, 40)
    layers = LinearLayers(model(layer))
    x = torch.randn(ROWS, 24)
    with torch.no_grad():
        with layers.faster():
            layer(x)
        layer.weight.mul_(2.0)  # as a merged adapter does
        with layers.faster():
            torch.testing.assert_close(layer(x), torch.nn.functional.linear(x, layer.weight, layer.bias))


def test_an_error_leaves_torchs_own(calls: list[tuple[int, ...]]) -> None:
    import torch

    layer = torch.nn.Linear(8, 8)
    with pytest.raises(RuntimeError), torch.inference_mode(), LinearLayers(model(layer)).faster():
        layer(torch.ones(3, 5))
    calls.clear()
    layer(torch.ones(3, 8))
    assert calls == []


def test_what_is_no_float32_on_a_cpu_goes_its_usual_way(calls: list[tuple[int, ...]]) -> None:
    import torch

    layer = torch.nn.Linear(8, 8)
    with torch.inference_mode():
        for other in (model(layer, "meta"), model(layer, dtype="bfloat16")):
            with LinearLayers(other).faster():
                layer(torch.ones(ROWS, 8))
        double = torch.nn.Linear(8, 8).double()
        with LinearLayers(model(double)).faster():
            assert double(torch.ones(ROWS, 8).double()).dtype == torch.float64
        with LinearLayers(model(layer)).faster():
            layer.double()(torch.ones(ROWS, 8).double())
    assert calls == []
