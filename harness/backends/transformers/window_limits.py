"""The lengths at which a model's attention changes, from its configuration, and how to make them small for a check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

# sliding_window, attention_chunk_size, local_attention, index_topk, floor_scale, compress_rates and the like
LIMIT = re.compile(r"window|chunk|local_att|block_size|index_topk|floor_scale|compress_rate|max_distance|mem_len")
NO_LIMIT = re.compile(r"max_window_layers|chunk_size_feed_forward|chunk_size_lm_head|pattern|types?$|dropout|use_")
SMALL = 7  # tokens: what a limit too large to be reached is set to in a check


@dataclass(frozen=True)
class Limit:
    path: tuple[str | int, ...]  # of keys, from the text configuration down
    tokens: int

    @property
    def name(self) -> str:
        return ".".join(map(str, self.path))


def limits_of(config: Any, window: int) -> list[Limit]:
    """Those of a text configuration that a prompt of at most `window` tokens can reach, shortest first."""
    limits = list(_limits(config.to_dict(), (), False))
    return sorted((limit for limit in limits if 1 < limit.tokens < window), key=lambda limit: limit.tokens)


def _limits(value: Any, path: tuple[str | int, ...], named: bool) -> Iterator[Limit]:
    if isinstance(value, dict):
        for key, inner in value.items():
            # a rotary embedding's original length matters to attention only where it scales queries by position
            scales = key == "original_max_position_embeddings" and "llama_4_scaling_beta" in value
            hit = bool(LIMIT.search(str(key))) and not NO_LIMIT.search(str(key))
            yield from _limits(inner, (*path, key), named or hit or scales)
    elif isinstance(value, list | tuple) and named:
        for n, inner in enumerate(value):
            yield from _limits(inner, (*path, n), named)
    elif named and isinstance(value, int) and not isinstance(value, bool):
        yield Limit(path, value)


@contextmanager
def reduced(model: Any, config: Any, limit: Limit) -> Iterator[None]:
    """While it lasts, `limit` is SMALL, in the configuration and in each module that keeps a copy by its name."""
    *way, last = limit.path
    holder: Any = config
    for key in way:
        holder = getattr(holder, str(key)) if holder is config else holder[key]
    names = {k for k in limit.path if isinstance(k, str)}
    copies = [
        (module, name)
        for module in model.modules()
        for name, value in vars(module).items()
        if isinstance(value, int) and not isinstance(value, bool) and value == limit.tokens
        if name in names or (LIMIT.search(name) and not NO_LIMIT.search(name))
    ]
    try:
        _put(holder, last, SMALL)
        for module, name in copies:
            setattr(module, name, SMALL)
        yield
    finally:
        _put(holder, last, limit.tokens)
        for module, name in copies:
            setattr(module, name, limit.tokens)


def _put(holder: Any, key: str | int, value: int) -> None:
    if hasattr(holder, "__setitem__"):
        holder[key] = value
    else:  # of a tuple this raises: it cannot be checked
        setattr(holder, str(key), value)
