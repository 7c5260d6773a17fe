"""What a model's configuration says of its window and of the tokens that end a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DEFAULT_WINDOW = 2048  # for those that say nothing: recurrent models, Bloom
WINDOW_NAMES = (
    "max_position_embeddings",
    "max_target_positions",
    "n_positions",
    "n_ctx",
    "max_seq_len",  # MPT, DBRX
    "max_sequence_length",
    "model_max_length",
    "seq_length",
    "context_length",  # RWKV
)
# those of these that may be the size of a table of positions: the others only say how long a text was in training
_POSITIONS = tuple(name for name in WINDOW_NAMES if name not in ("model_max_length", "seq_length", "context_length"))
# RoBERTa and its kind: the first position is the row behind that of the padding token
_BEHIND_PADDING = frozenset(
    {"camembert", "data2vec-text", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"}
)
# order comes from recurrence or the mask
_NO_POSITIONS = frozenset({"inkling_text", "jamba", "kimi_linear", "nemotron_h", "rwkv", "zamba"})


def window_of(config: Any) -> int:
    """Tokens a prompt and its answer may take together, of a model's text configuration."""
    for name in WINDOW_NAMES:
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:  # XLNet says -1 for "any"
            return value - _unused(config)
    return DEFAULT_WINDOW


def positions_of(config: Any) -> tuple[int | None, bool]:
    """(positions, whether a longer text is impossible) of a model's configuration; None where it names no limit.

    Learned and tabled positions end where their table does: a longer text is an IndexError. Rotary positions go on,
    only no text was that long in training, and some architectures have no positions at all."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    named = (getattr(text, name, None) for name in _POSITIONS)
    most = next((value for value in named if isinstance(value, int) and value > 0), None)
    written = text.to_dict()
    rotary = any(name.startswith("rope") and value is not None for name, value in written.items())
    most = None if most is None else most - _unused(text)
    return most, not rotary and getattr(text, "model_type", "") not in _NO_POSITIONS


def depends_on_length(config: Any) -> bool:
    """Whether a token's rotary position hangs on how long the longest text is that is computed with it."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None) or {}
    kinds = {str(part.get("rope_type")) for part in [rope, *rope.values()] if isinstance(part, dict)}
    return bool(kinds & {"dynamic", "longrope"})


def bytes_of_token(model: Any) -> int:
    """Of the keys and values of one token in all layers of a loaded model, as its configuration says; 0 where it does
    not say."""
    config = model.config.get_text_config()
    count = getattr(config, "num_hidden_layers", None) or 0
    differ = getattr(config, "is_heterogeneous", False)  # Gemma 4: its layers' heads are not of one width
    layers = [config.per_layer_config[n] if differ else config for n in range(count)]
    return int(2 * sum(map(_key_width, layers)) * model.dtype.itemsize)


def _key_width(config: Any) -> int:
    """Numbers of a token's keys in a layer."""
    heads = getattr(config, "num_attention_heads", None) or 1
    of_keys = getattr(config, "num_key_value_heads", None) or heads
    return of_keys * (getattr(config, "head_dim", None) or (getattr(config, "hidden_size", None) or 0) // heads)


def _unused(config: Any) -> int:
    """Rows of a table of positions that no token of a text has."""
    return (config.pad_token_id or 0) + 1 if getattr(config, "model_type", "") in _BEHIND_PADDING else 0


def end_ids(*sources: Any) -> frozenset[int]:
    """All `eos_token_id` of configurations and tokenizers; any of them ends a text."""
    ids: set[int] = set()
    for source in sources:
        value = getattr(source, "eos_token_id", None)
        ids |= set(value) if isinstance(value, list | tuple) else {value} if value is not None else set()
    return frozenset(ids)


def end_ids_of(folder: Path, *sources: Any) -> frozenset[int]:
    """The same, with those of the folder's generation_config.json, where it has one."""
    if (folder / "generation_config.json").is_file():
        from transformers import GenerationConfig

        sources = (*sources, GenerationConfig.from_pretrained(folder, local_files_only=True))
    return end_ids(*sources)


def window_warning(window: int, room: int) -> str:
    return f"the answer ends at the model's window of {window} tokens, after {room} of its own"
