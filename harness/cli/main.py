"""`harness`: finds the commands, runs one, and turns errors into a sentence and an exit code.

Our own commands are listed here and imported when they are called; other packages bring theirs through
the entry-point group `harness.commands` (each a Typer app), so that a plug-in adds one in the same way.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from harness.cli import signals
from harness.errors import HarnessError, MissingError, UsageError, suggest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

# name: (module, attribute, first sentence of its help); the last is here so that help imports none of them
COMMANDS = {
    "run": ("harness.cli.run", "run", "Measure a checkpoint on benchmarks; the same command again goes on."),
    "show": ("harness.cli.show", "show", "Show the leaderboard, or one run."),
    "samples": ("harness.cli.samples", "samples", "Read prompts, responses and scores."),
    "compare": ("harness.cli.compare", "compare", "Compare runs with a baseline on the items they share."),
    "gate": (
        "harness.cli.gate",
        "gate",
        "Pass or fail a candidate against a baseline: 0 pass, 1 fail, 2 undecided.",
    ),
    "export": (
        "harness.cli.transfer",
        "export",
        "Write a run to files: Parquet or CSV tables, or lm-eval's results with samples.",
    ),
    "import": (
        "harness.cli.transfer",
        "import_",
        "Take in results of lm-eval that have samples (--log_samples), or those that `export` wrote.",
    ),
    "merge": (
        "harness.cli.merge",
        "merge",
        "Write a LoRA adapter and its base as one checkpoint, and check it against the live adapter.",
    ),
    "data": ("harness.cli.data_rows", "app", "Benchmark rows: what is cached, and taking rows in."),
    "db": ("harness.cli.store_admin", "db", "What the store holds, and another machine's runs."),
    "tag": ("harness.cli.store_admin", "tag", "Name a run, so that other commands find it by that word."),
    "rm": ("harness.cli.store_admin", "rm", "Remove runs or studies and all that is theirs."),
    "gc": (
        "harness.cli.store_admin",
        "gc",
        "Remove what belongs to no run, and give free space back to the disk.",
    ),
    "doctor": ("harness.cli.doctor", "doctor", "Show what is installed, what is missing and how to get it."),
}


class LazyGroup(TyperGroup):
    """Lists commands by their line of help; imports the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*COMMANDS, *sorted(_plugins())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name][2])
        found = _plugins().get(cmd_name)
        return None if found is None else _plugin(found, _line)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            hint = suggest(args[0], self.list_commands(ctx))
            raise UsageError(f"There is no command {args[0]!r}.{hint} `harness --help` lists them.")
        name, command, rest = super().resolve_command(ctx, args)
        if name in _plugins():
            command = _plugin(_plugins()[name], _command)
        elif name in COMMANDS:
            import importlib

            module, attribute, _ = COMMANDS[name]
            command = _command(getattr(importlib.import_module(module), attribute), name)
        return name, command, rest

    def make_context(self, *args: Any, **kwargs: Any) -> Any:  # where help is printed
        with _ours():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _ours():
            return super().invoke(ctx)


@contextlib.contextmanager
def _ours() -> Iterator[None]:
    """Carry Ctrl-C and a closed pipe past Typer, which would answer them itself."""
    try:
        yield
    except (KeyboardInterrupt, BrokenPipeError) as error:
        raise _CaughtError from error
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # rich makes this of it
            raise _CaughtError from error.__context__
        raise


class _CaughtError(Exception):
    """Its cause is the error."""


@functools.cache
def _plugins() -> dict[str, EntryPoint]:
    """Commands of other packages; one with the name of ours is passed over."""
    from importlib.metadata import entry_points

    return {e.name: e for e in entry_points(group="harness.commands") if e.name not in COMMANDS}


def _plugin(found: EntryPoint, made: Callable[[Any, str], Any]) -> Any:
    """A plug-in's command; one that does not load is listed as such, and takes no other command down."""
    try:
        return made(found.load(), found.name)
    except Exception as error:
        said = f"{found.value} cannot be loaded: {error}"

        def refuse(**_: Any) -> None:
            raise MissingError(f"The command {found.name} is a plug-in, and {said}. Update or remove its package.")

        anything = {"ignore_unknown_options": True, "allow_extra_args": True}
        return TyperCommand(found.name, callback=refuse, help=said, context_settings=anything)


def _line(what: Any, name: str) -> Any:
    """As much of a command as a list shows: making all its options takes as long as all else."""
    text = what.info.help if isinstance(what, typer.Typer) else what.__doc__
    return TyperCommand(name, help=text) if isinstance(text, str) else _command(what, name)


def _command(what: Any, name: str) -> Any:
    """A click command from a Typer app or a function."""
    if not isinstance(what, typer.Typer):
        function, what = what, typer.Typer(add_completion=False)
        what.command(name)(function)
    command = typer.main.get_command(what)
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Which LoRA hyperparameters make my model better, and how do I know that it is better?",
)


def _version(show: bool) -> None:
    if show:
        from harness import __version__

        typer.echo(f"lora-harness {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """The console command. Exit codes are in harness/errors.py and the README."""
    signals.install()
    sys.exit(run_command(sys.argv[1:]))


def run_command(arguments: list[str]) -> int:
    try:
        code = app(arguments, prog_name="harness", standalone_mode=False)
        sys.stdout.flush()  # a full disk or a closed pipe shows here, and not when the interpreter ends
    except (Exception, KeyboardInterrupt) as error:
        if signals.received() and not isinstance(error, _CaughtError | KeyboardInterrupt):
            error = KeyboardInterrupt()  # what a child said that was ended with us
        cause = error.__cause__ if isinstance(error, _CaughtError) and error.__cause__ else error
        return _explain(cause, arguments)
    return code if isinstance(code, int) else 0


def _explain(error: BaseException, arguments: list[str]) -> int:
    """Say it in a sentence, and give the exit code."""
    from data.sources import DataError

    if isinstance(error, HarnessError | DataError):
        _say(str(error))
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        _say(str(error) or "Stopped.")
        return signals.exit_code()
    if isinstance(error, typer.Abort):
        _say("Nothing was done.")
        return 130
    if isinstance(error, BrokenPipeError):  # the reader of our output has gone: `harness samples | head`
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, typer.Exit):
        return error.exit_code
    if isinstance(error, typer.TyperException):
        from typer import rich_utils

        from harness.cli.declared import switch_with_value
        from harness.compat import bad_option

        option = bad_option(error)
        sentence = None if option is None else switch_with_value(arguments, option)
        if sentence is not None:
            _say(sentence)
            return UsageError.exit_code
        rich_utils.rich_format_error(error)  # type: ignore[arg-type]  # it declares a private class below this one
        return error.exit_code
    if isinstance(error, OSError) and error.errno is not None:
        import errno

        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            _say(f"{error.strerror}: {error.filename or 'a file'}. What was stored before is safe.")
            return 5
    import traceback

    traceback.print_exception(error)
    _say("This is a defect of the program, not of yours. Please report the lines above.")
    return 1


def _say(sentence: str) -> None:
    print(f"harness: {sentence}", file=sys.stderr)  # noqa: T201
