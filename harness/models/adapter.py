"""A LoRA adapter on its base: attached, probed, merged, and each step checked.

A wrong adapter is silent everywhere else. peft warns of tensors that fit nothing and goes on with the base;
an untrained adapter changes nothing; and merging with peft 0.21.2 into a model whose input and output
embeddings are one tensor changes both where the adapter meant one (measured: logits off by 2 to 18).
So the adapter must change the logits, and merged logits must equal the live adapter's.

Merged and live are compared by the largest difference of a logit, in standard deviations of the live logits,
on fixed prompts. Measured with 2 to 8 layers of 64 to 512: float32 1e-5, float16 0.02, bfloat16 0.13.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import ModelError, UsageError
from harness.models.attach import attach, base_of
from harness.models.checkpoint import Checkpoint, resolve, tokenizer_files
from harness.models.rounding import last_bit_changed, with_rounding
from harness.models.training_record import MERGE_FILE, template_of

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel

TOLERANCE = {"float32": 1e-4, "float16": 0.1, "bfloat16": 0.5}


def probe(model: PeftModel, adapter: Checkpoint) -> tuple[Tensor, float]:
    """Stop unless the adapter changes the logits. Return `logits` of the live adapter, and the standard deviation
    of its change to them."""
    import torch

    live = logits(model)
    with model.disable_adapter():
        base = logits(model)
    if not torch.isfinite(base).all():
        raise ModelError(
            f"{base_of(adapter)} gives logits that are not finite, before any adapter: its weights are bad."
        )
    if not torch.isfinite(live).all():
        raise ModelError(f"With the adapter {adapter.given} the logits are not finite.")
    if torch.equal(live, base):
        # LoRA's zero half is B, and A for an embedding
        halves = [p for name, p in model.named_parameters() if ".lora_B." in name or ".lora_embedding_A." in name]
        if halves and not any(half.any() for half in halves):
            why = "all its B matrices are zero (never trained, or saved before its first step)"
        else:
            why = f"its effect is lost in {_dtype(model)}; try --dtype float32"
        raise ModelError(
            f"The adapter {adapter.given} changes nothing: with it and without it the logits are equal; {why}."
        )
    return live, float((live - base).std())


def logits(model: Any) -> Tensor:
    """[4 prompts, 12 tokens, vocabulary] in float32 on the CPU, of fixed prompts."""
    import torch

    ids = torch.tensor(_prompts(model), device=model.device)
    with torch.inference_mode():
        return model(input_ids=ids, use_cache=False).logits.float().cpu()


def _prompts(model: Any) -> list[list[int]]:
    """4 prompts of 12 token ids, spread over the vocabulary."""
    rows = model.get_input_embeddings().weight.shape[0]
    ids = [(n * 7919 + 1) % rows for n in range(48)]
    return [ids[at : at + 12] for at in range(0, 48, 12)]


@dataclass(frozen=True, slots=True)
class Probe:
    """What an adapter does, as transformers computes it, for other engines to be held against."""

    prompts: list[list[int]]
    tokens: list[list[int]]  # for each prompt, tokens whose log-probability of coming next is below
    live: list[list[float]]  # with the adapter, natural logs
    base: list[list[float]]  # without it
    spread: float  # standard deviation of the live logits

    FILE: ClassVar = "harness_probe.json"

    @classmethod
    def of(cls, model: PeftModel, live: Tensor) -> Probe:
        """`live`: `logits` of the model, its adapter on."""
        with model.disable_adapter():
            base = logits(model)
        # the likeliest tokens, and some from anywhere
        tokens = [[*row.topk(16).indices.tolist(), *range(0, len(row), max(1, len(row) // 16))] for row in live[:, -1]]
        tokens = [list(dict.fromkeys(ids)) for ids in tokens]
        with_it, without = (
            [row[ids].tolist() for row, ids in zip(all_logits[:, -1].log_softmax(-1), tokens, strict=True)]
            for all_logits in (live, base)
        )
        return cls(_prompts(model), tokens, with_it, without, float(live.std()))

    @classmethod
    def read(cls, folder: Path) -> Probe:
        return cls(**json.loads((folder / cls.FILE).read_text("utf-8")))

    def write(self, folder: Path) -> None:
        (folder / self.FILE).write_text(json.dumps(asdict(self)) + "\n", "utf-8")


def merge_for_run(model: PeftModel, adapter: Checkpoint) -> tuple[PreTrainedModel, list[str]]:
    """Probe and merge, in memory, an adapter that is attached: the model that answers, and warnings for the run's
    record.

    A 4-bit base keeps its adapter beside it, because merging would round the adapter away."""
    live, effect = probe(model, adapter)
    base_model: PreTrainedModel = model.get_base_model()
    if getattr(base_model, "is_quantized", False):
        return base_model, [f"The base is quantised; the adapter {adapter.given} stays beside it, unmerged."]
    merged = merge_weights(model, adapter)
    _, noise = check_merged(merged, live, adapter)
    if noise < effect / 4:
        return merged, []
    return merged, [
        f"Merged in {_dtype(merged)}, the adapter {adapter.given} changes logits by {effect:.2g} (standard deviation), "
        f"of which rounding is {noise:.2g}; --dtype float32 keeps all of it."
    ]


def merge(
    adapter_folder: str, out: Path, base: str | None = None, dtype: str | None = None, device: str = "cpu"
) -> dict[str, Any]:
    """Write the merged checkpoint to `out` with its tokenizer, and `harness_merge.json`, which is also returned.

    It is written beside `out`, loaded again, compared with the live adapter, and only then given its name.
    UsageError where `out` holds something, ModelError where the merge is wrong or cannot be written."""
    adapter = resolve(adapter_folder, base)
    if adapter.base is None:
        raise UsageError(f"{adapter_folder} is a whole model, not a LoRA adapter: there is nothing to merge.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there already and is not an empty folder. Name a new one.")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {out.absolute().parent} to write {out.name} into. Make it first.")
    return write_merged(adapter, out, dtype, device)


def write_merged(adapter: Checkpoint, out: Path, dtype: str | None = None, device: str = "cpu") -> dict[str, Any]:
    """Merge into `out`, which must not be there or be empty, as `merge` says. `harness_probe.json` beside the
    weights has the live adapter's own log-probabilities (see `Probe`)."""
    from safetensors import SafetensorError

    from harness.models.loading import load_model

    assert adapter.base is not None
    model = attach(load_model(adapter.base, dtype, device), adapter)
    live, _ = probe(model, adapter)
    recorded = Probe.of(model, live)
    merged = merge_weights(model, adapter)
    check_merged(merged, live, adapter)
    temporary = out.absolute().with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
        merged.save_pretrained(temporary)
        for file in tokenizer_files(adapter.tokenizer):
            shutil.copyfile(file, temporary / file.name)
        for file in temporary.glob("*.safetensors"):  # which its library makes readable by the owner alone
            file.chmod((temporary / "config.json").stat().st_mode)
        del model, merged
        written = resolve(str(temporary))
        again = load_model(written, None, device)
        note = {
            "adapter": adapter.given,
            "adapter_digest": adapter.digest,
            "base": adapter.base.given,
            "base_digest": adapter.base.digest,
            "digest": written.digest,
            "dtype": written.dtype,
            "largest_difference": check_merged(again, live, adapter)[0],
            "tolerance": TOLERANCE[written.dtype],
            "template": template_of(adapter),
            "warnings": list(adapter.warnings),
            "versions": {name: version(name) for name in ("lora-harness", "peft", "torch", "transformers")},
        }
        (temporary / MERGE_FILE).write_text(json.dumps(note, indent=2) + "\n", "utf-8")
        recorded.write(temporary)
        temporary.replace(out)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"The merged checkpoint cannot be written to {out}: {error}. Nothing is left there."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return note


