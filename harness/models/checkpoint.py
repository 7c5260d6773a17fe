"""What `model` means: a folder, a hub id, the embedded `tiny`, or a LoRA adapter on one of these.

Nothing here imports torch: a finished run must be found, and a bad path refused, at once.

A checkpoint's digest covers what decides its answers and nothing of where it lies: config.json, the
tokenizer's files with the chat template, the safetensors files, and of generation_config.json only the end
tokens (they decide where a text ends; its sampling defaults are never used). An adapter's digest covers its
base's digest, adapter_config.json, its tensors, and the tokenizer in use.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from harness.errors import ModelError, suggest
from harness.models.digests import file_digests
from harness.models.weights import find_weights, other_format
from harness.options.declaration import OptionError  # the package itself imports `Checkpoint`

BASE_DIGEST_FILE = "harness.json"  # our trainer writes {"base_digest": …} into an adapter's folder
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILES = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "*.tiktoken"]
_VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")
_TOKENIZER_FILES = (
    *_VOCABULARIES,
    *("merges.txt", "tiktoken.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("chat_template.jinja", "chat_template.json"),
)
_OTHER_HEADS = re.compile(  # of classes that cannot say the next token. Of all others, loading decides
    r"For(MaskedLM|PreTraining|(Sequence|Token|Image|Audio)\w*Classification|QuestionAnswering|MultipleChoice|"
    r"NextSentencePrediction|RewardModel\w*|SpeechSeq2Seq|Seq2SeqLM)$"
)
_ORIGIN_KEYS = {"_name_or_path", "name_or_path", "transformers_version", "torch_dtype", "dtype"}
_ADAPTER_ORIGIN_KEYS = {"base_model_name_or_path", "revision", "inference_mode", "peft_version", "lora_dropout"}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    given: str  # as it was typed
    kind: Literal["folder", "hub", "adapter", "served"]  # served: see harness/models/served.py
    path: Path  # the local folder
    digest: str  # sha256, hexadecimal
    dtype: str  # of the stored weights: "float32", "bfloat16", "float16"
    architecture: str  # "LlamaForCausalLM", or its model type where no class is named; an adapter's is its base's
    tokenizer: Path  # the folder that holds the tokenizer
    base: Checkpoint | None = None  # adapters only
    revision: str = ""  # hub only: the commit
    remote_code: bool = False  # may code inside the checkpoint run
    warnings: tuple[str, ...] = ()


def resolve(
    model: str, base: str | None = None, revision: str | None = None, trust_remote_code: bool = False
) -> Checkpoint:
    """Find, check and identify a checkpoint. ModelError says what is wrong with it and what to do."""
    path, commit = locate(model, revision)
    if is_adapter(path):
        return _adapter(model, path, base, commit, trust_remote_code)
    if base is not None:
        text = f" goes with a LoRA adapter, and {model} is not one (no adapter_config.json in {path})."
        raise OptionError("base", base, text)
    return _whole_model(model, path, commit, trust_remote_code)


def adapters_in(folder: Path) -> list[str]:
    """The folders in `folder` that are LoRA adapters, by name. ModelError where there is none."""
    try:
        adapters = sorted(str(entry) for entry in folder.iterdir() if is_adapter(entry))
    except OSError as error:
        raise ModelError(
            f"The folder {folder} cannot be read ({error.strerror}). Give one that holds adapters."
        ) from error
    if not adapters:
        text = " It is an adapter itself: give it as the model." if is_adapter(folder) else ""
        raise ModelError(f"No folder in {folder} is a LoRA adapter (none holds an adapter_config.json).{text}")
    return adapters


def is_adapter(path: Path) -> bool:
    return (path / "adapter_config.json").is_file()


def _whole_model(given: str, path: Path, commit: str, remote_code: bool) -> Checkpoint:
    config = _read_json(path / "config.json", f"{path} is not a checkpoint: it has no config.json.{other_format(path)}")
    architecture = _class_name(config, path)
    weights = find_weights(path)
    tokenizer = tokenizer_parts(path)
    if tokenizer is None:
        raise ModelError(f"{path} has no tokenizer ({', '.join(_VOCABULARIES[:3])}, …). Copy the model's into it.")
    parts = [("config.json", _json_digest(config, _ORIGIN_KEYS)), *tokenizer, *_end_tokens(path)]
    parts += zip([file.name for file in weights], file_digests(weights), strict=True)
    if remote_code:
        parts += [(code.name, _bytes_digest(code)) for code in sorted(path.glob("*.py"))]
    dtype = config.get("dtype") or config.get("torch_dtype") or "float32"
    return Checkpoint(
        given=given,
        kind="hub" if commit else "folder",
        path=path,
        digest=combine(parts),
        dtype=str(dtype).removeprefix("torch."),
        architecture=architecture,
        tokenizer=path,
        revision=commit,
        remote_code=remote_code,
    )


def _adapter(given: str, path: Path, base: str | None, commit: str, remote_code: bool) -> Checkpoint:
    config = _read_json(path / "adapter_config.json", "")
    if config.get("peft_type") != "LORA":
        raise ModelError(f"{path} is an adapter of type {config.get('peft_type')}; only LoRA is supported.")
    weights = find_weights(path, "adapter_model")
    on = _base(given, config, base, remote_code)
    own, bases = tokenizer_parts(path), tokenizer_parts(on.tokenizer) or []
    warnings = _check_base(given, path, on)
    if own is not None and own != bases:
        warnings.append(f"The adapter {given} brings its own tokenizer or chat template; it is used, not the base's.")
    for key in ("target_modules", "modules_to_save"):  # sets, which are saved in any order
        if isinstance(config.get(key), list):
            config[key] = sorted(config[key])
    parts = [("base", on.digest), ("adapter_config.json", _json_digest(config, _ADAPTER_ORIGIN_KEYS)), *(own or bases)]
    parts += zip([file.name for file in weights], file_digests(weights), strict=True)
    return Checkpoint(
        given=given,
        kind="adapter",
        path=path,
        digest=combine(parts),
        dtype=on.dtype,
        architecture=on.architecture,
        tokenizer=on.tokenizer if own is None else path,
        base=on,
        revision=commit,
        remote_code=remote_code,
        warnings=tuple(warnings),
    )


def _base(adapter: str, config: dict[str, Any], base: str | None, remote_code: bool) -> Checkpoint:
    named = base or config.get("base_model_name_or_path")
    if not named:
        raise ModelError(f"The adapter {adapter} does not name its base model. Pass it with --base.")
    revision = None if base or Path(named).is_dir() else config.get("revision")
    try:
        path, commit = locate(named, revision)
        if is_adapter(path):
            raise ModelError(f"{named} is itself a LoRA adapter: merge it first (harness merge).")
        return _whole_model(named, path, commit, remote_code)
    except ModelError as error:
        other = "" if base else f"The adapter {adapter} names {named} as its base; pass another place with --base. "
        raise ModelError(f"{other}{error}") from error


def _check_base(model: str, path: Path, base: Checkpoint) -> list[str]:
    """The base digest that our trainer wrote must be this base's; other trainers write none."""
    note = path / BASE_DIGEST_FILE
    trained_on = _read_json(note, "").get("base_digest") if note.is_file() else None
    if trained_on is None:
        return [f"The adapter {model} does not record which base it was trained on; {base.given} is taken on trust."]
    if trained_on != base.digest:
        raise ModelError(
            f"The adapter {model} was trained on a base with the digest {trained_on}, and {base.given} has the digest "
            f"{base.digest}. Pass the right base with --base."
        )
    return []


