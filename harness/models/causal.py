"""Which of transformers' classes a checkpoint is, and whether it can say the next token. torch is imported here.

That is decided by what transformers loads, not by a name in config.json: `is_decoder: false` is written there for
every kind of model, and what is published as ...ForConditionalGeneration is often a causal model that can see too.
Such a model is loaded whole, so that adapters of it fit and a merged checkpoint has lost nothing; its text part alone
is asked and trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import ModelError
from harness.models.checkpoint import Checkpoint

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

_ADVICE = "Give a decoder such as Llama, Mistral, Qwen or GPT-2."
# Standard deviations of the logits. Random encoders of two layers measure 0.01; decoders differ by rounding alone
_LOOKS_AHEAD = 1e-3
_LOOKS_AHEAD_SHORT = 0.05  # in shorter types


def causal_class(config: PreTrainedConfig, checkpoint: Checkpoint) -> Any:
    """The Auto class of transformers that loads this checkpoint as a language model. ModelError says why none does."""
    import transformers
    from transformers.models.auto import modeling_auto

    given, name = checkpoint.given, checkpoint.architecture
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"{given} holds a {name}, which is not a causal language model but an encoder with a decoder: it "
            f"answers a text and does not continue it. {_ADVICE}"
        )
    if "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {}):
        return transformers.AutoModelForCausalLM
    causal = transformers.MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    whole = transformers.MODEL_FOR_MULTIMODAL_LM_MAPPING.get(type(config), None)
    if whole is not None and _has_text_part(config) and (causal is None or whole.__name__ == name):
        return transformers.AutoModelForMultimodalLM
    kind = config.model_type
    if causal is None:
        raise ModelError(
            f"{given} holds a {name}, which is not a causal language model: transformers {transformers.__version__} "
            f"has no class for {kind} that says the next token. {_ADVICE}"
        )
    both_ways = kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if both_ways and not (getattr(config, "is_decoder", False) or getattr(config, "causal", False)):
        raise ModelError(
            f"{given} holds a {name}, which is not a causal language model: a {kind} whose config.json does not say "
            f"is_decoder: true sees the words that it should say. {_ADVICE}"
        )
    return transformers.AutoModelForCausalLM


def _has_text_part(config: PreTrainedConfig) -> bool:
    try:
        text = config.get_text_config(decoder=True)
    except ValueError:  # several, and none is the one
        return False
    return text is not config and not getattr(text, "is_encoder_decoder", False)


def check_direction(model: PreTrainedModel, checkpoint: Checkpoint) -> None:
    """ModelError where later tokens change what the model says of earlier ones. A model that fails on this short text,
    or gives no numbers, is left to those who use it."""
    import torch

    rows = model.get_input_embeddings().weight.shape[0]
    ids = torch.tensor([[(n * 7919 + 1) % rows for n in range(16)]], device=model.device)
    other = ids.clone()
    other[:, 8:] = (ids[:, 8:] + rows // 2 + 1) % rows

    def first_half(tokens: Tensor) -> Tensor:
        with torch.inference_mode():
            return model(input_ids=tokens, use_cache=False).logits[:, :8].float()

    try:
        one, two = first_half(ids), first_half(other)
        apart = looks_ahead(model, one, two)
        steady = apart > 0 and torch.equal(one, first_half(ids))  # some draw numbers, as Reformer does
    except Exception:
        return
    if steady:
        raise looking_ahead(model, checkpoint.given, apart)


def looks_ahead(model: PreTrainedModel, one: Tensor, two: Tensor) -> float:
    """By how many standard deviations two logits of the same tokens differ, before tokens that differ; 0 where that is
    rounding."""
    import torch

    is_short = model.dtype not in (torch.float32, torch.float64) or getattr(model, "is_quantized", False)
    apart = float((one - two).abs().max() / one.std())
    return apart if apart > (_LOOKS_AHEAD_SHORT if is_short else _LOOKS_AHEAD) else 0.0


def looking_ahead(model: PreTrainedModel, given: str, apart: float) -> ModelError:
    return ModelError(
        f"{given} is not a causal language model: what its {type(model).__name__} says of a word hangs on the words "
        f"after it (logits change by {apart:.2g} standard deviations). {_ADVICE}"
    )


def text_part(model: PreTrainedModel) -> str:
    """The name of the module that is the text decoder: "model" in Llama, "model.language_model" in Gemma 3."""
    decoder, ends = model.get_decoder(), (model.get_input_embeddings(), model.get_output_embeddings())
    names = {id(module): name for name, module in model.named_modules()}
    name, (first, last) = names.get(id(decoder), ""), (names.get(id(end), "") for end in ends)
    # Llama 4's is a causal model in itself, with a decoder inside
    return first.rpartition(".")[0] if name and last.startswith(name + ".") else name


def beside_text(model: PreTrainedModel) -> list[str]:
    """The outermost modules that text never goes through: vision and audio towers, projectors. Names, sorted."""
    if model.config.get_text_config() is model.config:
        return []
    decoder = text_part(model)
    ends = [id(end) for end in (model.get_input_embeddings(), model.get_output_embeddings()) if end is not None]
    kept = {decoder, *(name for name, module in model.named_modules() if id(module) in ends)}
    beside: list[str] = []
    for name, _ in model.named_modules():
        inside = any(name == own or name.startswith(own + ".") for own in (*kept, *beside))
        around = not name or any(own.startswith(name + ".") for own in kept)
        if not inside and not around:
            beside.append(name)
    return sorted(beside)


def pattern_beside_text(model: PreTrainedModel) -> str | None:
    """A regular expression for peft's `exclude_modules`, which keeps an adapter to the text; None where all is text."""
    import re

    beside = beside_text(model)
    return f"(?:{'|'.join(map(re.escape, beside))})(?:\\..*)?" if beside else None
