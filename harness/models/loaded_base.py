"""A base that stays in memory while its adapters come and go.

A merged adapter has changed the weights of its modules. Adding the difference and taking it away again does not give
the same numbers in floating point, and a kept copy of the weights would be most of a second base. So the weights that
an adapter changes are read again from the base's own files, one at a time. Before the first merge each is held against
its file bit for bit, and afterwards the base must give the logits that it gave before. Where a weight stands in no file
as it is in memory (experts that are put together at loading), and where an adapter changed more than the weights of its
modules (whole modules, the vocabulary, tied embeddings), the base is loaded again instead.
"""

from __future__ import annotations

import functools
import gc
import itertools
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.adapter import logits, merge_for_run
from harness.models.attach import attach
from harness.models.checkpoint import Checkpoint
from harness.models.weights import find_weights, read_header

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from torch.nn import Parameter
    from transformers import PreTrainedModel

TRIED = 3  # tensors that a parameter may be


class LoadedBase:
    """`load` gives the base as it is in `folder`; it is called when the base is first wanted, and where nothing else
    brings it back. One adapter at a time is on it: who asks for the next gives back the model of the one before."""

    def __init__(self, load: Callable[[], PreTrainedModel], folder: Path, stays: bool = True) -> None:
        """`stays`: whether another adapter may follow. Nothing is noted for it otherwise."""
        self.loads = 0
        self._load, self._stays = load, stays
        self._files = _WeightFiles(folder)
        self._model: PreTrainedModel | None = None
        self._live: PeftModel | None = None  # the base with an adapter beside its weights
        self._changed: set[str] = set()  # parameters that an adapter was merged into
        self._names: dict[int, str] = {}  # of the base's parameters, by their place in memory
        self._is_bare = False
        self._is_lost = False  # the adapter changes what the files cannot bring back
        self._before: list[tuple[str, weakref.ref[Any]]] = []
        self._logits: Tensor | None = None

    def bare(self) -> PreTrainedModel:
        """The base without an adapter."""
        if self._model is not None and self._is_bare:
            return self._model
        if self._model is not None and not self._is_restored():
            self._model = self._live = None
            gc.collect()
        if self._model is None:
            self._model = self._load()
            self.loads += 1
            if self._stays:
                self._before, self._logits = _parts(self._model), logits(self._model)
        self._live, self._changed, self._is_lost, self._is_bare = None, set(), False, True
        return self._model

    def live(self, adapter: Checkpoint) -> PeftModel:
        """The adapter beside the base's weights (`attach`)."""
        model = self.bare()
        self._names = {id(parameter): name for name, parameter in model.named_parameters()}
        self._is_bare = False
        self._live = attach(model, adapter)
        return self._live

    def merged(self, adapter: Checkpoint) -> tuple[PreTrainedModel, list[str]]:
        """The adapter probed and merged, and warnings (`merge_for_run`)."""
        model = self.live(adapter)
        if self._stays:
            self._note_weights(model)
        merged, warnings = merge_for_run(model, adapter)
        if not getattr(merged, "is_quantized", False):
            self._live = None
        return merged, warnings

    def _note_weights(self, model: PeftModel) -> None:
        """Which weights the adapter's modules have, and whether they stand in the files as they are in memory."""
        for parameter in _adapted(model):
            name = self._names.get(id(parameter))
            if name is None or not self._files.holds(name, parameter):
                self._is_lost = True
                return
            self._changed.add(name)

    def _is_restored(self) -> bool:
        """Take the adapter off; False where the model is not the base again."""
        assert self._model is not None
        if self._logits is None:
            return False
        if self._live is not None:
            self._live.unload()
        elif self._is_lost:
            return False
        parts = _parts(self._model)
        names, refs = [name for name, _ in self._before], [ref() for _, ref in self._before]
        if names != [name for name, _ in parts] or any(a is not b() for a, (_, b) in zip(refs, parts, strict=True)):
            return False
        if self._live is None:
            for name in self._changed:
                self._files.fill(name, self._model.get_parameter(name))
        return bool((logits(self._model) == self._logits).all())


class _WeightFiles:
    """The tensors of a folder's safetensors, found by the names that a model's parameters have."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, tuple[Path, str] | None] = {}

    def holds(self, name: str, parameter: Parameter) -> bool:
        """Whether a tensor is equal to the parameter, in the parameter's type. Asked before it changes."""
        import torch

        if name not in self._places:
            self._places[name] = None
            for place in self._likely(name):
                tensor = _read(place)
                if tensor.shape == parameter.shape and torch.equal(
                    parameter.data, tensor.to(parameter.device, parameter.dtype)
                ):
                    self._places[name] = place
                    break
        return self._places[name] is not None

    def fill(self, name: str, parameter: Parameter) -> None:
        place = self._places[name]
        assert place is not None
        parameter.data.copy_(_read(place))

    def _likely(self, name: str) -> list[tuple[Path, str]]:
        """Names in files differ from those in memory at their beginning, if at all. What is equal decides."""
        words = name.split(".")
        shared = [(_same_end(words, key.split(".")), file, key) for file, key in self._keys]
        return [(file, key) for count, file, key in sorted(shared, key=lambda one: -one[0])[:TRIED] if count]

    @functools.cached_property
    def _keys(self) -> list[tuple[Path, str]]:
        return [(file, key) for file in find_weights(self._folder) for key in read_header(file)]


def _read(place: tuple[Path, str]) -> Tensor:
    from safetensors import safe_open

    file, key = place
    with safe_open(file, framework="pt") as tensors:  # opened for each: what it has read counts as memory in use
        return tensors.get_tensor(key)


def _same_end(one: list[str], other: list[str]) -> int:
    """How many words at the end are the same."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _adapted(model: PeftModel) -> Iterator[Parameter]:
    """The parameters of the modules that LoRA stands beside."""
    from peft.tuners.lora import LoraLayer

    for module in model.modules():
        if isinstance(module, LoraLayer):
            yield from module.get_base_layer().parameters()


def _parts(model: PreTrainedModel) -> list[tuple[str, weakref.ref[Any]]]:
    """Every module and parameter by name, not held in memory."""
    modules = [(name, weakref.ref(module)) for name, module in model.named_modules(remove_duplicate=False)]
    return modules + [(name, weakref.ref(one)) for name, one in model.named_parameters(remove_duplicate=False)]
