"""The keyword arguments of the Python API are the options of the commands: one declaration gives their names, types
and defaults."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin

from harness.errors import UsageError, suggest

if TYPE_CHECKING:
    from harness.progress import Progress

R = TypeVar("R")


class StoppedError(KeyboardInterrupt):
    """Ctrl-C, or a notebook's stop button. The message says what is stored and how to go on."""

    def _render_traceback_(self) -> list[str]:  # what IPython shows
        return [f"Stopped: {self}"]


def takes(*declared: Callable[..., Any], without: Sequence[str] = ()) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Let a function with `**given` take the arguments of these options classes too: in its signature, so that help
    and completion have them, and with a UsageError for any other."""

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        own = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
        known = {p.name: p for p in own}
        for options in declared:
            for p in inspect.signature(options).parameters.values():
                kind = get_args(p.annotation)[0] if get_origin(p.annotation) is Annotated else p.annotation
                if p.name not in without:
                    known.setdefault(p.name, p.replace(kind=p.KEYWORD_ONLY, annotation=kind))

        @functools.wraps(function)
        def call(*args: Any, **given: Any) -> R:
            for name in given:
                if name not in known:
                    raise UsageError(
                        f"harness.{function.__name__} takes no argument {name!r}.{suggest(name, known)} "
                        f"help(harness.{function.__name__}) lists them."
                    )
            return function(*args, **given)

        result = inspect.signature(function).return_annotation
        call.__signature__ = inspect.Signature(list(known.values()), return_annotation=result)  # type: ignore[attr-defined]
        return call

    return decorate


def call_text(function: str, /, **given: Any) -> str:
    """A call as it is recorded with what it made."""
    return f"harness.{function}({', '.join(f'{key}={value!r}' for key, value in given.items())})"


@contextmanager
def working(progress: bool) -> Iterator[Progress]:
    """Show progress. Ctrl-C ends in a sentence that says what is stored."""
    from harness.progress import SILENT, shown

    try:
        if progress:
            with shown() as shown_progress:
                yield shown_progress
        else:
            yield SILENT
    except KeyboardInterrupt as error:
        raise StoppedError(str(error) or "nothing was stored.") from None
