"""Puts a whole checkpoint's model and tokenizer into memory. An adapter goes on afterwards (adapter.py)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, MissingError, ModelError
from harness.models.checkpoint import Checkpoint
from harness.models.weights import left_over
from harness.options import OptionError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

DTYPES = ("float32", "bfloat16", "float16")


def load_model(
    checkpoint: Checkpoint, dtype: str | None = None, device: str = "cpu", load_in_4bit: bool = False
) -> PreTrainedModel:
    """The model, ready to answer. `dtype` is one of DTYPES, or None for the stored one.

    ModelError where it is no causal language model, and where weights are missing, left over or of another shape:
    transformers only warns of these, and fills what is missing with random numbers. For an adapter, load its `base`.
    """
    from harness.models.causal import check_direction

    model = load_unchecked(checkpoint, dtype, device, load_in_4bit)
    check_direction(model, checkpoint)
    return model


def load_unchecked(
    checkpoint: Checkpoint, dtype: str | None = None, device: str = "cpu", load_in_4bit: bool = False
) -> PreTrainedModel:
    """As `load_model`, for those who see for themselves whether later tokens change what the model says of earlier ones
    (backends/transformers/self_check.py)."""
    import torch

    require_device(device)
    options: dict[str, Any] = {"dtype": getattr(torch, _known(dtype or checkpoint.dtype))}
    if device.startswith("cuda"):
        options["device_map"] = {"": device}  # straight to the GPU, shard by shard
    if load_in_4bit:
        options["quantization_config"] = _four_bits(options["dtype"], device)
    model = _load(checkpoint, device, options)
    return model.to(device).eval() if "device_map" not in options else model.eval()


def check_loads(checkpoint: Checkpoint) -> None:
    """All of load_model's refusals that need no numbers, in seconds and without memory for the weights: before a study
    begins. Weights that are quantised in the file are not matched: their libraries want the device itself."""
    from harness.models.causal import causal_class

    config = load_config(checkpoint)
    causal_class(config, checkpoint)
    if getattr(config, "quantization_config", None) is None:
        _load(checkpoint, "meta", {"device_map": {"": "meta"}})


def load_config(checkpoint: Checkpoint) -> PreTrainedConfig:
    """transformers' configuration of a whole checkpoint. ModelError where it cannot be read."""
    from transformers import AutoConfig

    with _sentences(checkpoint, "cpu"):
        return AutoConfig.from_pretrained(
            checkpoint.path, trust_remote_code=checkpoint.remote_code, local_files_only=True
        )


def _load(checkpoint: Checkpoint, device: str, options: dict[str, Any]) -> PreTrainedModel:
    """The model as transformers loads it, all weights in their places."""
    if checkpoint.base is not None:
        raise ValueError("an adapter is not a model: load its base, then use harness.models.adapter")
    with _lean_imports():
        import transformers

        from harness.models.causal import causal_class
    transformers.utils.logging.set_verbosity_error()  # what matters is raised below
    transformers.utils.logging.disable_progress_bar()
    loader = causal_class(load_config(checkpoint), checkpoint)
    with _sentences(checkpoint, device):
        model, report = loader.from_pretrained(
            checkpoint.path,
            use_safetensors=True,
            trust_remote_code=checkpoint.remote_code,
            local_files_only=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # raised below, with the names
            **options,
        )
    shapes = [f"{name} {tuple(file)} for {tuple(own)}" for name, file, own in sorted(report["mismatched_keys"])]
    for names, meaning in (
        (shapes, "has weights of another shape:"),
        (sorted(report["missing_keys"]), "lacks weights:"),
        (left_over(checkpoint.path, report["unexpected_keys"]), "has weights that its model class does not use:"),
    ):
        if names:
            raise ModelError(
                f"{checkpoint.given} {meaning} {listed(names)}. Its config.json ({checkpoint.architecture}) and its "
                "safetensors do not belong together."
            )
    return model


@contextmanager
def _sentences(checkpoint: Checkpoint, device: str) -> Iterator[None]:
    """What transformers raises, as errors for people."""
    import torch

    try:
        yield
    except HarnessError:
        raise
    except ImportError as error:
        raise MissingError(f"{checkpoint.given} needs a package that is not installed: {_first_line(error)}") from error
    except torch.OutOfMemoryError as error:
        raise ModelError(f"{checkpoint.given} does not fit into the memory of {device}. Try --load-in-4bit.") from error
    except Exception as error:  # a class fails in its own way on a config that does not fit it
        raise ModelError(f"{checkpoint.given} cannot be loaded: {_first_line(error)}") from error


def load_tokenizer(checkpoint: Checkpoint) -> PreTrainedTokenizerBase:
    """The fast tokenizer of a checkpoint (for an adapter its own, where it brings one)."""
    with _lean_imports():
        from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            checkpoint.tokenizer, use_fast=True, trust_remote_code=checkpoint.remote_code, local_files_only=True
        )
    except ImportError as error:
        raise MissingError(
            f"The tokenizer of {checkpoint.given} needs a package that is not installed: {_first_line(error)}"
        ) from error
    except Exception as error:  # the tokenizers library raises a bare Exception on a damaged file
        raise ModelError(f"The tokenizer in {checkpoint.tokenizer} cannot be loaded: {_first_line(error)}") from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"The tokenizer in {checkpoint.tokenizer} has no fast form (tokenizer.json); only that is used here."
        )
    return tokenizer


def listed(names: list[str], most: int = 6) -> str:
    """'a, b, c and 4 more'."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def require_device(device: str) -> None:
    """OptionError where a device has no such name, MissingError where this machine has none of it."""
    import torch

    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind = device.partition(":")[0]
    if kind not in present:
        raise OptionError("device", device, " is not a device: choose cpu, cuda or mps.")
    if not present[kind]:
        raise MissingError(f"torch finds no {kind} device on this machine; --device cpu always works.")


def _known(dtype: str) -> str:
    if dtype not in DTYPES:
        raise OptionError("dtype", dtype, f" is not a type to compute in: choose one of {', '.join(DTYPES)}.")
    return dtype


def _four_bits(dtype: Any, device: str) -> Any:
    import importlib.util

    if not device.startswith("cuda"):
        raise MissingError("--load-in-4bit needs an NVIDIA GPU (--device cuda); this run is on " + device + ".")
    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingError("--load-in-4bit needs bitsandbytes: pip install bitsandbytes")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


@contextmanager
def _lean_imports() -> Iterator[None]:
    """transformers' model classes without scikit-learn and scipy, a third of their import time.

    It wants them for assisted generation and for losses of object detectors only; neither happens here."""
    import transformers.utils as utils

    kept = {name: getattr(utils, name) for name in ("is_sklearn_available", "is_scipy_available")}
    for name in kept:
        setattr(utils, name, lambda: False)
    try:
        for module in ("modeling_layers", "models.auto.modeling_auto"):
            import_module(f"transformers.{module}")
        yield
    finally:
        for name, function in kept.items():
            setattr(utils, name, function)
