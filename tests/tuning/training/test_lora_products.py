"""LoRA's products: those of peft, with its gradients, in every way that a layer is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.models.checkpoint import Checkpoint
from harness.models.loading import load_model
from tests.tuning.models import hyper, small_base
from tuning.training import lora_products
from tuning.training.adapters import adapted
from tuning.types import Hyperparameters

IDS = [[3, 5, 7, 9, 11], [4, 6, 8, 10, 12]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return small_base(tmp_path_factory.mktemp("base") / "model")


def computed(
    model: Any, one: Hyperparameters, base: Checkpoint, way: Callable[[Any], None], spread: float = 0.5
) -> tuple[Any, dict[str, Any]]:
    """Logits and gradients by A and B, B no longer zero; `way` prepares the model."""
    import torch

    with adapted(model, one, base, 0) as live:
        for name, parameter in live.named_parameters():
            if ".lora_B." in name:
                torch.nn.init.normal_(parameter, std=spread)
        live.train()
        way(live)
        torch.manual_seed(1)
        logits = live(input_ids=torch.tensor(IDS)).logits
        logits.float().pow(2).mean().backward()
        return logits.detach(), {n: p.grad for n, p in live.named_parameters() if p.grad is not None}


def as_peft(live: Any) -> None:
    """Without our products."""
    from peft.tuners.lora.layer import Linear

    layers = [module for module in live.modules() if isinstance(module, Linear)]
    ours = [vars(module).pop("forward", None) for module in layers]
    assert all(ours)


def same(model: Any, one: Hyperparameters, base: Checkpoint, tolerance: float) -> None:
    import torch

    logits, gradients = computed(model, one, base, lambda live: None)
    expected, expected_gradients = computed(model, one, base, as_peft)
    torch.testing.assert_close(logits, expected, rtol=tolerance, atol=tolerance)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        assert gradient.dtype == torch.float32
        difference = float((gradient - expected_gradients[name]).norm())
        assert difference <= tolerance * float(expected_gradients[name].norm()), name


@pytest.mark.parametrize(
    "one",
    [
        hyper(4),
        hyper(4, dropout=0.4),
        hyper(8, rslora=True, target_modules=("q_proj", "k_proj", "o_proj", "down_proj")),
    ],
    ids=["plain", "dropout", "other layers"],
)
def test_losses_and_gradients_are_those_of_peft(base: Checkpoint, one: Hyperparameters) -> None:
    same(load_model(base).requires_grad_(False), one, base, 1e-5)


def test_layers_with_a_bias_and_activations_computed_again(tmp_path: Path) -> None:
    base = small_base(tmp_path / "model", attention_bias=True)
    model = load_model(base).requires_grad_(False)
    assert model.model.layers[0].self_attn.q_proj.bias is not None
    model.gradient_checkpointing_enable({"use_reentrant": False})
    same(model, hyper(4), base, 1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 0.1), ("float16", 1e-2)])
def test_narrow_types_to_their_rounding(base: Checkpoint, dtype: str, tolerance: float) -> None:
    same(load_model(base, dtype).requires_grad_(False), hyper(4), base, tolerance)


@pytest.mark.parametrize("deviation", [0.02, 0.5])  # of B, as some hundred steps make it; of a high learning rate
def test_bfloat16_is_about_as_far_from_float32_as_peft_is(base: Checkpoint, deviation: float) -> None:
    import torch

    exact = computed(load_model(base).requires_grad_(False), hyper(16), base, as_peft, deviation)[1]
    narrow = load_model(base, "bfloat16").requires_grad_(False)
    off = []
    for way in (lambda live: None, as_peft):
        gradients = computed(narrow, hyper(16), base, way, deviation)[1]
        off.append(float(torch.cat([(gradients[name] - exact[name]).flatten() for name in exact]).norm()))
    assert off[0] < 1.3 * off[1]


def test_an_adapter_that_is_switched_off_adds_nothing(base: Checkpoint) -> None:
    import torch

    model = load_model(base).requires_grad_(False)
    bare = model(input_ids=torch.tensor(IDS)).logits
    with adapted(model, hyper(4), base, 0) as live:
        for name, parameter in live.named_parameters():
            if ".lora_B." in name:
                torch.nn.init.normal_(parameter, std=0.5)
        assert not torch.allclose(live(input_ids=torch.tensor(IDS)).logits, bare)
        with live.disable_adapter():
            torch.testing.assert_close(live(input_ids=torch.tensor(IDS)).logits, bare)


def test_layers_that_peft_computes_otherwise_stay_its_own(base: Checkpoint) -> None:
    from peft.tuners.lora.layer import Linear

    model = load_model(base).requires_grad_(False)
    with adapted(model, hyper(4, dora=True), base, 0) as live:
        layers = [module for module in live.modules() if isinstance(module, Linear)]
        assert layers
        assert not any("forward" in vars(module) for module in layers)
    with adapted(model, hyper(4), base, 0) as live:
        lora_products.install(live)
        assert all("forward" in vars(module) for module in live.modules() if isinstance(module, Linear))
