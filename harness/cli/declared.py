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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, get_type_hints

import typer
from typer.models import ArgumentInfo

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from harness.options.declaration import Declaration

O_co = TypeVar("O_co", bound="Declaration", covariant=True)
PANELS = ("", "Model", "Models", "Rows", "Search", "Questions", "Cost", "Computing", "Server", "Store")


class Given(Generic[O_co]):
    """What the command line gives of declared options. `context` is Typer's."""

    def __init__(self, model: type[O_co], context: typer.Context, texts: Mapping[str, Any]) -> None:
        self.model, self.context, self._texts = model, context, texts

    def options(self, file: Path | None = None, **own: Any) -> O_co:
        """The options: a flag comes before the file, the file before HARNESS_DB, and that before the default. `own`
        are values that the command has found itself. UsageError, with the flag as it was written, for a value that
        cannot be."""
        from harness.options import OptionError
        from harness.options.declaration import option_of
        from harness.options.toml import read_toml

        written = read_toml(self.model, file) if file else {}
        values: dict[str, Any] = dict(written)
        for name, text in self._texts.items():
            if name in own:
                continue
            value = _value(self.model.model_fields[name], text)
            parse = option_of(self.model.model_fields[name]).parse
            if parse is not None and isinstance(values.get(name), Mapping):
                value = {**values[name], **value}
            values[name] = value
        try:
            return self.model(**{**values, **own})
        except OptionError as error:
            raise self._in_flags(error) from None

    def texts(self, name: str) -> list[str]:
        """What stands behind an option's flags."""
        text = self._texts.get(name, [])
        return [text] if isinstance(text, str) else list(text)

    def _in_flags(self, error: Any) -> Exception:
        from harness.errors import UsageError
        from harness.options.sentences import of_flag

        if not error.is_known:
            return error
        text = self._texts.get(error.key, ())
        texts = [str(item) for item in text] if isinstance(text, list | tuple) else [str(text)]
        if error.place is not None and error.place < len(texts):
            texts = [texts[error.place]]
        return UsageError(of_flag(_flag(error.key, self.model.model_fields[error.key]), texts) + error.text)


def command_of(options: str, several: str = "", only: Sequence[str] = ()) -> Callable[[Callable[..., Any]], Any]:
    """Makes a command of a function whose first parameter is `Given`: the flags of the options take its place, in the
    order of their panels. The function's other parameters stay Typer's. `several`: an option that this command takes
    several times, once for each time that it works; the function asks `Given.texts` for them. `only`: the options
    that this command has flags for, where not all."""
    return functools.partial(_Command, options, several, only)


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
        return self._function(Given(self._model, context, written), **own)

    def _rename(self, name: str, now: str, written: dict[str, Any]) -> None:
        from harness.errors import UsageError

        before, flag = f"--{name.replace('_', '-')}", _flag(now, self._model.model_fields[now])
        if now in written:
            raise UsageError(f"{before} is called {flag} now, and both are given.")
        typer.echo(f"note: {before} is called {flag} now.", err=True)
        written[now] = written.pop(name)


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


def _flag(name: str, field: FieldInfo) -> str:
    from harness.options.declaration import option_of

    return (option_of(field).flag or f"--{name.replace('_', '-')}").partition("/")[0]


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
