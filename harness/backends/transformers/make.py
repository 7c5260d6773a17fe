"""A checkpoint, and its adapter, in the backend `transformers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.backends.transformers.backend import TransformersLM
    from harness.evaluation.planning import Plan


def make(plan: Plan) -> tuple[TransformersLM, list[str]]:
    """Load the plan's checkpoint, with its adapter merged into its base."""
    from harness.backends.transformers.backend import TransformersLM
    from harness.models.loading import load_model, load_tokenizer
    from harness.models.vocabulary import fit_tokenizer
    from harness.prompting.preparation import prompting

    options, checkpoint = plan.options, plan.checkpoint
    tokenizer = load_tokenizer(checkpoint)
    template, warnings = prompting(plan, tokenizer)
    model = load_model(checkpoint.base or checkpoint, plan.dtype, plan.device, options.load_in_4bit)
    if checkpoint.base is not None:
        from harness.models.adapter import merge_for_run

        model, of_adapter = merge_for_run(model, checkpoint)
        warnings += of_adapter
    warnings += fit_tokenizer(tokenizer, model.get_input_embeddings().weight.shape[0], checkpoint)
    backend = TransformersLM(
        model.to(plan.device), tokenizer, options.chat, options.system, options.batch_tokens, template
    )
    return backend, warnings
