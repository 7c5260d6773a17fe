"""Engines that answer requests. `make` loads a model into one of them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError, suggest
from harness.options.run_options import BACKENDS

if TYPE_CHECKING:
    from harness.options import BackendSettings, ResolvedModel


def make(wanted: str, model: ResolvedModel, settings: BackendSettings) -> tuple[Any, list[str]]:
    """A `harness.types.Backend`, the one of that name (see `choose`), and warnings about the checkpoint (an adapter is
    probed, and merged, on the way)."""
    name = choose(wanted, model)
    if name == "vllm":
        from harness.backends.vllm.engine import make as make_engine

        return make_engine(model, settings)
    if name == "endpoint":
        from harness.backends.endpoint.backend import make as make_endpoint

        return make_endpoint(model, settings)
    return _transformers(model, settings)


def choose(wanted: str, model: ResolvedModel) -> str:
    """What `auto` is: a server's address means `endpoint`; vLLM where it and a GPU are present; else transformers."""
    served = model.checkpoint.kind == "served"
    if wanted not in BACKENDS:
        hint = suggest(wanted, BACKENDS)
        raise UsageError(f"There is no backend {wanted!r}.{hint} There are {', '.join(BACKENDS)}.")
    if served and wanted not in ("auto", "endpoint"):
        raise UsageError(f"{model.address} is a server: --backend endpoint asks it (auto does so too).")
    if served:
        return "endpoint"
    if wanted == "endpoint":
        raise UsageError("--backend endpoint asks a server: --model http://host:port/v1 --served-name NAME.")
    if wanted != "auto":
        return wanted
    return "vllm" if model.device == "cuda" and not model.load_in_4bit and find_spec("vllm") else "transformers"


def close(backend: Any) -> None:
    """Give back what a backend holds beside its own memory: an engine's processes and their GPUs."""
    if hasattr(backend, "close"):
        backend.close()


def _transformers(resolved: ResolvedModel, settings: BackendSettings) -> tuple[Any, list[str]]:
    from harness.backends.transformers.backend import TransformersLM
    from harness.models.loading import load_model, load_tokenizer
    from harness.models.vocabulary import fit_tokenizer
    from harness.prompting.preparation import prompting

    checkpoint = resolved.checkpoint
    tokenizer = load_tokenizer(checkpoint)
    template, warnings = prompting(resolved, settings, tokenizer)
    model = load_model(checkpoint.base or checkpoint, resolved.dtype, resolved.device, resolved.load_in_4bit)
    if checkpoint.base is not None:
        from harness.models.adapter import merge_for_run

        model, of_adapter = merge_for_run(model, checkpoint)
        warnings += of_adapter
    warnings += fit_tokenizer(tokenizer, model.get_input_embeddings().weight.shape[0], checkpoint)
    backend = TransformersLM(
        model.to(resolved.device), tokenizer, settings.chat, settings.system, settings.batch_tokens, template
    )
    return backend, warnings
