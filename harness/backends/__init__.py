"""Engines that answer requests: parts by name (harness/registry.py). `make` loads a plan's checkpoint into one."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from harness import registry
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.evaluation.planning import Plan
    from harness.types import Backend

AUTO = "auto"


def names() -> list[str]:
    """What --backend may say."""
    return [AUTO, *registry.names("backends")]


def make(plan: Plan) -> tuple[Backend, list[str]]:
    """The backend, and warnings about the checkpoint (an adapter is probed, and merged, on the way)."""
    made: tuple[Backend, list[str]] = registry.load("backends", choose(plan))(plan)
    return made


def choose(plan: Plan) -> str:
    """What `auto` is: a server's address means `endpoint`; vLLM where it and a GPU are present; else transformers."""
    wanted, served = plan.options.backend, plan.checkpoint.kind == "served"
    if wanted != AUTO:
        registry.check("backends", wanted, f", and {AUTO}, which chooses one")
    if served and wanted not in (AUTO, "endpoint"):
        raise UsageError(f"{plan.options.model} is a server: --backend endpoint asks it (auto does so too).")
    if served:
        return "endpoint"
    if wanted == "endpoint":
        raise UsageError("--backend endpoint asks a server: --model http://host:port/v1 --served-name NAME.")
    if wanted != AUTO:
        return wanted
    return "vllm" if plan.device == "cuda" and not plan.options.load_in_4bit and find_spec("vllm") else "transformers"
