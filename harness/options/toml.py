"""Options from a TOML file: the view that study files are."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import UsageError, suggest
from harness.options import sentences
from harness.options.declaration import Declaration, OptionError, declared, errors_of, former_names, kind_of, option_of


def read_toml(model: type[Declaration], path: Path) -> dict[str, Any]:
    """The options that a file gives, by name, each as its type has it; others may be given beside it. The file's keys
    are written with - or _. UsageError, which names the file, for a key or a value that cannot be."""
    return of_table(model, read_table(path, model.file_word), str(path))


def read_table(path: Path, word: str) -> dict[str, Any]:
    """What a TOML file holds; `word` is what such a file is called. UsageError where it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageError(f"There is no {word} {path}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as TOML: {error}.") from error


def of_table(model: type[Declaration], content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`read_toml` of a table; `where` names its file, and the table where it is not the whole file."""
    keys: dict[str, str] = {}  # as the file writes them
    values: dict[str, Any] = {}
    fields, former = declared(model), former_names(model)
    for key, value in content.items():
        name = key.replace("-", "_")
        name = former.get(name, name)
        if name not in fields:
            raise UsageError(f"{where}: there is no option {key!r}.{suggest(name, fields)}")
        if name in values:
            raise UsageError(f"{where}: {key} stands twice, as {keys[name]} too.")
        keys[name] = key
        values[name] = option_of(fields[name]).taken(value, kind_of(fields[name].annotation))
    try:
        model.__pydantic_validator__.validate_python(values, self_instance=model.__new__(model))
    except ValidationError as error:
        for wrong in errors_of(model, error):
            if wrong.key in values:
                label = sentences.of_toml(keys[wrong.key], content[keys[wrong.key]])
                raise UsageError(f"{where}: {label}{wrong.text}") from None
    return values


def in_file(
    error: OptionError, path: str | os.PathLike[str] | None, written: Mapping[str, Any], given: Mapping[str, Any]
) -> UsageError:
    """An error that was only met while the options were used, in the words of the file where its value stands there.
    `written` is what `read_toml` gave, `given` what came from elsewhere and goes before it."""
    if path is None or error.key not in written:
        return error
    if isinstance(error.value, Mapping):  # tables are merged
        from_file = not error.value.keys() & given.get(error.key, {}).keys()
    else:
        from_file = error.key not in given and written[error.key] == error.value
    label = sentences.of_toml(error.key, error.value)
    return UsageError(f"{os.fspath(path)}: {label}{error.text}") if from_file else error
