"""A command line of the documentation, read as the program reads it and not carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.cli.declared import Given, options_of
from harness.cli.main import command
from harness.options.declaration import kind_of


def parse(words: Sequence[str]) -> None:
    """`words` are those behind `harness`. The errors are the program's own: of Typer for an option that there is not,
    UsageError for a command that there is not and for a value that cannot be."""
    from harness import registry
    from harness.errors import UsageError

    if not words or words[0] not in registry.names("commands"):
        raise UsageError(f"There is no command {' '.join(words[:1])!r}.")
    name, rest = words[0], list(words[1:])
    part = command(name)
    while rest and rest[0] in getattr(part, "commands", {}):
        name, part, rest = rest[0], part.commands[rest[0]], rest[1:]
    if rest and getattr(part, "commands", None) and not rest[0].startswith("-"):
        raise UsageError(f"harness {words[0]} has no subcommand {rest[0]}.")
    context = part.make_context(name, rest)
    function = getattr(part.callback, "__wrapped__", part.callback)
    model = options_of(function)
    if model is None or context.params.get("study") or context.params.get("imported"):
        return  # a study file has the options that are not here
    written = {
        name: value
        for name, value in context.params.items()
        if name in model.model_fields and str(context.get_parameter_source(name)).endswith("COMMANDLINE")
    }
    Given(model, context, written).options(**_one_of_several(model, written))


def _one_of_several(model: Any, written: Mapping[str, Any]) -> dict[str, Any]:
    """An option that a command takes several times, once for each time that it works, with the first of its values."""
    fields = model.model_fields
    return {
        name: value[0]
        for name, value in written.items()
        if isinstance(value, list) and value and kind_of(fields[name].annotation) not in (tuple, Mapping)
    }
