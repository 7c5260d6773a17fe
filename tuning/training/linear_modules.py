"""The modules of a base, without its weights, and which of them are the linear layers of its decoder blocks.

A linear layer of a block stands in a numbered list (`model.layers.3.mlp.up_proj`). These are left out of the blocks:

    routers and gates of experts     they choose, and what they choose decides which experts a row trains; so do the
                                     indexers of sparse attention, whose choice no gradient goes through
    a state space's other layers     Mamba's kernels read the weights of x_proj, dt_proj and out_proj themselves, so
                                     that LoRA on them would train nothing; in_proj is always called
    attention to an encoder, towers  text alone does not go through them

Experts that are one tensor of three dimensions (`mlp.experts.up_proj`) are no linear layers: they are told apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.models.weights import find_weights, read_header

if TYPE_CHECKING:
    from harness.models.checkpoint import Checkpoint

# Where these and no other matrices are in a block's files, they are its linear layers in memory too
_ALIKE = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_QUERIES = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj", "query_key_value", "Wqkv"})
_FEED_FORWARD = frozenset({"fc1", "fc2", "gate_proj", "up_proj", "down_proj", "gate_up_proj"})
_CHOOSING = frozenset({"gate", "shared_expert_gate", "indexer"})
_TO_ENCODERS = frozenset({"encoder_attn", "cross_attn", "crossattention"})
_TOWERS = ("vision", "visual", "image", "audio", "embed")


class UnlistedError(Exception):
    """The base cannot be made without its weights. The message says why."""


@dataclass(frozen=True, slots=True)
class Modules:
    """Of a base's text part: every module's full name, and of those that LoRA can go on the linear ones and the
    embeddings."""

    kind: str  # the architecture's name, "gpt2"
    every: tuple[str, ...]
    linear: tuple[str, ...]
    embeddings: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()  # linear ones of blocks that are left out for their class, or for what holds them
    tensors: tuple[str, ...] = ()  # matrices of many experts as one tensor, by the ends of their names

    @property
    def names(self) -> list[str]:
        """Last names of the linear ones, sorted."""
        return sorted({name.rpartition(".")[2] for name in self.linear})

    @property
    def of_blocks(self) -> list[str]:
        """The linear layers of the decoder blocks that LoRA goes on."""
        return [name for name in self._in_blocks if not self._is_left_out(name)]

    @property
    def of_attention(self) -> list[str]:
        return [name for name in self.of_blocks if _is_attention(name)]

    @property
    def of_mlp(self) -> list[str]:
        return [name for name in self.of_blocks if _is_mlp(name)]

    @property
    def beside(self) -> list[str]:
        """Those of the blocks that are left out, by the ends of their names."""
        return list(dict.fromkeys(_without_numbers(name) for name in self._in_blocks if self._is_left_out(name)))

    def shortest(self, wanted: Collection[str]) -> tuple[str, ...]:
        """The ends of these full names that name no other module, each as short as can be, in the model's order."""
        of_all = Counter(end for name in self.every for end in _ends(name))
        of_wanted = Counter(end for name in wanted for end in _ends(name))
        only = (next(end for end in _ends(name) if of_all[end] == of_wanted[end]) for name in wanted)
        return tuple(dict.fromkeys(only))

    @property
    def _in_blocks(self) -> Iterator[str]:
        return (name for name in self.linear if any(part.isdecimal() for part in name.split(".")[:-1]))

    def _is_left_out(self, name: str) -> bool:
        parts = name.split(".")
        known = any(part in _CHOOSING | _TO_ENCODERS or "router" in part or part.startswith(_TOWERS) for part in parts)
        return known or name in self.left_out


def listed_in_files(checkpoint: Checkpoint) -> Modules | None:
    """The base's linear modules as its files name them, where memory has them as they are; else None. Nothing is
    imported for it."""
    matrices: list[str] = []
    for file in find_weights(checkpoint.path):
        tensors = read_header(file)
        matrices += [name.removesuffix(".weight") for name, shape in tensors.items() if len(shape) > 1]
    inside = [name for name in matrices if any(part.isdecimal() for part in name.split("."))]
    if not inside or not all(_is_alike(name) for name in inside):
        return None
    place = {name: n for n, name in enumerate(_ALIKE)}
    linear = tuple(sorted(inside, key=lambda name: place[name.rpartition(".")[2]]))
    others = tuple(name for name in matrices if name not in set(inside) and "embed" not in name)
    return Modules("", (*linear, *others), (*linear, *others))


