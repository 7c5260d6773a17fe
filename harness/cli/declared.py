"""Commands whose flags are views of declared options (`harness.options`).

A command's module names its options as text, "harness.options:RunOptions": they are imported when the command is called
or its help is shown, so that a list of all commands costs nothing of them. Texts are read here and not by Typer: what
cannot be read is said in the declaration's own words.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, get_type_hints

import typer
from typer.models import ArgumentInfo

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from harness.errors import UsageError
    from harness.options.declaration import Declaration, OptionError

O_co = TypeVar("O_co", bound="Declaration", covariant=True)
PANELS = ("", "Model", "Models", "Rows", "Search", "Questions", "Cost", "Computing", "Server", "Store")


class Given(Generic[O_co]):
    """What the command line gives of declared options. `context` is Typer's."""

    def __init__(self, model: type[O_co], context: typer.Context, texts: Mapping[str, Any]) -> None:
        self.model, self.context, self._texts = model, context, texts
        self._file: Path | None = None
        self._written: Mapping[str, Any] = {}  # what the file says
        self._values: Mapping[str, Any] = {}  # what the texts say

    def options(self, file: Path | None = None, **own: Any) -> O_co:
        """The options: a flag comes before the file, the file before HARNESS_DB, and that before the default. `own`
        are values that the command has found itself. OptionError for a value that cannot be."""
        from harness.options.toml import read_toml

        fields, texts = self.model.model_fields, self._texts
        self._file, self._written = file, read_toml(self.model, file) if file else {}
        self._values = {name: _value(fields[name], text) for name, text in texts.items() if name not in own}
        values: dict[str, Any] = dict(self._written)
        for name, value in self._values.items():
            merged = isinstance(value, Mapping) and isinstance(values.get(name), Mapping)
            values[name] = {**values[name], **value} if merged else value
        return self.model(**{**values, **own})

    def texts(self, name: str) -> list[str]:
        """What stands behind an option's flags."""
        text = self._texts.get(name, [])
        return [text] if isinstance(text, str) else list(text)

    def in_words(self, error: OptionError) -> UsageError:
        """The error in the words of the place that its value came from: the file's, or the command line's."""
        from harness.options.toml import in_file

        named = in_file(error, self._file, self._written, self._values)
        return _in_flags(error, self._flags(error), self._written_texts(error)) if named is error else named

    def _flags(self, error: OptionError) -> dict[str, str]:
        """The command's, by name; for a value of no, the one of a pair that says no."""
        fields = self.model.model_fields
        return {
            name: _flag(name, fields[name], -1 if name == error.key and error.value is False else 0)
            if name in fields
            else f"--{name.replace('_', '-')}"
            for name in self.context.params
        }

    def _written_texts(self, error: OptionError) -> list[str] | None:
        """The texts that an error is about, as they were written; None where its value is from elsewhere."""
        text = self._texts.get(error.key)
        texts = [str(part) for part in text] if isinstance(text, list | tuple) else [str(text)]
        value = self._values.get(error.key)
        if isinstance(error.value, Mapping) and isinstance(value, Mapping):
            return [part for part in texts if part.partition("=")[0].strip() in error.value]
        if error.place is not None and error.place < len(texts):
            return [texts[error.place]]
        return texts if not isinstance(value, bool) and (value is error.value or value == error.value) else None


def command_of(options: str, several: str = "", only: Sequence[str] = ()) -> Callable[[Callable[..., Any]], Any]:
    """Makes a command of a function whose first parameter is `Given`: the flags of the options take its place, in the
    order of their panels. The function's other parameters stay Typer's. `several`: an option that this command takes
    several times, once for each time that it works; the function asks `Given.texts` for them. `only`: the options
    that this command has flags for, where not all."""
    return functools.partial(_Command, options, several, only)


def options_of(function: Any) -> type[Declaration] | None:
    """The declared options that a command has flags for; None where `command_of` did not make it."""
    return function._model if isinstance(function, _Command) else None


