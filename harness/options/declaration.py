"""Options declared once: a pydantic model whose fields say default, help and what is allowed.

Command line (`harness.cli.declared`), TOML (`harness.options.toml`) and Python are views of the same declaration. A
value that is not allowed is an `OptionError` in all three: the same sentence behind the key and value as they were
written there.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import get_annotations
from typing import Any, ClassVar, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, PydanticUndefined, core_schema

from harness.errors import UsageError, suggest
from harness.options import sentences

COUNT = 1_000_000  # the most that a number of trials, workers or rows can be: more is a slip of the hand
SEED = 2**31 - 1  # what every generator of random numbers takes


class OptionError(UsageError):
    """`key` is the option's, `text` what stands behind key and value in every view, `place` which of a list's values
    is meant. Of a table, `value` may be the part that cannot be. Other options stand in `text` as `name` between
    backticks, which the command line shows as flags."""

    def __init__(self, key: str, value: Any, text: str, place: int | None = None, is_known: bool = True) -> None:
        self.key, self.value, self.text, self.place, self.is_known = key, value, text, place, is_known
        super().__init__(f"{sentences.of_python(key, value)}{text}" if is_known else text)

    def __reduce__(self) -> tuple[Any, ...]:  # a worker sends it to the process that shows it
        return type(self), (self.key, self.value, self.text, self.place, self.is_known)


@dataclass(frozen=True, slots=True)
class Option:
    """What a field says beside its type: see `option`."""

    default: Any
    allowed: str
    panel: str
    flag: str | None
    former: str
    names: Callable[[], Iterable[str]] | None
    read: Callable[[Any], object] | None
    parse: Callable[[Any], Any] | None
    convert: Callable[[Any], Any] | None
    may_be_empty: bool

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """pydantic's own hook for what stands beside a type: checks around those of the type."""
        check = functools.partial(self._check, kind=kind_of(source))
        return core_schema.no_info_wrap_validator_function(check, handler(source))

    def taken(self, value: Any, kind: type) -> Any:
        """The value as the type has it: a path as its text, one text of a list without the list."""
        if self.convert is not None:
            value = self.convert(value)
        if isinstance(value, os.PathLike) and kind is str:
            return os.fspath(value)
        if kind is tuple:
            return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value
        return value

    def _check(self, value: Any, handler: Callable[[Any], Any], kind: type) -> Any:
        value = self.taken(value, kind)
        if type(value) is type(self.default) and value == self.default:
            return value
        value = handler(value)
        words = value if kind is tuple else (value,)
        if not self.may_be_empty and any(isinstance(word, str) and not word.strip() for word in words):
            raise PydanticCustomError("empty", "is empty")
        if self.names is not None and value is not None:
            known = list(self.names())
            for word in words:
                if word not in known:
                    raise PydanticCustomError("unknown_name", "{near}", {"near": suggest(word, known)})
        if self.read is not None and value is not None:
            try:
                self.read(value)
            except UsageError as error:
                raise PydanticCustomError("meaning", "{sentence}", {"sentence": str(error)}) from error
        return value


def option(
    default: Any,
    help: str,
    *,
    panel: str = "",
    flag: str | None = None,
    former: str = "",
    allowed: str = "",
    choices: Iterable[str] | Callable[[], Iterable[str]] | None = None,
    reader: Callable[[Any], object] | None = None,
    parse: Callable[[Any], Any] | None = None,
    convert: Callable[[Any], Any] | None = None,
    may_be_empty: bool = False,
    default_factory: Callable[[], Any] | None = None,
    **constraints: Any,
) -> Any:
    """A pydantic Field of a `Declaration`.

    `default`: `...` for an option that must be given. `flag`: as Typer writes it ("--no-rungs/--rungs"), `--name` where
    it is None, and "" for an option without one. `former`: the option's name of before, still taken, with a note.
    `allowed` ends the sentence "KEY = VALUE must be …"; by type and constraints where left out. `choices`: the names
    that there are. `reader` raises UsageError where a value of the right type makes no sense. `parse` makes the value
    of the command line's texts, `convert` that of what another view writes. `constraints`: pydantic's `ge`, `gt`, `le`,
    `lt`, `pattern`. The default itself is always allowed."""
    names = choices if callable(choices) or choices is None else functools.partial(tuple, tuple(choices))
    field: Any  # a FieldInfo
    if default_factory is not None:
        field = Field(default_factory=default_factory, description=help, **constraints)
    else:
        field = Field(default, description=help, **constraints)
    field.metadata.append(
        Option(
            default,
            allowed,
            panel,
            flag,
            former,
            names,
            reader,
            parse,
            convert,
            may_be_empty,
        )
    )
    return field


