"""Attention of short rows: that of torch's kernel with its gradients, and the kernel's own wherever it is not plain."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from harness.models.loading import load_model
from tests.tuning.models import small_base
from tuning.training import short_attention


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return small_base(tmp_path_factory.mktemp("base") / "model", num_attention_heads=4, num_key_value_heads=2)


@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_outputs_and_gradients_are_those_of_the_kernel(key_heads: int) -> None:
    import torch

    torch.manual_seed(0)
    shapes = [(3, heads, 7, 16) for heads in (4, key_heads, key_heads)]
    given = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    ours = short_attention._function().apply(*given, 0.3)
    kernel = torch.nn.functional.scaled_dot_product_attention(*given, is_causal=True, scale=0.3, enable_gqa=True)
    torch.testing.assert_close(ours, kernel)
    upstream = torch.randn_like(ours)
    found, expected = (torch.autograd.grad((out * upstream).sum(), given) for out in (ours, kernel))
    for gradient, of_kernel in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, of_kernel)


def test_bfloat16_is_about_as_far_from_float32_as_the_kernel_is(base: Any) -> None:
    import torch

    ids = torch.randint(5, 100, (4, 15), generator=torch.Generator().manual_seed(0))
    exact = load_model(base).requires_grad_(False)(input_ids=ids).logits
    narrow = load_model(base, "bfloat16").requires_grad_(False)
    of_kernel = narrow(input_ids=ids).logits.float()
    short_attention.installed(narrow)
    assert narrow.config._attn_implementation == short_attention.NAME
    ours = narrow(input_ids=ids).logits.float()
    assert not torch.equal(ours, of_kernel)
    assert float((ours - exact).norm()) < 1.3 * float((of_kernel - exact).norm())


@pytest.mark.parametrize("case", ["a mask", "longer rows", "a cache", "dropout", "short rows"])
def test_the_kernel_has_what_is_not_plain(case: str, base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    model = load_model(base, "bfloat16")
    width = model.config.hidden_size // model.config.num_attention_heads
    ids = torch.randint(5, 100, (2, 2 * width + (case == "longer rows")))
    options: dict[str, Any] = {}
    if case == "a mask":
        options["attention_mask"] = torch.ones_like(ids).index_fill(1, torch.tensor([0]), 0)
    if case == "a cache":
        options["past_key_values"] = model(input_ids=ids[:, :4], use_cache=True).past_key_values
        ids = ids[:, 4:]
    if case == "dropout":
        for layer in model.model.layers:
            layer.self_attn.attention_dropout = 0.5
        model.train()
    short_attention.installed(model)
    function = Mock(wraps=short_attention._function)
    monkeypatch.setattr(short_attention, "_function", function)
    model(input_ids=ids, **options)
    assert function.called == (case == "short rows")


def test_a_base_in_float32_keeps_the_kernel(base: Any) -> None:
    model = load_model(base)
    short_attention.installed(model)
    assert model.config._attn_implementation == "sdpa"