def merge_weights(model: PeftModel, adapter: Checkpoint) -> PreTrainedModel:
    """The base with the adapter added to its weights; embeddings that were tied are parted where they must be."""
    _untie(model)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model.merge_and_unload(safe_merge=True).eval()
    except (ValueError, RuntimeError, NotImplementedError) as error:
        raise ModelError(
            f"peft cannot merge the adapter {adapter.given}: {' '.join(str(error).split())[:300]}"
        ) from error


def check_merged(merged: PreTrainedModel, live: Tensor, adapter: Checkpoint) -> tuple[float, float]:
    """How far the merged logits are from the live adapter's: the largest difference, in standard deviations of the
    live ones, and the standard deviation of the difference. ModelError where the first is above TOLERANCE and rounding
    does not explain it (harness/models/rounding.py)."""
    dtype = _dtype(merged)
    own = logits(merged)
    difference = own - live
    largest, allowed = float(difference.abs().max() / live.std()), TOLERANCE[dtype]
    if not largest <= allowed:  # NaN too
        with last_bit_changed(merged):
            by_rounding = float((logits(merged) - own).abs().max() / live.std())
        allowed = with_rounding(allowed, by_rounding)
    if not largest <= allowed:
        raise ModelError(
            f"Merging the adapter {adapter.given} in {dtype} went wrong: a logit differs from the live adapter's by "
            f"{largest:.2g} standard deviations, and {allowed:.2g} is the limit."
            + ("" if dtype == "float32" else " Try --dtype float32.")
        )
    return largest, float(difference.std())


def _untie(model: PeftModel) -> None:
    """Give the output embedding its own copy, where the adapter trains one of two tied embeddings."""
    import torch
    from peft.tuners.lora import LoraLayer

    ends: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
    if not any(isinstance(end, LoraLayer) for end in ends):
        return
    source, output = (end.get_base_layer() if isinstance(end, LoraLayer) else end for end in ends)
    tied = getattr(output, "weight", None) is source.weight
    if tied:
        output.weight = torch.nn.Parameter(source.weight.detach().clone(), requires_grad=False)
        model.get_base_model().config.tie_word_embeddings = False


def _dtype(model: PreTrainedModel) -> str:
    return str(model.dtype).removeprefix("torch.")
