"""What is used of other libraries that their documentation does not promise; no other file of this package may."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def flash_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """torch's for CPUs: (out, log-sum-exp), which its public functions do not give together. Each [batch, heads, n, d],
    log-sum-exp [batch, heads, n]."""
    import torch

    op = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return op(q, k, v, 0.0, causal, scale=scale)


def load_lm_eval_yaml(path: Path, functions: bool = False) -> dict[str, Any]:
    """An lm-eval task's YAML file as lm-eval reads it, its functions imported or left as names. Any exception of
    PyYAML, OSError, or lm-eval's own for a file that includes one that is not there."""
    from lm_eval.tasks._yaml_loader import load_yaml

    return load_yaml(path, resolve_func=functions)


def bad_option(error: Exception) -> str | None:
    """The option that the command line gives a value that it does not take, where that is the error of Typer's."""
    from typer._click.exceptions import BadOptionUsage

    return error.option_name if isinstance(error, BadOptionUsage) else None