def modules_of(checkpoint: Checkpoint) -> Modules:
    """The base's modules as it has them in memory. UnlistedError where it cannot be made without its weights."""
    import torch
    from transformers import AutoConfig
    from transformers.pytorch_utils import Conv1D

    from harness.models.causal import beside_text, causal_class

    try:
        config = AutoConfig.from_pretrained(
            checkpoint.path, trust_remote_code=checkpoint.remote_code, local_files_only=True
        )
        loader = causal_class(config, checkpoint)
        with torch.device("meta"):
            model: Any = loader.from_config(config, trust_remote_code=checkpoint.remote_code)
        outside = tuple(beside_text(model))
    except Exception as error:  # it is met again, and said, where the base is loaded
        raise UnlistedError(" ".join(str(error).split())[:300]) from error
    named = [(name, module) for name, module in model.named_modules() if name and not _is_inside(name, outside)]
    linear = [(name, module) for name, module in named if isinstance(module, torch.nn.Linear | Conv1D)]
    left_out = [name for name, module in linear if _is_odd(module) or _is_read_by_kernels(model, name)]
    known = (torch.nn.Linear, Conv1D, torch.nn.Embedding, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
    solid = [
        f"{name}.{own}"
        for name, module in named
        if not isinstance(module, known)
        for own, tensor in module.named_parameters(recurse=False)
        if min(tensor.shape, default=0) > 1 and tensor.ndim >= (2 if "expert" in name else 3)
    ]
    return Modules(
        str(getattr(config, "model_type", "")),
        tuple(name for name, _ in named),
        tuple(name for name, _ in linear),
        tuple(name for name, module in named if isinstance(module, torch.nn.Embedding)),
        tuple(left_out),
        tuple(dict.fromkeys(_without_numbers(name) for name in solid)),
    )


def _is_alike(name: str) -> bool:
    return name.rpartition(".")[2] in _ALIKE and "expert" not in name


def _is_inside(name: str, outside: Iterable[str]) -> bool:
    return any(name == other or name.startswith(f"{other}.") for other in outside)


def _is_odd(module: Any) -> bool:
    """A linear module by class that computes something else: DeepSeek's GroupedLinear, Llama 4's router."""
    return type(module).__name__.endswith(("GroupedLinear", "Router"))


def _is_read_by_kernels(model: Any, name: str) -> bool:
    """One of a state space's layers whose weights its kernels read; or Gemma 3n's AltUp, which clips its own."""
    holder, _, own = name.rpartition(".")
    mixer = model.get_submodule(holder)
    return (hasattr(mixer, "A_log") and hasattr(mixer, "in_proj") and own != "in_proj") or ".altup." in name


def _is_attention(name: str) -> bool:
    parts = name.split(".")
    holders = [part for part in parts if "norm" not in part]
    return parts[-1] in _QUERIES or any("attn" in p or "attention" in p or p == "self_att" for p in holders)


def _is_mlp(name: str) -> bool:
    """What is no attention and has a feed-forward network's name; BERT's have "intermediate" and "output"."""
    parts = name.split(".")
    words = ("mlp", "ffn", "feed_forward", "expert")
    held = any(word in part for part in parts for word in words) or not {"ff", "intermediate", "output"}.isdisjoint(
        parts
    )
    return not _is_attention(name) and (held or parts[-1] in _FEED_FORWARD)


def _ends(name: str) -> Iterator[str]:
    """'a.b.c' → 'c', 'b.c', 'a.b.c'."""
    parts = name.split(".")
    return (".".join(parts[-count:]) for count in range(1, len(parts) + 1))


def _without_numbers(name: str) -> str:
    """What follows the last number of a name: 'model.layers.0.mlp.gate' → 'mlp.gate'."""
    parts = name.split(".")
    numbers = [place for place, part in enumerate(parts) if part.isdecimal()]
    return ".".join(parts[numbers[-1] + 1 :]) if numbers and numbers[-1] + 1 < len(parts) else name
