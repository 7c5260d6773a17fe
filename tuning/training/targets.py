"""Which modules of a base LoRA goes on: that they are there is found before any trial.

peft is content with one that fits: a name that is mistyped beside it is left out without a word, and an architecture
without `q_proj` fails every trial. So every name must be a module that LoRA can go on, and where nobody chose, the
usual names are replaced by those of the architecture, with a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError, suggest
from harness.models.loading import listed
from harness.models.weights import find_weights, read_header
from harness.options import not_given
from tuning.study.space import Space, modules
from tuning.types import Hyperparameters

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint

# Projections of attention's input under the names that architectures have for them; the first that are there are taken.
_ATTENTION = (
    ("query_key_value",),
    ("qkv_proj",),
    ("Wqkv",),
    ("c_attn",),
    ("q_a_proj", "q_b_proj", "kv_b_proj"),
    ("q_proj", "kv_b_proj"),
    ("q_proj", "v_proj"),
    ("query", "value"),
    ("q_lin", "v_lin"),
    ("wq", "wv"),
    ("q", "v"),
    ("qkv",),
    ("in_proj",),
)


_ALIKE = frozenset({"q_proj", "k_proj", "v_proj", "o_proj"})  # linear in memory wherever they are in the files


@dataclass(frozen=True, slots=True)
class Modules:
    """Of a base: every module's full name, and of those that LoRA can go on the linear ones and the embeddings."""

    kind: str  # the architecture's name, "gpt2"
    every: tuple[str, ...]
    linear: tuple[str, ...]
    embeddings: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Last names of the linear ones, sorted."""
        return sorted({name.rpartition(".")[2] for name in self.linear})


def fits(target: str, names: Iterable[str]) -> bool:
    """Does a target name one of the modules, as peft takes it: its whole name, or the end of it?"""
    return any(name == target or name.endswith(f".{target}") for name in names)


def chosen(wanted: Sequence[str], base: Modules) -> tuple[str, ...]:
    """The usual targets that the base has, or those of its architecture. UsageError where neither is there."""
    if there := tuple(name for name in wanted if fits(name, base.linear)):
        return there
    for names in (_of_peft(base.kind), *_ATTENTION):
        if names and all(fits(name, base.linear) for name in names):
            return tuple(names)
    raise not_given(
        "set",
        f"target_modules, since the base has no {' and no '.join(wanted)} to put LoRA on, and what stands for them in "
        f"{base.kind} is not known. Its linear modules are {listed(base.names, 12)}",
    )


def check(targets: Iterable[str], base: Modules) -> None:
    """UsageError where a target is no module of the base, or none that LoRA can go on."""
    for target in targets:
        if fits(target, (*base.linear, *base.embeddings)):
            continue
        kind = "linear module" if fits(target, base.every) else "module"
        raise UsageError(
            f"the base has no {kind} {target}.{suggest(target, [*base.names, *base.linear])} Its linear modules are "
            f"{listed(base.names, 12)}."
        )


def stored(checkpoint: Checkpoint) -> set[str]:
    """Names of the modules whose weights are in the files, without the last part. Nothing is imported for it; a model
    may name them otherwise in memory."""
    matrices: set[str] = set()
    for file in find_weights(checkpoint.path):
        tensors = read_header(file)
        matrices |= {name.removesuffix(".weight") for name, shape in tensors.items() if len(shape) == 2}
    return {name for name in matrices if "embed" not in name}


def modules_of(checkpoint: Checkpoint) -> Modules | None:
    """The base's modules as it has them in memory, without its weights; None where it cannot be made without them."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    try:
        config = AutoConfig.from_pretrained(
            checkpoint.path, trust_remote_code=checkpoint.remote_code, local_files_only=True
        )
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=checkpoint.remote_code)
    except Exception:  # whatever stops it here is found, and said, where the base is loaded
        return None
    named = [(name, module) for name, module in model.named_modules() if name]
    return Modules(
        str(getattr(config, "model_type", "")),
        tuple(name for name, _ in named),
        tuple(name for name, module in named if isinstance(module, torch.nn.Linear | Conv1D)),
        tuple(name for name, module in named if isinstance(module, torch.nn.Embedding)),
    )


def settle(
    checkpoint: Checkpoint,
    space: Space,
    defaults: Hyperparameters,
    start: Sequence[tuple[str, Hyperparameters]],
    named: bool,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Targets where neither space nor point names any, and notes where they are not the usual ones. `named`: a person
    chose those of `defaults`. UsageError where a study would put LoRA on what the base does not have."""
    usual = defaults.target_modules
    searched = [value for p in space.parameters if p.name == "target_modules" for value in getattr(p, "values", ())]
    explicit = {name for value in searched for name in modules(value)}
    explicit |= {name for _, h in start if named or h.target_modules != usual for name in h.target_modules}
    files = stored(checkpoint)
    if all(target in _ALIKE and fits(target, files) for target in (*explicit, *usual)):
        return usual, ()
    base = modules_of(checkpoint)
    if base is None:
        return usual, ()
    check(sorted(explicit), base)
    targets = usual if named else chosen(usual, base)
    if targets == usual:
        return usual, ()
    absent = [name for name in usual if name not in targets]
    note = (
        f"The base has no {' and no '.join(absent)}; LoRA goes on {', '.join(targets)} ({base.kind}). "
        f"target_modules in `set` names others of its linear modules: {listed(base.names, 12)}."
    )
    return targets, (note,)


def _of_peft(kind: str) -> tuple[str, ...]:
    """What peft takes for an architecture; () where it names none, or by a pattern."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    targets = KNOWN.get(kind, ())
    return () if isinstance(targets, str) else tuple(targets)
