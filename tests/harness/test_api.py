"""`import harness`: what it costs, its functions against the commands, tasks of the caller's own, wrong arguments."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, assert_type

import pytest

import harness
from harness import registry
from harness.api import Compared, Evaluation
from harness.arguments import StoppedError
from harness.errors import HarnessError, UsageError
from harness.types import Choice, Item, Prompt, Request, Response, Sample, Score, Task
from tests.harness import api_stub
from tests.harness.runs import Scripted, json_of

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"evaluate", "evaluate_all", "compare", "answer", "judge", "rank", "tune", "open"}


@dataclass
class Sums:
    """A task of nobody's: sums with two options."""

    name: str = "sums"
    protocol: str = "standard"
    version: str = "1"
    metric: str = "acc"
    data_source: str = "made here"
    data_digest: str = "none"
    shots: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    slow_scoring: bool = False
    warnings: tuple[str, ...] = ()
    question: str = "{0} + 1 ="

    def items(self) -> Sequence[Item]:
        return [Item(f"sum-{n}", "small" if n < 3 else "large", {"n": n}) for n in range(6)]

    def requests(self, item: Item) -> Sequence[Request]:
        n = item.row["n"]
        return (Choice(Prompt("", self.question.format(n)), (f" {n + 1}", f" {n}")),)

    def score(self, item: Item, responses: Sequence[Response]) -> Sample:
        right, wrong = responses[0].logprobs
        return Sample(item, {"acc": float(right > wrong)}, expected=str(item.row["n"] + 1))

    def summarize(self, samples: Sequence[Sample]) -> list[Score]:
        from harness.stats import intervals

        return intervals.scores(samples, "acc")


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Every run is answered by this, and by no model."""
    backend = Scripted()
    monkeypatch.setattr("harness.backends.make", lambda *needed: (backend, []))
    return backend


def python(code: str, folder: Path, path: Path = ROOT) -> str:
    """What a script prints whose folder is the first on its path."""
    (folder / "script.py").write_text(code)
    env = {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_import_brings_in_no_module(tmp_path):
    code = "import sys; before = {*sys.modules}; import harness; print({*sys.modules} - before)"
    assert python(code, tmp_path).strip() == "{'harness'}"


def test_a_function_brings_in_nothing_heavy_and_the_first_import_of_a_submodule_no_entry_points(tmp_path):
    code = (
        "import sys; from harness import errors, types; print('importlib.metadata' in sys.modules); import harness;"
        "harness.evaluate, harness.tune, harness.judge;"
        "print([m for m in ('torch', 'transformers', 'duckdb', 'pyarrow', 'pandas', 'lm_eval') if m in sys.modules])"
    )
    assert python(code, tmp_path).split("\n")[:2] == ["False", "[]"]


def test_the_names_are_listed_and_others_are_not_there() -> None:
    assert set(dir(harness)) >= NAMES | {"errors", "types", "__version__"}
    assert {name for name in registry.names("api") if name not in registry.plugins("api")} == NAMES
    assert not hasattr(harness, "evalute")
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        harness.evalute  # type: ignore[attr-defined]  # noqa: B018
    assert harness.errors.HarnessError is HarnessError
    for name in NAMES:
        assert getattr(harness, name).__doc__


def test_the_types_are_those_of_the_functions():
    written = api_stub.PLACE.read_text("utf-8")
    assert written == api_stub.text(), "write it anew: python -m tests.harness.api_stub"


def test_a_type_checker_knows_arguments_and_results(scripted: Scripted, tmp_path: Path) -> None:
    """`make lint` holds these lines: a needless ignore is an error there."""
    with pytest.raises(UsageError):
        harness.evaluate("tiny", limt=1)  # type: ignore[call-arg]
    run = harness.evaluate("tiny", [Sums()], db=tmp_path / "a.duckdb", limit=1, tags=["x"], progress=False)
    assert_type(run, Evaluation)
    assert_type(harness.compare(run, run), Compared)
    task: Task = Sums()
    assert task.name == "sums"


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("evaluate", "harness.cli.run:run"),
        ("compare", "harness.cli.compare:compare"),
        ("answer", "judges.cli.answer:answer"),
        ("judge", "judges.cli.judge:judge"),
        ("rank", "judges.cli.ranking:ranking"),
        ("tune", "tuning.cli.tune:tune"),
    ],
)
def test_every_option_of_a_command_is_an_argument(name, place):
    module, function = place.split(":")
    options = {
        each.rstrip("_") for each in inspect.signature(getattr(importlib.import_module(module), function)).parameters
    }
    taken = set(inspect.signature(getattr(harness, name)).parameters)
    of_a_terminal = {"json", "more", "context", "samples"}  # the last is the word of before for repeats
    of_plans = {"plan", "price_in", "price_out"}  # which print what would happen
    of_files = {"import", "votes_by"}  # what is taken in, and no search or judging
    of_folders = {"adapters"}  # whose folders `evaluate_all` is given
    other = {"tag": "tags", "file": "study", "sweep_validation": "sizes"}
    assert {other.get(option, option) for option in options - of_a_terminal - of_plans - of_files - of_folders} <= taken


def test_several_models_give_an_evaluation_each_in_their_order(scripted, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(str(files("data") / "tiny"), other)
    settings = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**settings, "initializer_range": 0.5}))
    db = tmp_path / "a.duckdb"
    second, first = harness.evaluate_all([other, "tiny"], [Sums()], db=db, progress=False)
    assert (second.name, first.name) == ("other", "tiny")
    assert first.computed
    assert harness.evaluate("tiny", Sums(), db=db, progress=False).run == first.run
    assert "harness.evaluate_all(models=[" in harness.open(db)._store.resolve(first.run).command
    assert harness.evaluate_all([], Sums(), db=db) == []
    with pytest.raises(UsageError, match="evaluate_all takes no argument 'name'"):
        harness.evaluate_all(["tiny"], Sums(), db=db, name="x")


def test_a_run_is_the_commands_run_and_answers_at_once_the_second_time(tmp_path):
    db = tmp_path / "a.duckdb"
    words = ("--model", "tiny", "--data", "sample", "--limit", "1", "--db", db)
    by_command = json_of("run", "--tasks", "mmlu,bbh", *words)
    run = harness.evaluate("tiny", ["mmlu", "bbh"], data="sample", limit=1, db=db, progress=False)
    assert (run.run, run.computed) == (by_command["run"], False)
    assert json.loads(json.dumps(run.document)) == by_command
    fresh = harness.evaluate("tiny", "mmlu,bbh", data="sample", limit=1, db=db, fresh=True, name="b", progress=False)
    assert fresh.computed
    assert fresh.run != run.run
    assert fresh.values == run.values
    compared = harness.compare(run, fresh)
    assert {row.difference for row in compared.rows} == {0.0}
    assert [row["p_value"] for row in json_of("compare", run.run, "b", "--db", db)] == [
        r.p_value for r in compared.rows
    ]
    assert set(compared.frame().column("run_b").to_pylist()) == {fresh.run}


def test_a_task_object_needs_no_registration(scripted, tmp_path):
    db = str(tmp_path / "a.duckdb")
    run = harness.evaluate("tiny", ["mmlu", Sums()], data="sample", limit=2, db=db, progress=False)
    assert set(run.values) == {"mmlu", "sums"}
    assert sorted(run.samples("sums", frame="pandas")["item"]) == ["sum-0", "sum-1", "sum-3", "sum-4"]
    asked = scripted.answered
    again = harness.evaluate("tiny", ["mmlu", Sums()], data="sample", limit=2, db=db, progress=False)
    assert (again.run, again.computed, scripted.answered) == (run.run, False, asked)
    assert "harness.evaluate(model='tiny'" in harness.open(db)._store.resolve(run.run).command


def test_a_task_that_asks_something_else_is_another_run_though_its_version_is_the_same(scripted, tmp_path):
    db = str(tmp_path / "a.duckdb")
    one = harness.evaluate("tiny", Sums(), db=db, progress=False)
    two = harness.evaluate("tiny", Sums(question="What is {0} + 1?"), db=db, progress=False)
    assert one.run != two.run
    assert two.computed
    with pytest.raises(UsageError, match="the setting asked differs"):
        harness.compare(one, two)


@dataclass
class NoScore:
    name: str = "half"


TWICE = Sums()
TWICE.items = lambda: [Item("a", "g", {"n": 1})] * 2  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"taks": "mmlu"}, "harness.evaluate takes no argument 'taks'. Did you mean tasks?"),
        ({"tasks": "mmul"}, r'^tasks="mmul": There is no task .mmul.\. Did you mean mmlu'),
        ({"tasks": []}, '^tasks="": No task is named'),
        ({"tasks": [Sums]}, r"Sums is a class: tasks takes names and objects, as Sums\(…\)"),
        ({"tasks": [3]}, "this int has no name"),
        ({"tasks": [NoScore()]}, "this NoScore has no protocol, version"),
        ({"tasks": [Sums(name="")]}, "name is a text"),
        ({"tasks": [Sums(), Sums()]}, "Two of the tasks are called sums"),
        ({"tasks": ["mmlu", Sums(name="mmlu")], "data": "sample"}, "Two of the tasks are called mmlu"),
        ({"tasks": [TWICE]}, "1 items share an id with another, 'a'"),
        ({"tasks": [Sums()], "shots": 3}, "shots goes with tasks by name"),
        ({"tasks": [Sums()], "limit": 0}, "limit"),
    ],
)
def test_wrong_arguments_are_a_sentence_and_leave_no_store(arguments, sentence, scripted, tmp_path):
    with pytest.raises(UsageError, match=sentence):
        harness.evaluate("tiny", **{"db": tmp_path / "a.duckdb", "progress": False, **arguments})
    assert not list(tmp_path.iterdir())
    assert not scripted.answered


def test_ctrl_c_keeps_what_was_answered_and_says_so(scripted, tmp_path, capsys):
    def strike(batch: int) -> None:
        if batch == 1:
            raise KeyboardInterrupt

    scripted.batch, scripted.fault = 2, strike
    db = str(tmp_path / "a.duckdb")
    with pytest.raises(StoppedError, match=r"Stopped\. 2 of 6 answers are stored") as stopped:
        harness.evaluate("tiny", Sums(), db=db)
    assert isinstance(stopped.value, KeyboardInterrupt)
    assert "2 of 6" in stopped.value._render_traceback_()[0]
    scripted.fault = lambda batch: None
    run = harness.evaluate("tiny", Sums(), db=db)
    assert run.resumed == 2
    assert "sums: 6 of 6" in capsys.readouterr().err


def test_a_notebook_shows_an_error_as_its_sentence():
    from data.sources import DataError

    for error in (UsageError("No such thing."), DataError("No such thing.")):
        assert error._render_traceback_() == [f"{type(error).__name__}: No such thing."]


def test_a_folder_with_packages_of_our_names_does_no_harm(tmp_path):
    for name in ("data", "judges"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('theirs')")
    code = (
        "import harness\nr = harness.evaluate('tiny', 'mmlu', data='sample', limit=1, progress=False)\nprint(r.values)"
    )
    assert "mmlu" in python(code, tmp_path)
    assert (tmp_path / "harness.duckdb").exists()


def test_a_package_of_our_name_that_is_there_already_is_a_sentence(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "__init__.py").write_text("")
    code = "import data, harness\ntry:\n    harness.evaluate\nexcept Exception as error:\n    print(repr(error))"
    assert f"The package data at {tmp_path / 'data' / '__init__.py'} was imported before ours" in python(code, tmp_path)