class _Command:
    """The function as Typer sees it. Its signature is made when it is asked for."""

    def __init__(self, options: str, several: str, only: Sequence[str], function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.__annotations__ = {}
        self._options, self._several, self._only, self._function = options, several, only, function

    @functools.cached_property
    def _model(self) -> type[Declaration]:
        module, _, name = self._options.partition(":")
        return getattr(importlib.import_module(module), name)

    @functools.cached_property
    def __signature__(self) -> inspect.Signature:
        parameters = list(inspect.signature(self._function).parameters.values())[1:]
        own = [_evaluated(parameter, self._function) for parameter in parameters]
        taken = {parameter.name for parameter in own}
        flags = [parameter for parameter in _parameters(self._model, self._several) if parameter.name not in taken]
        if self._only:
            flags = [parameter for parameter in flags if parameter.name in self._only]
        context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
        arguments = [parameter for parameter in own if isinstance(parameter.annotation.__metadata__[0], ArgumentInfo)]
        rest = [parameter for parameter in own if parameter not in arguments]
        return inspect.Signature([context, *arguments, *_in_panels([*rest, *flags])])

    def __call__(self, context: typer.Context, **values: Any) -> Any:
        from harness.options.declaration import former_names

        own = {name: values.pop(name) for name in list(inspect.signature(self._function).parameters)[1:]}
        written = {name: value for name, value in values.items() if _is_written(context, name)}
        former = former_names(self._model)
        for name in former.keys() & written.keys():
            self._rename(name, former[name], written)
        from harness.options import OptionError

        given = Given(self._model, context, written)
        try:
            return self._function(given, **own)
        except OptionError as error:
            raise given.in_words(error) from None

    def _rename(self, name: str, now: str, written: dict[str, Any]) -> None:
        from harness.errors import UsageError

        before, flag = f"--{name.replace('_', '-')}", _flag(now, self._model.model_fields[now])
        if now in written:
            raise UsageError(f"{before} is called {flag} now, and both are given.")
        typer.echo(f"note: {before} is called {flag} now.", err=True)
        written[now] = written.pop(name)


@contextmanager
def in_flags(*names: str) -> Iterator[None]:
    """For a command whose options are not declared: an OptionError in here names them as flags."""
    from harness.options import OptionError

    try:
        yield
    except OptionError as error:
        raise _in_flags(error, {name: f"--{name.replace('_', '-')}" for name in names}, None) from None


def _in_flags(error: OptionError, flags: Mapping[str, str], texts: Sequence[str] | None) -> UsageError:
    """The error in the command line's words; as it is where the command has no such flag. `texts`: what was written."""
    from pydantic_core import PydanticUndefined

    from harness.errors import UsageError
    from harness.options.sentences import of_flag

    if not error.is_known or error.key not in flags:
        return error
    if texts is None:
        bare = error.value is PydanticUndefined or error.value is None or isinstance(error.value, bool | Mapping)
        several = error.value if isinstance(error.value, tuple) else (error.value,)
        texts = [] if bare else [str(value) for value in several]
    text = re.sub(r"`(\w+)`", lambda match: flags.get(match[1], match[0]), error.text)
    return UsageError(of_flag(flags[error.key], texts) + text)


def switch_with_value(words: Sequence[str], flag: str) -> str | None:
    """The sentence where a switch was written with a value (--chat=yes), and None where it was not. `flag`: the option
    that Typer finds fault with."""
    value = next((word.partition("=")[2] for word in words if word.startswith(f"{flag}=")), None)
    if value is None:
        return None
    from harness.options.sentences import SWITCH, of_flag

    return f"{of_flag(flag, [value])} must be {SWITCH}."


def _is_written(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _parameters(model: type[Declaration], several: str) -> list[inspect.Parameter]:
    from harness.options.declaration import declared, option_of

    made = []
    for name, field in declared(model).items():
        option = option_of(field)
        if option.flag == "":
            continue
        made.append(_parameter(name, field, several=name == several))
        if option.former:
            made.append(_parameter(option.former, field, f"--{option.former.replace('_', '-')}", hidden=True))
    return made


def _parameter(
    name: str, field: FieldInfo, flag: str | None = None, hidden: bool = False, several: bool = False
) -> inspect.Parameter:
    from harness.options.declaration import kind_of, option_of

    option, kind = option_of(field), kind_of(field.annotation)
    settings: dict[str, Any] = {"help": field.description, "hidden": hidden}
    if option.panel:
        settings["rich_help_panel"] = option.panel
    default = None if option.default is ... or kind in (tuple, Mapping) else option.default
    if option.default is ... and not several:
        settings["help"] = f"{field.description} (required)"
    if default == "":
        default = None
    if name == "db":
        settings["envvar"] = "HARNESS_DB"
    if kind in (int, float):
        settings["metavar"] = "<int>" if kind is int else "<float>"
    annotation = bool if kind is bool else list[str] | None if several or kind in (tuple, Mapping) else str | None
    declarations = typer.Option(flag or option.flag or f"--{name.replace('_', '-')}", **settings)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, declarations]
    )


def _in_panels(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """In the order of their panels; those of one panel stay as they are, and --json comes last."""

    def place(parameter: inspect.Parameter) -> int:
        (declaration,) = parameter.annotation.__metadata__
        panel = declaration.rich_help_panel or ""
        return PANELS.index(panel) if panel else len(PANELS)

    return [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in sorted(parameters, key=place)]


def _evaluated(parameter: inspect.Parameter, function: Callable[..., Any]) -> inspect.Parameter:
    """With its annotation as a type: the annotation of `Given` beside it may name what is imported for types alone."""
    alone: Any = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    hints = get_type_hints(alone, function.__globals__, include_extras=True)
    return parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)


def _flag(name: str, field: FieldInfo, side: int = 0) -> str:
    """`side`: of a pair, --no-rungs/--rungs, which."""
    from harness.options.declaration import option_of

    return (option_of(field).flag or f"--{name.replace('_', '-')}").split("/")[side]


def _value(field: FieldInfo, text: Any) -> Any:
    """The value that a text of the command line stands for; the text itself where it stands for none."""
    from harness.options.declaration import kind_of, option_of

    parse, kind = option_of(field).parse, kind_of(field.annotation)
    if parse is not None:
        return parse(text)
    if kind is int and re.fullmatch(r"[+-]?[0-9]{1,4000}", text):
        return int(text)
    if kind is float:
        try:
            return float(text)
        except ValueError:
            return text
    return tuple(text) if kind is tuple else text
