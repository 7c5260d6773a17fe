"""A checkpoint, and its adapter, in the backend `transformers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.backends.transformers.backend import TransformersLM
    from harness.options import BackendSettings, ResolvedModel


def make(resolved: ResolvedModel, settings: BackendSettings) -> tuple[TransformersLM, list[str]]:
    """Load the checkpoint, with its adapter merged into its base."""
    from harness.backends.transformers.backend import TransformersLM
    from harness.models.loading import load_tokenizer, load_unchecked
    from harness.models.vocabulary import fit_tokenizer
    from harness.prompting.preparation import prompting

    checkpoint = resolved.checkpoint
    tokenizer = load_tokenizer(checkpoint)
    template, warnings = prompting(resolved, settings, tokenizer)
    model = load_unchecked(checkpoint.base or checkpoint, resolved.dtype, resolved.device, resolved.load_in_4bit)
    if checkpoint.base is not None:
        from harness.models.adapter import merge_for_run

        model, of_adapter = merge_for_run(model, checkpoint)
        warnings += of_adapter
    warnings += fit_tokenizer(tokenizer, model.get_input_embeddings().weight.shape[0], checkpoint)
    backend = TransformersLM(
        model.to(resolved.device), tokenizer, settings.chat, settings.system, settings.batch_tokens, template
    )
    return backend, warnings
