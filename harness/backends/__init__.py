"""Engines that answer requests: parts by name (harness/registry.py). `make` loads a model into one of them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from harness import registry
from harness.options import OptionError
from harness.options.run_options import AUTO

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from harness.options import BackendSettings, ResolvedModel
    from harness.types import Backend, BackendFactory


class Begun(Protocol):
    """A run, or answers of one model, as the store has it."""

    @property
    def name(self) -> str: ...

    @property
    def backend(self) -> str: ...

    @property
    def config(self) -> Mapping[str, Any]: ...


def make(wanted: str, model: ResolvedModel, settings: BackendSettings) -> tuple[Backend, list[str]]:
    """The backend of that name (see `choose`), and warnings about the checkpoint (an adapter is probed, and merged, on
    the way)."""
    load: BackendFactory = registry.load("backends", choose(wanted, model))
    return load(model, settings)


def choose(wanted: str, model: ResolvedModel) -> str:
    """What `auto` is: a server's address means `endpoint`; vLLM where it and a GPU are present; else transformers."""
    served = model.checkpoint.kind == "served"
    if wanted != AUTO:
        registry.check("backends", wanted, f", and {AUTO}, which chooses one")
    if served and wanted not in (AUTO, "endpoint"):
        raise OptionError("backend", wanted, f": {model.address} is a server, which endpoint asks (auto chooses it).")
    if served:
        return "endpoint"
    if wanted == "endpoint":
        text = " asks a server: give its address as `model` (http://host:port/v1), and `served_name`."
        raise OptionError("backend", wanted, text)
    if wanted != AUTO:
        return wanted
    return "vllm" if model.device == "cuda" and not model.load_in_4bit and find_spec("vllm") else "transformers"


def begun_with(record: Begun) -> str:
    """The name of the backend that made what is stored, as the option `backend` takes it."""
    asked = str(record.config.get("backend", AUTO))
    return record.backend if asked == AUTO else asked


def to_go_on(wanted: str, record: Begun | None) -> str:
    """The backend that goes on with what was begun: the same one; the wanted one where nothing was. OptionError where
    another is asked for."""
    if record is None:
        return wanted
    begun = begun_with(record)
    if wanted not in (AUTO, begun):
        text = (
            f": {record.name} was begun with {begun}, and another backend's answers are not added to it. Go on with "
            "that one, or start over with `fresh`."
        )
        raise OptionError("backend", wanted, text)
    return begun


def settings_to_go_on(settings: BackendSettings, record: Begun | None) -> BackendSettings:
    """The settings with which what was begun goes on: an adapter that was served live is, and a merged one is merged,
    where the settings leave it open."""
    begun = lora_of(record)
    return settings.replace(lora=begun) if begun and settings.lora == AUTO else settings


def lora_of(record: Begun | None) -> str:
    """ "live" or "merge", as the engine that began it had the adapter; "" where it has none, or there is no choice."""
    return "" if record is None else str(record.config.get("backend_details", {}).get("lora", ""))
