"""Every key of every option model × what it cannot be × {command line, TOML, Python}: one sentence that names key and
value, the same behind them in the three views. Generated from the declarations: a new option is tried by itself.
Python is the declaration's class and the function of the API, which say the same to the letter."""

from __future__ import annotations

import functools
import importlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from pydantic.fields import FieldInfo

import harness
from harness.errors import UsageError
from harness.options import Declaration, ModelSpec
from harness.options.declaration import declared, kind_of, option_of
from harness.options.toml import read_toml
from harness.tasks.file_tasks.declaration import TestFile
from judges.grading.options import GraderOptions
from tests.harness.runs import cli
from tuning.pipeline.study_file import (
    AnswerSeeds,
    AuditOptions,
    FinalistOptions,
    FurtherSearch,
    PeopleOptions,
    SearchOptions,
)

MODELS = {  # command: (its module, attribute, the options, what they need)
    "run": ("harness.cli.run", "run", "harness.options:RunOptions", {"model": "tiny"}),
    "answer": ("judges.cli.answer", "answer", "judges.answers.options:AnswerOptions", {"model": "tiny"}),
    "judge": ("judges.cli.judge", "judge", "judges.judging.options:JudgeOptions", {}),
    "tune": ("tuning.cli.tune", "app", "tuning.study.options:TuneOptions", {"model": "tiny"}),
}
FUNCTIONS: dict[str, tuple[Any, dict[str, Any]]] = {  # command: (the API's function, what it needs)
    "run": (harness.evaluate, {"model": "tiny"}),
    "answer": (harness.answer, {"model": "tiny"}),
    "judge": (harness.judge, {"models": "a,b", "judge": "reference"}),
    "tune": (harness.tune, {"model": "tiny"}),
}
IN_FILES = (
    TestFile,
    GraderOptions,
    SearchOptions,
    FinalistOptions,
    FurtherSearch,
    PeopleOptions,
    AuditOptions,
    AnswerSeeds,
)
OBJECTS = {("run", "tasks")}  # where the API's function takes more than the option: its own sentence says so
MEANINGLESS = {  # of the right type, and no sense
    "mix": "alpaka=1",
    "sizes": "0.7,0.2",
    "objective": "validaton",
    "constraint": "seconds",
    "timeout": "soon",
    "space": {"rank": {"kind": "chioce"}},
    "set": {"ranks": 3},
}


class Wrong(NamedTuple):
    """A value that is none of an option's: in Python, in TOML, and as text of a flag (None: a flag cannot say it)."""

    value: Any
    toml: str
    text: str | None


def model_of(command: str) -> type[Declaration]:
    module, _, name = MODELS[command][2].partition(":")
    return getattr(importlib.import_module(module), name)


@functools.cache
def command_of(command: str) -> Any:
    module, attribute, *_ = MODELS[command]
    app = getattr(importlib.import_module(module), attribute)
    if not isinstance(app, typer.Typer):
        function, app = app, typer.Typer(add_completion=False)
        app.command(command)(function)
    return typer.main.get_command(app)


def same(value: Any, text: str | None = None) -> Wrong:
    """Of a value that all three views write alike."""
    written = str(value).lower() if isinstance(value, bool) else str(value)
    return Wrong(value, json.dumps(value) if isinstance(value, str) else written, written if text is None else text)


def wrong(name: str, field: FieldInfo) -> Iterator[Wrong]:
    """Wrong types, and wrong values: out of range, unknown, empty, meaningless."""
    kind, option = kind_of(field.annotation), option_of(field)
    limits = {key: getattr(each, key) for each in field.metadata for key in ("ge", "gt", "le") if hasattr(each, key)}
    if kind in (int, float):
        yield from map(same, ("forty", "", "4 0", True))
        yield from (same(4.5), same(40.0)) if kind is int else (same(math.nan), same(math.inf))
        if "ge" in limits:
            yield from (same(limits["ge"] - 1), same(-(10**30)))
        if "gt" in limits:
            yield same(limits["gt"])
        if "le" in limits:
            yield from (same(limits["le"] + 1), same(10**30))
        yield from (Wrong([1], "[1]", None), Wrong({"a": 1}, "{a = 1}", None))
    elif kind is bool:
        yield from map(same, ("yes", "true", 1, 0, 0.5))
        yield Wrong([True], "[true]", None)
    elif kind is str:
        yield from (Wrong(True, "true", None), Wrong([1], "[1]", None), Wrong({"a": 1}, "{a = 1}", None))
        if name != "timeout":  # which a file may give as a number
            yield from (Wrong(3, "3", None), Wrong(0.5, "0.5", None))
        if not option.may_be_empty:
            yield Wrong(" ", '" "', " ")
        if option.names is not None or any(hasattr(each, "pattern") for each in field.metadata):
            yield same("no-such-word")
    elif kind is tuple:
        yield from (Wrong(3, "3", None), Wrong([1], "[1]", None), Wrong(True, "true", None))
        yield Wrong(["", "b"], '["", "b"]', "")
    else:
        yield from (Wrong(3, "3", None), Wrong("text", '"text"', None), Wrong([1], "[1]", None))
    if name in MEANINGLESS:
        value = MEANINGLESS[name]
        if isinstance(value, Mapping):
            ((key, inner),) = value.items()
            toml = f"{{{key} = {{kind = {json.dumps(inner['kind'])}}}}}" if name == "space" else f"{{{key} = {inner}}}"
            yield Wrong(value, toml, f"{key}={inner}")
        else:
            yield same(value)


