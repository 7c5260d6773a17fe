"""Safetensors files, looked at without torch: which files hold a checkpoint's weights, and are they whole.

Only headers are read, by safetensors itself (which imports numpy for it)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from harness.errors import ModelError

# what safetensors says, and what we say of the file
_REASONS = (
    ("header too small", "is not a whole safetensors file: its header does not fit in it"),
    ("header too large", "is not a whole safetensors file: its header does not fit in it"),
    ("invalid header length", "is not a whole safetensors file: its header does not fit in it"),
    ("file not fully covered", "holds more or fewer bytes than its header promises"),
    ("missing field", "is damaged: its safetensors header describes tensors wrongly"),
    ("invalid type", "is damaged: its safetensors header describes tensors wrongly"),
    ("invalid shape", "is damaged: its safetensors header describes tensors wrongly"),
    ("overflow", "is damaged: its safetensors header describes tensors wrongly"),
    ("invalid offset", "is damaged: its tensors overlap or leave gaps"),
    ("invalid UTF-8", "is damaged: its safetensors header is not JSON"),
    ("invalid JSON", "is damaged: its safetensors header is not JSON"),
)
_BUFFER = re.compile(
    r"(^|\.)(masked_bias|(\w+_)?inv_freq|(cos|sin)_cached|position_ids|causal_mask|embed_positions\.weights|"
    r"_float_tensor)$"
)
_MASK = re.compile(r"(^|\.)(\w*attn|\w*attention)\.bias$")
_AGAIN = "Download or copy it again."


def read_header(path: Path) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor in the file; ModelError where the file is cut short or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with path.open("rb") as file:
            start = file.read(8)
        with safe_open(path, framework="numpy") as tensors:
            return {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    except OSError as error:
        raise ModelError(f"Cannot read {path}: {error.strerror or error}.") from error
    except SafetensorError as error:
        if start == b"version ":
            raise ModelError(
                f"{path} is a Git LFS pointer, not the weights. Run `git lfs pull` in its folder."
            ) from error
        raise ModelError(_explained(path, str(error))) from error


def _explained(path: Path, reason: str) -> str:
    """A sentence for what safetensors says of a file. Its words are looked for, as its errors have one type."""
    if match := re.search(r"unknown variant `(.+?)`", reason):
        return (
            f"{path} holds tensors of the type {match[1]}, which this version of safetensors does not read. Update it."
        )
    sentence = next((sentence for words, sentence in _REASONS if words in reason), f"cannot be read ({reason})")
    return f"{path} {sentence}. {_AGAIN}"


def find_weights(folder: Path, stem: str = "model") -> list[Path]:
    """The safetensors files that hold `stem`'s weights, each checked: one file, or the shards of an index."""
    single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    if single.is_file():
        read_header(single)
        return [single]
    if index.is_file():
        return _shards(index)
    pickles = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth") for p in folder.glob(pattern))
    if pickles:
        raise ModelError(
            f"{folder} has its weights only as pickle ({pickles[0]}), which can run code when it is read. "
            f"Only safetensors are read. {_conversion(folder, stem)}"
        )
    raise ModelError(f"{folder} has no weights: neither {single.name} nor {index.name} is there.{other_format(folder)}")


def other_format(folder: Path) -> str:
    """A sentence on weights in a format that is not read here, or nothing."""
    for pattern, name in (("*.gguf", "GGUF"), ("*.onnx", "ONNX"), ("*.h5", "TensorFlow"), ("*.msgpack", "Flax")):
        if files := sorted(folder.glob(pattern)):
            return f" It holds {name} ({files[0].name}), which is not read here: give the model as safetensors."
    return ""


def left_over(folder: Path, unexpected: Iterable[str], stem: str = "model") -> list[str]:
    """Of the tensors that a model class did not use, those that are weights, sorted. Older versions of transformers
    also wrote buffers that are computed from the configuration: masks, rotary frequencies, positions."""
    names = sorted(unexpected)
    if not any(_BUFFER.search(name) or _MASK.search(name) for name in names):
        return names
    shapes = {name: shape for path in find_weights(folder, stem) for name, shape in read_header(path).items()}
    return [name for name in names if not _is_buffer(name, shapes.get(name))]


def _is_buffer(name: str, shape: tuple[int, ...] | None) -> bool:
    if _BUFFER.search(name):
        return True
    # a mask [.., n, n] has the name of a bias [n]
    return bool(_MASK.search(name)) and shape is not None and len(shape) >= 2 and shape[-1] == shape[-2]


def _conversion(folder: Path, stem: str) -> str:
    if stem != "model":
        return "If you trust the file, load the adapter with peft and save it again with save_pretrained."
    return (
        'If you trust the file, convert it: python -c "from transformers import AutoModelForCausalLM as M; M.'
        f"from_pretrained('{folder}').save_pretrained('{folder}-safetensors')\", and copy the tokenizer files over."
    )


def _shards(index: Path) -> list[Path]:
    try:
        weight_map: dict[str, str] = dict(json.loads(index.read_text("utf-8"))["weight_map"])
        wanted: dict[str, set[str]] = {}
        for tensor, name in weight_map.items():
            if Path(name).name != name:
                raise ValueError(name)  # a shard lies beside its index, nowhere else
            wanted.setdefault(name, set()).add(tensor)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{index} is damaged: it does not say which file holds which weight. {_AGAIN}") from error
    missing = [name for name in sorted(wanted) if not (index.parent / name).is_file()]
    if missing:
        raise ModelError(
            f"{index.parent} lacks {len(missing)} of its {len(wanted)} weight files: {', '.join(missing)}. {_AGAIN}"
        )
    files = [index.parent / name for name in sorted(wanted)]
    for path in files:
        lost = sorted(wanted[path.name] - read_header(path).keys())
        if lost:
            raise ModelError(f"{path} lacks {len(lost)} weights that {index.name} promises, the first {lost[0]}.")
    if not files:
        raise ModelError(f"{index} names no weights. {_AGAIN}")
    return files
