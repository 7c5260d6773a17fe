"""Safetensors files, looked at without torch: which files hold a checkpoint's weights, and are they whole.

The format (https://huggingface.co/docs/safetensors): 8 bytes, the header's length N as a little-endian
integer; N bytes of JSON, name → {dtype, shape, data_offsets}; then the tensors, without gaps.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.errors import ModelError

_BITS = {"F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16}
_BITS |= {"U16": 16, "I8": 8, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8}
_LONGEST_HEADER = 100_000_000  # the format's own limit
_BUFFER = re.compile(
    r"(^|\.)(masked_bias|(\w+_)?inv_freq|(cos|sin)_cached|position_ids|causal_mask|embed_positions\.weights|"
    r"_float_tensor)$"
)
_MASK = re.compile(r"(^|\.)(\w*attn|\w*attention)\.bias$")
_AGAIN = "Download or copy it again."


def read_header(path: Path) -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor in the file; ModelError where the file is cut short or damaged."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            if start == b"version ":
                raise ModelError(f"{path} is a Git LFS pointer, not the weights. Run `git lfs pull` in its folder.")
            length = int.from_bytes(start, "little")
            if len(start) < 8 or length > _LONGEST_HEADER or 8 + length > size:
                raise ModelError(f"{path} is not a whole safetensors file: its header does not fit in it. {_AGAIN}")
            header = json.loads(file.read(length))
    except OSError as error:
        raise ModelError(f"Cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise ModelError(f"{path} is damaged: its safetensors header is not JSON. {_AGAIN}") from error
    try:
        spans = [_span(entry) for name, entry in header.items() if name != "__metadata__"]
        shapes = {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is damaged: its safetensors header describes tensors wrongly. {_AGAIN}") from error
    end = 0
    for begin, stop in sorted(spans):
        if begin != end:
            raise ModelError(f"{path} is damaged: its tensors overlap or leave gaps. {_AGAIN}")
        end = stop
    if 8 + length + end != size:
        raise ModelError(f"{path} holds {size:,} bytes where its header promises {8 + length + end:,}. {_AGAIN}")
    return shapes


def _span(entry: dict[str, Any]) -> tuple[int, int]:
    begin, end = entry["data_offsets"]
    bits = _BITS.get(entry["dtype"])  # newer types are left to the library
    if begin < 0 or end < begin or (bits and (end - begin) * 8 != math.prod(entry["shape"]) * bits):
        raise ValueError
    return begin, end


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
