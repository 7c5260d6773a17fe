"""LoRA adapters on a base that stays in memory: put on, taken off without left-overs, written."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.causal import pattern_beside_text
from harness.models.checkpoint import Checkpoint, tokenizer_files
from harness.models.loading import listed
from harness.models.training_record import write_record
from harness.prompting.row_templates import Choice
from tuning.training import lora_products
from tuning.types import Hyperparameters, TrialError

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from torch import Tensor


def lora_config(hyper: Hyperparameters, base: Checkpoint, model: Any = None) -> LoraConfig:
    """For `model` where it is given: the text part alone is adapted, whatever else has modules of these names."""
    from peft import LoraConfig

    return LoraConfig(
        r=hyper.rank,
        lora_alpha=int(hyper.alpha) if float(hyper.alpha).is_integer() else hyper.alpha,
        lora_dropout=hyper.dropout,
        target_modules=list(hyper.target_modules),
        exclude_modules=None if model is None else pattern_beside_text(model),
        use_rslora=hyper.rslora,
        use_dora=hyper.dora,
        bias="none",
        task_type="CAUSAL_LM",
        base_model_name_or_path=base.given if base.kind == "hub" or base.given == "tiny" else str(base.path),
        revision=base.revision or None,
    )


@contextmanager
def adapted(model: Any, hyper: Hyperparameters, base: Checkpoint, seed: int) -> Iterator[PeftModel]:
    """`model` with a new adapter, seeded before it is initialised; the bare model again afterwards, whatever happens.

    TrialError where the hyperparameters do not fit the model."""
    import torch
    from peft import get_peft_model

    torch.manual_seed(seed)
    try:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                live = get_peft_model(model, lora_config(hyper, base, model))
        except (ValueError, TypeError, NotImplementedError) as error:
            detach(model)
            raise TrialError(_misfit(model, hyper, error)) from error
        lora_products.install(live)
        yield live
    finally:
        detach(model)


def detach(model: Any) -> None:
    """Take every adapter off: peft's `unload`, which needs a whole PeftModel, for one that is only half there too."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    wrapped = [(name, module) for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)]
    for name, module in wrapped:
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, module.get_base_layer())
    if hasattr(model, "peft_config"):
        del model.peft_config
    model.requires_grad_(False).eval()


class One:
    """The one adapter of a PeftModel; `packed.Stack` is this for several."""

    def __init__(self, model: PeftModel) -> None:
        self._model = model
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self._second = [p for name, p in named if ".lora_B." in name or ".lora_embedding_B." in name]
        self._first = [p for _, p in named if not any(p is other for other in self._second)]

    def parameters(self, _: int) -> tuple[list[Tensor], list[Tensor]]:
        """The tensors an optimizer changes: A's (with DoRA's magnitudes), and B's."""
        return self._first, self._second

    def holders(self) -> list[Tensor]:
        """The tensors that backward gives gradients."""
        return [*self._first, *self._second]

    def share_gradients(self) -> None:
        """The optimizer's tensors are the holders."""

    def clear_gradients(self) -> None:
        for holder in self.holders():
            holder.grad = None

    def state(self, _: int) -> dict[str, Tensor]:
        """Under peft's names."""
        from peft import get_peft_model_state_dict

        return get_peft_model_state_dict(self._model, save_embedding_layers=False)


def write(config: LoraConfig, tensors: Mapping[str, Tensor], base: Checkpoint, template: Choice, to: Path) -> None:
    """The adapter's folder as peft writes it, with the base's digest and the rows' template (and the tokenizer with a
    chat template of one's own, by which the adapter is then asked); whole or not at all. One that is there is replaced.
    OSError and SafetensorError are the caller's."""
    from safetensors.torch import save_file

    part = to.absolute().with_name(f".{to.name}.tmp")  # one name for all processes: what a kill left goes here
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        kept = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
        save_file(kept, part / "adapter_model.safetensors", metadata={"format": "pt"})
        (part / "adapter_model.safetensors").chmod(0o644)
        config.inference_mode = True
        config.save_pretrained(str(part))
        write_record(part, base.digest, template.name)
        if template.chat_template:
            for file in tokenizer_files(base.tokenizer):
                shutil.copyfile(file, part / file.name)
            (part / "chat_template.jinja").write_text(template.chat_template, "utf-8")
        shutil.rmtree(to, ignore_errors=True)
        part.replace(to)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _misfit(model: Any, hyper: Hyperparameters, error: Exception) -> str:
    import torch

    names = {name.rpartition(".")[2] for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    if not names & set(hyper.target_modules):
        wanted = ", ".join(hyper.target_modules)
        return f"the base has no {wanted} to put LoRA on; its linear modules are {listed(sorted(names), 12)}."
    return f"LoRA does not fit the base: {' '.join(str(error).split())[:300]}"
