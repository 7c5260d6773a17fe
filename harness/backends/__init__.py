"""Engines that answer requests: parts by name (harness/registry.py). `make` loads a model into one of them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from harness import registry
from harness.errors import UsageError
from harness.options.run_options import AUTO

if TYPE_CHECKING:
    from harness.options import BackendSettings, ResolvedModel
    from harness.types import Backend, BackendFactory


def make(wanted: str, model: ResolvedModel, settings: BackendSettings) -> tuple[Backend, list[str]]:
    """The backend of that name (see `choose`), and warnings about the checkpoint (an adapter is probed, and merged, on
    the way)."""
    load: BackendFactory = registry.load("backends", choose(wanted, model))
    return load(model, settings)


def choose(wanted: str, model: ResolvedModel) -> str:
    """What `auto` is: a server's address means `endpoint`; vLLM where it and a GPU are present; else transformers."""
    served = model.checkpoint.kind == "served"
    if wanted != AUTO:
        registry.check("backends", wanted, f", and {AUTO}, which chooses one")
    if served and wanted not in (AUTO, "endpoint"):
        raise UsageError(f"{model.address} is a server: --backend endpoint asks it (auto does so too).")
    if served:
        return "endpoint"
    if wanted == "endpoint":
        raise UsageError("--backend endpoint asks a server: --model http://host:port/v1 --served-name NAME.")
    if wanted != AUTO:
        return wanted
    return "vllm" if model.device == "cuda" and not model.load_in_4bit and find_spec("vllm") else "transformers"