def locate(model: str, revision: str | None) -> tuple[Path, str]:
    """The local folder, and the commit where it came from a hub."""
    path = Path(model).expanduser()
    if revision and (model == "tiny" or path.is_dir()):
        text = f" goes with a hub id, and {model} is {'embedded' if model == 'tiny' else 'a folder'}."
        raise OptionError("revision", revision, text)
    if model == "tiny":
        path = Path(str(files("data"))) / "tiny"
        if not (path / "config.json").is_file():
            raise ModelError(
                f"The embedded model is missing from this installation ({path}). Install the program again."
            )
        return path, ""
    if path.is_dir():
        return path.resolve(), ""
    if path.exists():
        raise ModelError(f"{model} is a file. Give the folder that holds config.json and the safetensors.")
    near = suggest(path.name, _folders(path.parent)).replace(" mean ", f" mean {path.parent}/", 1)
    near = near or suggest(model, ["tiny"])
    if _HUB_ID.fullmatch(model) and (revision or not near):
        return _download(model, revision)
    raise ModelError(f"There is no folder {model}.{near} Give a checkpoint's folder, a hub id (org/name) or tiny.")


def _folders(parent: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in parent.iterdir() if entry.is_dir())
    except OSError:
        return []


def _download(model: str, revision: str | None) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download

    at = f" at revision {revision}" if revision else ""
    try:
        folder = snapshot_download(
            model, revision=revision, allow_patterns=_HUB_FILES, ignore_patterns=["*/*", "consolidated*"]
        )
    except Exception as error:  # the hub's client has a dozen kinds: offline, not found, gated, a broken line
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"There is no folder {model}, and it could not be had from the hub{at} ({reason}). Download it where there "
            f"is a network (hf download {model}), or give a checkpoint's folder."
        ) from error
    return Path(folder), Path(folder).name


