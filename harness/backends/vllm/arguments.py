"""What vLLM's engine is started with, and what a run's record tells of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from harness.options import OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.models.checkpoint import Checkpoint
    from harness.options import BackendSettings, ResolvedModel

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM makes room for


def arguments(path: Path, window: int, model: ResolvedModel, settings: BackendSettings) -> dict[str, Any]:
    """vLLM's AsyncEngineArgs for the checkpoint in `path`."""
    return {
        "model": str(path),
        "dtype": model.dtype,
        "trust_remote_code": model.checkpoint.remote_code,
        "max_model_len": window,
        "max_logprobs": -1,
        "enable_prefix_caching": True,
        "seed": 0,
        "use_tqdm_on_load": False,
        "disable_log_stats": False,
        "tensor_parallel_size": settings.tensor_parallel,
        "data_parallel_size": settings.data_parallel,
        **_executors(settings.tensor_parallel * settings.data_parallel, model.device),
        **({"gpu_memory_utilization": settings.gpu_memory} if settings.gpu_memory is not None else {}),
        **({"enforce_eager": True, "block_size": 32} if model.device == "cpu" else {}),
    }


def for_live(adapters: Iterable[Checkpoint]) -> dict[str, Any]:
    """Those for adapters that are served live, one at a time: the prefix cache keeps each one's blocks for itself, so
    that several at a time would share its room and find nothing more in it."""
    return {"enable_lora": True, "max_loras": 1, "max_lora_rank": max(_rank(adapter.path) for adapter in adapters)}


def recorded_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """What is recorded of them."""
    from importlib.metadata import version

    kept = ("tensor_parallel_size", "data_parallel_size", "distributed_executor_backend", "block_size")
    return {"vllm": version("vllm"), **{name: arguments[name] for name in kept if name in arguments}}


def device_name(device: str) -> str:
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{device} (vLLM)"


def _executors(workers: int, device: str) -> dict[str, Any]:
    """Ray's where the workers are more than this machine has devices (a Ray cluster must be running)."""
    if device == "cpu" or workers == 1:
        return {}
    import torch

    return (
        {"distributed_executor_backend": "ray", "data_parallel_backend": "ray"}
        if workers > torch.accelerator.device_count()
        else {}
    )


def _rank(adapter: Path) -> int:
    config = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
    if rank > RANKS[-1]:
        text = f": vLLM takes live adapters up to rank {RANKS[-1]}, and {adapter} has {rank}. Use merge."
        raise OptionError("lora", "live", text)
    return next(r for r in RANKS if r >= rank)
