"""The table [judge] of a test file's declaration, where a model grades: at a server, or a checkpoint loaded here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import UsageError
from harness.models.served import is_address
from harness.options import OptionError, sentences
from harness.options.declaration import former_names, option
from harness.options.run_options import ModelSpec
from judges.judging.options import AskedJudge


class GraderOptions(ModelSpec, AskedJudge):
    model: str = option(
        ...,
        "Who grades.",
        allowed="a model's name at the server that base_url names, or without that a folder, a hub id or tiny",
    )
    base_url: str | None = option(
        None,
        "A server that speaks OpenAI's API and has the model.",
        allowed="a server's address that begins with http",
        pattern=r"^https?://\S+$",
    )


_HERE = ("base", "revision", "trust_remote_code", "device", "dtype", "load_in_4bit", "backend")
_THERE = ("price_in", "price_out", "max_cost", "concurrency", "timeout", "attempts")


def grader_options(settings: Mapping[str, Any], where: str) -> GraderOptions:
    """UsageError, which begins with `where`, for a key or a value that cannot be."""
    former = former_names(GraderOptions)
    names = {key: key.replace("-", "_") for key in settings}
    try:
        options = GraderOptions(**{former.get(names[key], names[key]): value for key, value in settings.items()})
        _check(options)
    except OptionError as error:
        raise UsageError(worded(error, where)) from error
    return options


def worded(error: OptionError, where: str) -> str:
    if not error.is_known:
        return f"{where}: {error.text}"
    return f"{where} {sentences.of_toml(error.key, error.value)}{error.text}"


def _check(options: GraderOptions) -> None:
    if is_address(options.model):
        text = " is a server's address: write it as base_url, and the name of the model there as model."
        raise OptionError("model", options.model, text)
    for name in _HERE if options.base_url else _THERE:
        value = getattr(options, name)
        if value != GraderOptions.model_fields[name].default:
            goes_with = "a checkpoint that is loaded here" if options.base_url else "a server, which base_url names"
            raise OptionError(name, value, f" goes with {goes_with}.")
    if options.base_url is None and options.temperature < 0:
        raise OptionError(
            "temperature", options.temperature, " must be 0 or above for a checkpoint that is loaded here."
        )
