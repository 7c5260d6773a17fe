"""What is used of other libraries that their documentation does not promise; no other file of this package may."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def fused_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """torch's of the tensors' device: (out, log-sum-exp), which its public functions do not give together. Each
    [batch, heads, n, d], log-sum-exp [batch, heads, n] in float32. RuntimeError where a device has none for this type
    or width."""
    import torch

    aten = torch.ops.aten
    if q.device.type == "cpu":
        return aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal, scale=scale)
    if q.dtype in (torch.float16, torch.bfloat16):
        out, lse = aten._scaled_dot_product_flash_attention(q, k, v, 0.0, causal, False, scale=scale)[:2]
    else:
        out, lse = aten._scaled_dot_product_efficient_attention(q, k, v, None, True, 0.0, causal, scale=scale)[:2]
    return out, lse[..., : q.shape[2]]  # kernels fill it up to whole blocks


def onednn_linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """torch.nn.functional.linear by oneDNN, without gradients; x [..., in], weight [out, in] as it is or of
    `onednn_order`. In float32 torch itself takes MKL."""
    import torch

    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def onednn_order(weight: torch.Tensor) -> torch.Tensor:
    """A copy of weight [out, in] in the order in which oneDNN's products read it, opaque to anything else."""
    import torch

    return torch.ops.mkldnn._reorder_linear_weight(weight)


def computes_bfloat16() -> bool:
    """Whether the processor itself has products in bfloat16; elsewhere they are slower than in float32."""
    import torch

    return torch.cpu._is_avx512_bf16_supported() and torch.backends.mkldnn.is_available()


def load_lm_eval_yaml(path: Path, functions: bool = False) -> dict[str, Any]:
    """An lm-eval task's YAML file as lm-eval reads it, its functions imported or left as names. Any exception of
    PyYAML, OSError, or lm-eval's own for a file that includes one that is not there."""
    from lm_eval.tasks._yaml_loader import load_yaml

    return load_yaml(path, resolve_func=functions)


def bad_option(error: Exception) -> str | None:
    """The option that the command line gives a value that it does not take, where that is the error of Typer's."""
    from typer._click.exceptions import BadOptionUsage

    return error.option_name if isinstance(error, BadOptionUsage) else None
