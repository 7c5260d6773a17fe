"""A LoRA adapter put on its base: every tensor finds its module, and every module its tensors.

peft warns of tensors that fit nothing and goes on with the base; here that is an error.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.errors import ModelError
from harness.models.causal import beside_text, pattern_beside_text, text_part
from harness.models.checkpoint import Checkpoint
from harness.models.loading import listed

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel

_NAME = "default"  # peft's name for the one adapter
_PREFIX = "base_model.model."
_TEXT_PARTS = ("language_model.model", "model.language_model", "language_model", "model")


def attach(base_model: PreTrainedModel, adapter: Checkpoint, resize: bool = True) -> PeftModel:
    """Put the adapter on its base (which is changed in place). Every tensor must find its module, and every
    module its tensors; ModelError names those that do not. A base with fewer or more tokens than the adapter's whole
    embeddings gets as many, if it may be resized: it keeps them when the adapter is taken off."""
    import torch
    from peft import LoraConfig, PeftModel, load_peft_weights, set_peft_model_state_dict

    from harness.models.vocabulary import resize_for

    try:
        config = LoraConfig.from_pretrained(str(adapter.path))
    except (TypeError, ValueError) as error:
        raise ModelError(f"{adapter.path / 'adapter_config.json'} is not one that peft can read: {error}") from error
    config.inference_mode = True
    key_mapping = getattr(base_model, "_checkpoint_conversion_mapping", {})  # a remote class may have one
    tensors = load_peft_weights(str(adapter.path), device="cpu", key_mapping=key_mapping)
    tensors = _moved(_once(tensors), base_model, config)
    if damaged := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        # which attention on a CPU would hide: it takes scores that are NaN for zero
        raise ModelError(
            f"The adapter {adapter.given} holds numbers that are not finite: {_names(map(_module, damaged))}."
        )
    if resize:
        resize_for(base_model, tensors, adapter)
    modules = {_PREFIX + name for name, _ in base_model.named_modules()}
    lost = sorted({module for module in map(_module, tensors) if module not in modules})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is raised
            model = PeftModel(base_model, config, _NAME)
            report = set_peft_model_state_dict(model, tensors, _NAME)
    except (ValueError, KeyError) as error:
        reason = f"the base has no {_names(lost)}" if lost else " ".join(str(error).split())[:300]
        raise ModelError(f"The adapter {adapter.given} does not fit {base_of(adapter)}: {reason}.") from error
    except RuntimeError as error:  # torch lists every tensor of another shape
        shapes = [line.strip() for line in str(error).splitlines() if "size mismatch" in line] or [str(error)]
        misfit = f"The adapter {adapter.given} does not fit {base_of(adapter)}: {listed(shapes, 2)}."
        raise ModelError(misfit) from error
    if report.unexpected_keys:
        raise ModelError(
            f"Part of the adapter {adapter.given} fits no module of {base_of(adapter)} and would be left out: "
            f"{_names(map(_module, report.unexpected_keys))}."
        )
    given = {tensor.data_ptr() for name, tensor in model.named_parameters() if name not in report.missing_keys}
    parameters = dict(model.named_parameters())
    missing = [
        name
        for name in report.missing_keys
        if f".{_NAME}" in name and name in parameters and parameters[name].data_ptr() not in given
    ]
    if missing:
        raise ModelError(
            f"adapter_config.json of {adapter.given} targets modules for which the adapter holds no tensors: "
            f"{_names(map(_module, missing))}."
        )
    return model.eval()


def _module(tensor: str) -> str:
    """'base_model.model.h.0.attn.lora_A.weight' → 'base_model.model.h.0.attn'."""
    name = tensor.split(".lora_")[0].split(".modules_to_save")[0].split(".token_adapter")[0]
    return name if name != tensor else tensor.rpartition(".")[0]


def _names(modules: Iterable[str]) -> str:
    return listed(sorted({module.removeprefix(_PREFIX) for module in modules}))


def _once(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Where the vocabulary was resized, peft writes a whole embedding three times: as it was trained (under the name
    of the module, and of its wrapper), and as it was before, which is not used."""
    kept = {name: tensor for name, tensor in tensors.items() if ".original_module." not in name}
    for name in [name for name in kept if ".modules_to_save." in name]:
        tensor = kept.pop(name)
        kept.setdefault(name.replace(".modules_to_save.", "."), tensor)
    return kept


def _moved(tensors: dict[str, Tensor], model: PreTrainedModel, config: LoraConfig) -> dict[str, Tensor]:
    """The adapter's tensors under the base's names. Of a model that can see too there are several: its text part alone
    has "model.layers", the whole "model.language_model.layers", and once it was "language_model.model.layers".
    `config` is kept to the modules that have tensors, where the base has others of the same name."""
    modules = {name for name, _ in model.named_modules()}
    here, output = text_part(model), model.get_output_embeddings()
    head = next((name for name, module in model.named_modules() if module is output), "")
    renamed: dict[str, str] = {}
    for name in tensors:
        module = _module(name).removeprefix(_PREFIX)
        if module not in modules:
            ends = [here + module[len(old) :] for old in _TEXT_PARTS if module.startswith(old + ".")]
            ends += [head] * (module.rpartition(".")[2] == head.rpartition(".")[2])
            if place := next((end for end in ends if end in modules), None):
                renamed[name] = _PREFIX + place + name[len(_PREFIX + module) :]
    adapted = {_module(renamed.get(name, name)).removeprefix(_PREFIX) for name in tensors if ".lora_" in name}
    beside = beside_text(model)
    if renamed and adapted <= modules:
        config.target_modules = adapted
    elif beside and not any(name.startswith(part + ".") or name == part for name in adapted for part in beside):
        config.exclude_modules = pattern_beside_text(model)
    return {renamed.get(name, name): tensor for name, tensor in tensors.items()}


def base_of(adapter: Checkpoint) -> str:
    return f"the base {adapter.base.given}" if adapter.base else "its base"
