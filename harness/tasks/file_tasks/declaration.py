"""How a test file is to be asked and scored, where that is not the default: PATH.toml beside PATH."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.options.declaration import Declaration, option
from harness.options.toml import read_toml
from harness.tasks.file_tasks.scales import DEFAULT_SCALE, check_scale, scale_of

SCORINGS = ("texts", "letters")
READINGS = ("label", "index", "text")
METRICS = ("exact_match", "f1", "contains", "numeric", "acc", "acc_norm")


def _pattern(text: str) -> None:
    import regex

    try:
        regex.compile(text)
    except regex.error as error:
        raise UsageError(f"no regular expression: {error}.") from error


def _no_empty(stops: tuple[str, ...]) -> None:
    if not all(stops):
        raise UsageError("an empty text ends every answer at once.")


class TestFile(Declaration):
    """All keys of PATH.toml; docs/own_tests.md explains them."""

    __test__ = False  # pytest takes the class for one of tests
    file_word = "declaration"

    name: str | None = option(None, "The task is file:NAME.", allowed="a name without spaces, commas and colons")
    columns: Mapping[str, str] = option({}, "Our names of columns: the file's.", allowed="a table of names of columns")
    prompt: str | None = option(None, "What is asked, with {column} for a row's values.", allowed="a text")
    delimiter: str = option(" ", "Between a prompt and its answer.", allowed="a text", may_be_empty=True)
    scoring: str = option("texts", "Of choices: their texts or their letters.", choices=SCORINGS)
    answers: str | None = option(None, "What `answer` is, of choices.", choices=READINGS)
    labels: str | None = option(None, "A file with one answer a line.", allowed="the name of a file beside it")
    metric: str | None = option(None, "Which figure is shown first.", choices=METRICS)
    extract: str | None = option(
        None, "The answer in a response: the first group.", allowed="a regular expression", reader=_pattern
    )
    tolerance: float | None = option(None, "Of numbers.", ge=0)
    stop: tuple[str, ...] | None = option(
        None, "Where an answer ends.", allowed="a list of texts", reader=_no_empty, may_be_empty=True
    )
    max_tokens: int | None = option(None, "Of an answer.", ge=1)
    shots: int | None = option(None, "Examples before each question.", ge=0)
    rubric: str | None = option(None, "By what a judge grades answers.", allowed="a text")
    scale: tuple[str, ...] = option(
        DEFAULT_SCALE,
        "The grades, from the worst to the best.",
        allowed='a list of grades, or two whole numbers as "1-10"',
        convert=scale_of,
        reader=check_scale,
    )
    judge: Mapping[str, Any] | None = option(None, "Who grades.", allowed="a table")


def path_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.toml")


def declared_for(file: Path) -> TestFile:
    """UsageError for a key or a value that cannot be."""
    path = path_of(file)
    options = TestFile(**read_toml(TestFile, path)) if path.is_file() else TestFile()
    if options.name is not None and set(options.name) & set(",: \t\n"):
        raise UsageError(f"{path}: name = {options.name!r} must be a name without spaces, commas and colons.")
    return options
