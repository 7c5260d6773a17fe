"""`harness`: finds the commands, runs one, and turns errors into a sentence and an exit code.

Commands are parts (harness/registry.py): each a Typer app or a function, imported when it is called. The list of
commands shows our own by their lines here and imports only what other packages add.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from harness import registry, signals
from harness.errors import HarnessError, MissingError, UsageError, suggest

# the order of ours and the first sentence of each one's help, so that help imports none of them
COMMANDS = {
    "run": "Measure checkpoints on benchmarks, adapters of one base in one go; the same command again goes on.",
    "show": "Show the leaderboard, one run, or a configuration with its seeds' runs.",
    "samples": "Read prompts, responses and scores.",
    "compare": "Compare runs, or configurations over their seeds, with a baseline on the items they share.",
    "gate": "Pass or fail a candidate against a baseline: 0 pass, 1 fail, 2 undecided.",
    "export": "Write a run to files: Parquet or CSV tables, or lm-eval's results with samples.",
    "card": "Write a model card for the Hugging Face hub, with the samples that its numbers are made of.",
    "verify": "Make the numbers again from the samples, and find any altered byte: 0 all holds, 1 something differs.",
    "import": "Take in what `export` wrote of a run or study, or results of lm-eval that have samples (--log_samples).",
    "merge": "Write a LoRA adapter and its base as one checkpoint, and check it against the live adapter.",
    "data": "Benchmark rows: what is cached, taking rows in, and what a file of your own holds.",
    "db": "What the store holds, and another machine's runs.",
    "tag": "Name a run, so that other commands find it by that word.",
    "rm": "Remove runs or studies and all that is theirs.",
    "gc": "Remove what belongs to no run, and give free space back to the disk.",
    "doctor": "Show what is installed, what is missing and how to get it.",
    "answer": "Have checkpoints answer a prompt set, to be compared by judges and people; the same command goes on.",
    "board": "Serve the leaderboard: scores, runs, comparisons, studies and preference on pages.",
    "judge": "Have judges compare the answers of models, each pair in both orders; the same command goes on.",
    "ranking": "Rank models by what people or judges preferred, with intervals, and show how good those judges are.",
    "rate": "Serve the rating page: people compare answers, blind, two at a time.",
    "study": "A whole study by one file: searches, finalists, benchmarks, answers, judges, people, verdict.",
    "trace": "Show where a number comes from: samples, run, checkpoint, trial, study, rows, base, program and machine.",
    "tune": "Search for LoRA hyperparameters; the same command again goes on.",
}


class LazyGroup(TyperGroup):
    """Lists commands by their line of help; imports the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return registry.names("commands", tuple(COMMANDS))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS:
            return TyperCommand(cmd_name, help=COMMANDS[cmd_name])
        if cmd_name not in registry.names("commands"):
            return None
        try:
            return _line(registry.load("commands", cmd_name), cmd_name)
        except Exception as error:  # a broken plug-in is listed as such, and hides no other command
            return TyperCommand(cmd_name, help=str(error))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            if args[0] not in known:
                hint = suggest(args[0], known)
                raise UsageError(f"There is no command {args[0]!r}.{hint} `harness --help` lists them.")
            return args[0], command(args[0]), args[1:]
        return super().resolve_command(ctx, args)

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


def command(name: str) -> Any:
    """The click command of that name, ours or a plug-in's, with all its options; MissingError for a broken plug-in."""
    part = registry.load("commands", name)
    try:
        return _command(part, name)
    except Exception as error:
        if name in COMMANDS:
            raise
        raise MissingError(
            f"The command {name} is a plug-in of the package {registry.plugins('commands')[name]}, and no command can "
            f"be made of it: {error}. Update or remove that package."
        ) from error


def _line(part: Any, name: str) -> Any:
    """As much of a command as a list shows: making all its options takes as long as all else."""
    text = part.info.help if isinstance(part, typer.Typer) else part.__doc__
    return TyperCommand(name, help=text) if isinstance(text, str) else _command(part, name)


def _command(part: Any, name: str) -> Any:
    """A click command from a Typer app or a function."""
    if not isinstance(part, typer.Typer):
        function, part = part, typer.Typer(add_completion=False)
        part.command(name)(function)
    command = typer.main.get_command(part)
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
    """The console command. Exit codes are in harness/errors.py and docs/exit_codes.md."""
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
