"""Where transformers hands attention over to us.

It lets an attention function and a mask function be registered by name. Ours are given packed tokens [1, heads,
T, head_dim] of many segments. The mask a model asks for says what each of its layers sees: all that came before,
or a window of it; every other mask, and everything else that a model tells its attention and that we do not know,
is refused (UnsupportedError), for leaving it out would change the scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.backends.transformers.attention.kernels import Form

if TYPE_CHECKING:
    import torch

    from harness.backends.transformers.attention.decode import Decode
    from harness.backends.transformers.attention.shared import Pass

NAME = "harness_shared_prefix"
FAR = 2**20  # tokens: as far back as masks are looked at
# what models pass on that attention without dropout and without a cache does not depend on
HARMLESS = frozenset(
    {
        "dropout",
        "position_ids",
        "position_embeddings",
        "cache_position",
        "past_key_values",
        "use_cache",
        "output_attentions",
        "output_hidden_states",
        "output_router_logits",
        "return_dict",
        "logits_to_keep",
        "deterministic",
        "layer_idx",
    }
)
_active: Active | None = None  # what the running forward pass belongs to


class UnsupportedError(Exception):
    """This model's attention has something that we do not do; the message says what."""


@dataclass(frozen=True)
class Mask:
    """Stands where a mask would: `window` tokens back, itself among them; None for all of them. `problem`: why it is
    neither, which matters only where a layer uses it."""

    window: int | None
    problem: str = ""


@dataclass
class Active:
    """`with Active(state, windows): model(...)`: the state that this forward pass reads and fills, and the window of
    each layer. With `learn`, a pass over one sequence, `windows` is filled by what the model asks for."""

    state: Pass | Decode
    windows: dict[int, int | None]
    learn: bool = False

    def __enter__(self) -> None:
        global _active
        _active = self

    def __exit__(self, *exc: object) -> None:
        global _active
        _active = None

    def window_of(self, layer: int, mask: Mask | None, sliding_window: int | None) -> int | None:
        if self.learn:
            if mask is not None and mask.problem:
                raise UnsupportedError(mask.problem)
            window = mask.window if mask is not None else None
            if sliding_window is not None and sliding_window != window and sliding_window < FAR:
                raise UnsupportedError(
                    f"layer {layer} is told a window of {sliding_window} tokens, and its mask has "
                    + (f"one of {window}" if window else "none")
                )
            if layer in self.windows:
                raise UnsupportedError(f"layer {layer} attends more than once")
            self.windows[layer] = window
        if layer not in self.windows:
            raise UnsupportedError(f"layer {layer} attends at some prompts only")
        return self.windows[layer]


def register() -> str:
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, _mask)
    return NAME


def _mask(mask_function: Any, **kwargs: Any) -> Mask:
    """What a model's mask lets a token see. While packed tokens go through, the layers' windows are known already,
    and the mask would be one of packed tokens."""
    if _active is None:
        raise UnsupportedError("its mask is made outside a forward pass")
    if not _active.learn:
        return Mask(None)
    try:
        return Mask(window_of_mask(mask_function))
    except UnsupportedError as error:
        return Mask(None, str(error))
    except Exception:  # masks of images' and packed tokens know their own length only
        return Mask(None, "its mask is made for one length")


def window_of_mask(mask_function: Any) -> int | None:
    """The window of a mask, asked of the mask itself at distances no prompt reaches; None: it has none.

    `mask_function(batch, head, query, key)` says whether the query's position sees the key's, of tensors. Raises
    UnsupportedError for any mask that is neither causal nor a causal sliding window."""
    import torch

    zero, keys = torch.tensor(0), torch.arange(FAR + 1)
    window = None
    for query in (FAR - 1, FAR - 371, 65537, 8191, 4099, 1021, 130, 17, 1, 0):
        visible = torch.as_tensor(mask_function(zero, zero, torch.tensor(query), keys)).broadcast_to(keys.shape)
        if query == FAR - 1:
            count = int(visible.sum())
            window = None if count == FAR else count
        distance = query - keys
        if not torch.equal(visible, (distance >= 0) & (distance < (window or FAR))):
            raise UnsupportedError("its mask is neither causal nor a sliding window")
    return window


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Mask | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    is_causal: bool | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    unknown = sorted(n for n, v in kwargs.items() if n not in HARMLESS and v is not None and v is not False)
    if unknown:
        raise UnsupportedError(f"its attention takes {', '.join(unknown)}")
    layer = getattr(module, "layer_idx", None)
    if _active is None or layer is None or not isinstance(attention_mask, Mask | None):
        raise UnsupportedError("its attention does not go through the common interface")
    if is_causal is False or getattr(module, "is_causal", True) is False:
        raise UnsupportedError("its attention is not causal")
    window = _active.window_of(layer, attention_mask, sliding_window)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    width = value.shape[-1]
    if width < query.shape[-1]:  # multi-latent attention: kernels want values as wide as keys
        import torch

        value = torch.nn.functional.pad(value, (0, query.shape[-1] - width))
    out = _active.state.attend(layer, query[0], key[0], value[0], Form(scale, window, softcap, s_aux))
    return out[..., :width].transpose(0, 1).contiguous().unsqueeze(0), None  # [1, T, heads, head_dim]


class Switch:
    """Which attention a model's configurations name: their usual one, or ours. They begin with the usual one."""

    def __init__(self, model: Any) -> None:
        register()
        configs = _configs(model)
        self._usual = [(c, c._attn_implementation_internal) for c in configs]
        try:
            model.set_attn_implementation(NAME)
            self._ours = [(c, c._attn_implementation_internal) for c in configs]
        finally:
            self.to_usual()
        if all(name != NAME for _, name in self._ours):
            raise UnsupportedError("its attention does not go through the common interface")

    def to_usual(self) -> None:
        for config, name in self._usual:
            config._attn_implementation_internal = name

    def to_ours(self) -> None:
        for config, name in self._ours:
            config._attn_implementation_internal = name


def _configs(model: Any) -> list[Any]:
    """The configurations that the model and its parts read, each once."""
    by_id: dict[int, Any] = {}
    todo = [m.config for m in model.modules() if hasattr(getattr(m, "config", None), "_attn_implementation_internal")]
    while todo:
        config = todo.pop()
        if id(config) not in by_id:
            by_id[id(config)] = config
            parts = [getattr(config, name, None) for name in getattr(config, "sub_configs", {})]
            todo += [part for part in parts if hasattr(part, "_attn_implementation_internal")]
    return list(by_id.values())
