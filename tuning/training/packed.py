"""Several adapters over one base at once: each linear layer once for the rows of all, then two batched products.

Rows of adapter k are the k-th of as many equal parts of the batch. Ranks are padded with zeros to the largest: a
padded row of A meets a padded column of B, so both stay zero and add nothing. Nothing crosses from one adapter's
rows to another's, so gradients are those of separate training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.backends.limits import depends_on_length
from tuning.training.targets import fits
from tuning.types import Hyperparameters

if TYPE_CHECKING:
    from torch import Tensor

_PREFIX = "base_model.model."
_A, _B = ".lora_A.weight", ".lora_B.weight"


def packable(model: Any, a: Hyperparameters, b: Hyperparameters) -> bool:
    """May the two go through the base together? They must have the same steps, rows and places, and these must be
    linear layers; and rows that are packed are computed to the length of their neighbours."""
    import torch

    ways = [(hyper.epochs, hyper.batch, hyper.mix, set(hyper.target_modules), hyper.dora) for hyper in (a, b)]
    if ways[0] != ways[1] or a.dora:
        return False
    embeddings = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Embedding)]
    return not any(fits(target, embeddings) for target in a.target_modules) and not depends_on_length(model.config)


class Stack:
    """The adapters of all trials, as stacked tensors in the base's layers."""

    def __init__(self, states: Sequence[Mapping[str, Tensor]], hypers: Sequence[Hyperparameters], device: Any) -> None:
        """`states` as peft's `get_peft_model_state_dict` gives them, one a trial."""
        self.hypers = list(hypers)
        self.layers: dict[str, Any] = {}
        for name in sorted(key.removesuffix(_A).removeprefix(_PREFIX) for key in states[0] if key.endswith(_A)):
            pairs = [(state[_PREFIX + name + _A], state[_PREFIX + name + _B]) for state in states]
            self.layers[name] = _stacked(pairs, device)
        self._views = [
            {name: (a[k, : hyper.rank], b[k, :, : hyper.rank]) for name, (a, b) in self._data().items()}
            for k, hyper in enumerate(self.hypers)
        ]

    def _data(self) -> dict[str, tuple[Tensor, Tensor]]:
        return {name: (a.data, b.data) for name, (a, b) in self.layers.items()}

    def parameters(self, k: int) -> tuple[list[Tensor], list[Tensor]]:
        """Trial k's own A's and B's: views of the stacked tensors, so that an optimizer's step reaches them."""
        views = list(self._views[k].values())
        return [a for a, _ in views], [b for _, b in views]

    def share_gradients(self) -> None:
        """Give each trial's views their parts of the stacked gradients."""
        for k, hyper in enumerate(self.hypers):
            for name, (a, b) in self.layers.items():
                own_a, own_b = self._views[k][name]
                own_a.grad, own_b.grad = a.grad[k, : hyper.rank], b.grad[k, :, : hyper.rank]

    def holders(self) -> list[Tensor]:
        """The tensors that backward gives gradients."""
        return [tensor for pair in self.layers.values() for tensor in pair]

    def clear_gradients(self) -> None:
        for holder in self.holders():
            holder.grad = None

    def state(self, k: int) -> dict[str, Tensor]:
        """Trial k's adapter under peft's names."""
        named = self._views[k].items()
        return {_PREFIX + name + end: view for name, views in named for end, view in zip((_A, _B), views, strict=True)}

    @contextmanager
    def on(self, model: Any) -> Iterator[Any]:
        """`model` with all the adapters; bare again afterwards."""
        bare = {name: model.get_submodule(name) for name in self.layers}
        try:
            for name, module in bare.items():
                a, b = self.layers[name]
                _put(model, name, _layer(module, a, b, self.hypers))
            yield model
        finally:
            for name, module in bare.items():
                _put(model, name, module)
            model.eval()


def scaling(hyper: Hyperparameters) -> float:
    return hyper.alpha / (hyper.rank**0.5 if hyper.rslora else hyper.rank)


def _stacked(pairs: Sequence[tuple[Tensor, Tensor]], device: Any) -> tuple[Tensor, Tensor]:
    """A [trials, rank, in] and B [trials, out, rank], zeros beyond a trial's own rank."""
    import torch

    most = max(a.shape[0] for a, _ in pairs)
    stack_a = torch.zeros(len(pairs), most, pairs[0][0].shape[1], device=device)
    stack_b = torch.zeros(len(pairs), pairs[0][1].shape[0], most, device=device)
    for k, (a, b) in enumerate(pairs):
        stack_a[k, : a.shape[0]], stack_b[k, :, : b.shape[1]] = a, b
    return stack_a.requires_grad_(), stack_b.requires_grad_()


def _put(model: Any, name: str, module: Any) -> None:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, module)


def _layer(base: Any, a: Tensor, b: Tensor, hypers: Sequence[Hyperparameters]) -> Any:
    import torch

    scales = torch.tensor([scaling(hyper) for hyper in hypers], device=a.device)[:, None, None]
    dropout = torch.tensor([hyper.dropout for hyper in hypers], device=a.device)[:, None, None]
    drops = any(hyper.dropout for hyper in hypers)

    class Packed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base = base

        @property
        def weight(self) -> Tensor:
            return self.base.weight  # Mamba looks where it lies

        def forward(self, x: Tensor) -> Tensor:
            y = self.base(x)
            own = x.reshape(len(a), -1, x.shape[-1]).to(a.dtype)
            if drops and self.training:
                kept = torch.rand(own.shape, device=own.device) >= dropout
                own = own * kept / (1 - dropout).clamp_min(1e-9)  # dropout 1 keeps nothing
            added = torch.bmm(torch.bmm(own, a.transpose(1, 2)), b.transpose(1, 2)) * scales
            return y + added.reshape(y.shape).to(y.dtype)

    return Packed().train(base.training)