class Declaration(BaseModel):
    """A set of options. Strict: "40" and true are no numbers; 1 is a number with a fraction too. Frozen: `replace`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)
    file_word: ClassVar[str] = "file"  # what a file of such options is called: "study file"

    def __init__(self, /, **values: Any) -> None:
        """OptionError, a UsageError, for a name or a value that cannot be."""
        values = _renamed(type(self), values)
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise next(errors_of(type(self), error)) from None

    def replace(self, **changes: Any) -> Self:
        """The same options but for `changes`, which are checked."""
        return type(self)(**{**dict(self), **changes})


def declared(model: type[Declaration]) -> dict[str, FieldInfo]:
    """The fields by name, the class's own first and those of its bases behind them."""
    own = [name for cls in model.__mro__ for name in get_annotations(cls)]
    return {name: model.model_fields[name] for name in dict.fromkeys(own) if name in model.model_fields}


def option_of(field: FieldInfo) -> Option:
    return next(entry for entry in field.metadata if isinstance(entry, Option))


def former_names(model: type[Declaration]) -> dict[str, str]:
    """Names of before: names of now."""
    return {option_of(f).former: name for name, f in model.model_fields.items() if option_of(f).former}


def kind_of(annotation: Any) -> type:
    """int, float, bool, str, tuple or Mapping; `X | None` is X."""
    alternatives = [alternative for alternative in get_args(annotation) if alternative is not type(None)]
    if get_origin(annotation) is None or type(None) not in get_args(annotation):
        return get_origin(annotation) or annotation
    return kind_of(alternatives[0])


def allowed(field: FieldInfo) -> str:
    """What ends the sentence "KEY = VALUE must be …"."""
    own = option_of(field)
    if own.allowed:
        return own.allowed
    if own.names is not None:
        return f"one of {', '.join(own.names())}"
    limits = {key: getattr(entry, key) for entry in field.metadata for key in ("ge", "gt", "le") if hasattr(entry, key)}
    return sentences.allowed(kind_of(field.annotation), limits)


def errors_of(model: type[Declaration], error: ValidationError) -> Iterator[OptionError]:
    """What is wrong, in the order of the fields."""
    for details in error.errors(include_url=False):
        yield _error_of(model, details)


def not_given(key: str, text: str) -> OptionError:
    """Of an option that has no value and needs one: `text` says what it can be."""
    return OptionError(key, PydanticUndefined, f" must be given: {text}.")


@contextmanager
def about(key: str, value: Any) -> Iterator[None]:
    """What cannot be used in here is that option's value: a UsageError becomes an OptionError."""
    try:
        yield
    except OptionError:
        raise
    except UsageError as error:
        raise OptionError(key, value, f": {error}") from error


def _error_of(model: type[Declaration], details: ErrorDetails) -> OptionError:
    key, value, kind = str(details["loc"][0]), details["input"], details["type"]
    place = next((part for part in details["loc"][1:2] if isinstance(part, int)), None)
    if kind == "extra_forbidden":
        return OptionError(key, value, f"There is no option {key!r}.{suggest(key, model.model_fields)}", is_known=False)
    text = allowed(model.model_fields[key])
    if kind == "missing":
        return not_given(key, text)
    if kind == "meaning":
        return OptionError(key, value, f": {details['msg']}", place)
    near = details["msg"] if kind == "unknown_name" else ""
    return OptionError(key, value, f" must be {text}.{near}", place)


def _renamed(model: type[Declaration], values: Mapping[str, Any]) -> dict[str, Any]:
    """With the names of now."""
    former = former_names(model)
    for name in former.keys() & values.keys():
        if former[name] in values:
            raise UsageError(f"{name} is called {former[name]} now, and both are given.")
        warnings.warn(f"{name} is called {former[name]} now.", FutureWarning, stacklevel=3)
    return {former.get(name, name): value for name, value in values.items()}