def declarations(model: type[Declaration] = Declaration) -> Iterator[type[Declaration]]:
    for own in model.__subclasses__():
        yield from (own, *declarations(own))


def test_every_option_model_of_ours_is_tried() -> None:
    """As a command's, or as a part of one that has all its keys. What stands in files alone is tried where they are:
    tests/harness/tasks/file_tasks/test_refusals.py, tests/judges/grading/test_rubric_runs.py,
    tests/tuning/pipeline/test_study_file.py."""
    tried = [model_of(command) for command in MODELS]
    assert ModelSpec in declarations()
    ours = ("harness", "judges", "tuning", "leaderboard")
    for model in declarations():
        if model.__module__.split(".")[0] in ours and model not in IN_FILES:
            assert any(issubclass(own, model) and set(model.model_fields) <= set(own.model_fields) for own in tried)


CASES = [(command, name) for command in MODELS for name in declared(model_of(command))]


def behind(sentence: str, key: str) -> str:
    """What stands behind key and value."""
    if " must be " in sentence:
        return sentence[sentence.index(" must be ") :]
    rest = sentence[sentence.index(key) :]
    return rest[rest.rindex("}: ") + 1 if "}: " in rest else rest.index(": ") :]


def of_python(command: str, name: str, value: Any) -> str:
    with pytest.raises(UsageError) as caught:
        model_of(command)(**{**MODELS[command][3], name: value})
    return str(caught.value)


def of_function(command: str, name: str, value: Any) -> str:
    function, needed = FUNCTIONS[command]
    with pytest.raises(UsageError) as caught:
        function(**{**needed, name: value}, progress=False)
    return str(caught.value)


def of_toml(command: str, path: Path, line: str) -> str:
    path.write_text(line + "\n")
    with pytest.raises(UsageError) as caught:
        read_toml(model_of(command), path)
    return str(caught.value)


def of_flags(command: str, words: list[str]) -> str:
    with pytest.raises(UsageError) as caught:
        command_of(command).main([*words], standalone_mode=False)
    return str(caught.value)


@pytest.mark.parametrize(("command", "name"), CASES)
def test_what_an_option_cannot_be_is_the_same_sentence_everywhere(command: str, name: str, tmp_path: Path) -> None:
    field = declared(model_of(command))[name]
    flags = (option_of(field).flag or f"--{name.replace('_', '-')}").split("/")
    tried = 0
    for value, toml, text in wrong(name, field):
        tried += 1
        python = of_python(command, name, value)
        assert python.startswith(f"{name}="), python
        if (command, name) not in OBJECTS or isinstance(value, str):
            assert of_function(command, name, value) == python
        file = of_toml(command, tmp_path / "options.toml", f"{name} = {toml}")
        assert file.startswith(f"{tmp_path / 'options.toml'}: "), file
        assert name in file
        assert behind(file, f"{name}") == behind(python, name)
        sentences = [python, file]
        if text is not None and option_of(field).flag != "":
            needed = [] if command == "judge" or name == "model" else ["--model", "tiny"]
            for side in flags:
                if kind_of(field.annotation) is bool:
                    code, out, errors = cli(command, *needed, f"{side}={text}")
                    assert (code, out) == (2, "")
                    line = errors.removeprefix("harness: ").rstrip("\n")
                else:
                    line = of_flags(command, [*needed, side, text])
                assert line.startswith(f"{side} {text if text.strip() else json.dumps(text)}"), line
                assert behind(line, side) == behind(python, name)
                sentences.append(line)
        assert all("\n" not in sentence and len(sentence) < 700 for sentence in sentences)
        if not isinstance(value, Mapping) and len(toml) < 60:
            assert toml in file
    assert tried >= 3


@pytest.mark.parametrize("command", MODELS)
def test_a_name_that_is_no_option(command: str, tmp_path: Path) -> None:
    needed = MODELS[command][3]
    with pytest.raises(UsageError, match=r"There is no option 'dbb'\. Did you mean db\?"):
        model_of(command)(**needed, dbb="x")
    assert "there is no option 'dbb'. Did you mean db?" in of_toml(command, tmp_path / "o.toml", 'dbb = "x"')
    code, _, errors = cli(command, "--dbb", "x")
    assert code == 2
    assert "--db" in errors


@pytest.mark.parametrize("command", MODELS)
def test_the_default_is_the_same_everywhere_and_allowed(command: str, tmp_path: Path) -> None:
    """Also where it is written out."""
    model, needed = model_of(command), MODELS[command][3]
    options = model(**needed)
    assert model(**dict(options)) == options
    parameters = {each.name: each for each in command_of(command).params}
    for name, field in declared(model).items():
        option = option_of(field)
        if option.flag == "":
            continue
        assert parameters[name].help.startswith(field.description), name
        assert parameters[name].rich_help_panel == option.panel
        if isinstance(option.default, int | float | str) and option.default != "":
            assert str(parameters[name].default) == str(option.default), name


def test_what_must_be_given() -> None:
    with pytest.raises(UsageError, match=r"^model must be given: a folder, a hub id"):
        model_of("run")()
    code, out, errors = cli("run")
    assert (code, out) == (2, "")
    assert errors.startswith("harness: --model must be given: a folder, a hub id")