def _class_name(config: dict[str, Any], path: Path) -> str:
    """The model class that config.json names, or else its model type. ModelError where that can be no causal model;
    whether it is one, loading decides (harness/models/causal.py)."""
    names = config.get("architectures") or [config.get("model_type")]
    if not isinstance(names, list) or not isinstance(names[0], str) or not names[0]:
        raise ModelError(
            f'{path}/config.json names no model class. Add "architectures", for example ["LlamaForCausalLM"].'
        )
    name = names[0]
    reason = ""
    if config.get("is_encoder_decoder"):
        reason = "it is an encoder with a decoder, which answers a text and does not continue it"
    elif _OTHER_HEADS.search(name):
        reason = "its head is for another work, and it cannot say the next token"
    if reason:
        raise ModelError(
            f"{path} holds a {name}, which is not a causal language model: {reason}. Give a decoder such as Llama, "
            "Mistral, Qwen or GPT-2."
        )
    return name


def _read_json(path: Path, absent: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(absent or f"{path} is missing.") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON ({error}). Download or copy it again.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} must hold a JSON object. Download or copy it again.")
    return content


def tokenizer_files(folder: Path) -> list[Path]:
    """The files in a folder that belong to a tokenizer, its chat template among them."""
    return [folder / name for name in _TOKENIZER_FILES if (folder / name).is_file()]


def tokenizer_parts(folder: Path) -> list[tuple[str, str]] | None:
    """(file name, digest) of the tokenizer's files, or None where there is no vocabulary."""
    present = tokenizer_files(folder)
    if not any(file.name in _VOCABULARIES for file in present):
        return None
    further = sorted((folder / "additional_chat_templates").glob("*.jinja"))
    return [(f"{file.parent.name}/{file.name}", _bytes_digest(file)) for file in further] + [
        (
            file.name,
            _json_digest(_read_json(file, ""), _ORIGIN_KEYS)
            if file.name.endswith("_config.json")
            else _bytes_digest(file),
        )
        for file in present
    ]


def _end_tokens(folder: Path) -> list[tuple[str, str]]:
    path = folder / "generation_config.json"
    if not path.is_file():
        return []
    ends = _read_json(path, "").get("eos_token_id")
    return [("eos_token_id", json.dumps(ends))]


def _json_digest(content: dict[str, Any], without: set[str]) -> str:
    kept = {key: value for key, value in content.items() if key not in without}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _bytes_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def combine(parts: Iterable[tuple[str, str]]) -> str:
    """One digest of (name, digest) pairs, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(parts)).encode()).hexdigest()
