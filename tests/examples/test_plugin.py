"""The example plug-in in an environment of its own, beside the product's wheel: its contract suites pass there, and
each of its parts is used once from the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.wheel import ROOT, Environment, build, install, once

PLUGIN = ROOT / "examples" / "plugin"
LONGEST = 59  # lines of a part's file
TUNE = ("--sizes", "24,8,8", "--budget", "4", "--set", "batch=8", "--set", "epochs=1", "--no-merge")


@dataclass(frozen=True)
class Plugged:
    """An environment with both wheels, and a folder to work in."""

    environment: Environment
    folder: Path

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        return self.environment.run("python", *words, folder=self.folder, HARNESS_HOME=self.folder / "home")

    def harness(self, *words: object) -> str:
        """Standard output; the command must end well."""
        done = self.run("-P", "-m", "harness", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def made(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Plugged:
    def make(folder: Path) -> None:
        install(folder / "environment", wheel, build(PLUGIN, folder))

    folder = once(tmp_path_factory, "plugin", make)
    return Plugged(Environment(folder / "environment"), tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def db(made: Plugged, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a run of the plug-in's task through its backend. The tests read it."""

    def make(folder: Path) -> None:
        common = ("--model", "tiny", "--data", "sample", "--device", "cpu", "--db", folder / "s.duckdb")
        made.harness("run", "--tasks", "capitals", "--backend", "plain", "--name", "plain-tiny", *common)

    return once(tmp_path_factory, "plugin-run", make) / "s.duckdb"


def test_each_part_is_a_short_file() -> None:
    files = sorted((PLUGIN / "example_plugin").glob("*.py"))
    assert len(files) == 9
    for file in files:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST, file.name


def test_the_product_comes_from_its_wheel(made: Plugged) -> None:
    code = "import harness, tuning, judges, leaderboard, data, example_plugin as e; print(harness.__file__, e.__file__)"
    done = made.run("-P", "-c", code)
    assert done.returncode == 0, done.stderr
    places = [Path(word) for word in done.stdout.split()]
    assert all(place.is_relative_to(made.environment.packages) for place in places), places


@pytest.mark.full
def test_the_contract_suites_pass(made: Plugged) -> None:
    tests = shutil.copytree(PLUGIN / "tests", made.folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    words = ("-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", made.folder)
    done = made.run(*words, tests)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TestHistory" not in done.stdout  # nothing of it failed
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 50


def test_the_task_and_the_backend_make_a_run(made: Plugged, db: Path) -> None:
    shown = json.loads(made.harness("show", "plain-tiny", "--db", db, "--json"))
    assert (shown["name"], shown["backend"]) == ("plain-tiny", "plain")
    assert {(score["task"], score["metric"]) for score in shown["scores"]} == {("capitals", "acc")}
    assert {score["group"] for score in shown["scores"]} >= {"all", "Africa", "Asia", "Europe"}
    refused = made.run("-P", "-m", "harness", "run", "--model", "tiny", "--tasks", "capitols", "--db", db)
    assert refused.returncode == 2
    assert "Did you mean capitals?" in refused.stderr


def test_the_command_reads_it(made: Plugged, db: Path) -> None:
    out = made.harness("latest", "--db", db)
    assert out.startswith("plain-tiny\ncapitals acc 0.")
    assert "latest" in made.harness("--help")


@pytest.mark.full
def test_the_optimizer_and_the_objective_make_a_study(made: Plugged) -> None:
    words = ("--model", "tiny", "--data", "sample", "--optimizer", "halton", "--objective", "norm:lora_B", *TUNE)
    study = json.loads(made.harness("tune", *words, "--db", made.folder / "t.duckdb", "--json"))
    assert len(study["trials"]) == 4
    assert all(trial["values"][0] > 0 for trial in study["trials"])
    assert len({tuple(trial["values"]) for trial in study["trials"]}) == 4


@pytest.mark.full
def test_the_judge_compares_answers(made: Plugged) -> None:
    path = made.folder / "j.duckdb"
    prompts = made.folder / "question.jsonl"
    lines = [{"question_id": n, "category": "math", "turns": [f"{n} + {n}?"]} for n in (1, 2)]
    prompts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name, tokens in (("brief", 4), ("long", 24)):
        words = ("--model", "tiny", "--device", "cpu", "--prompts", prompts, "--max-new-tokens", tokens)
        made.harness("answer", *words, "--name", name, "--db", path)
    outcome = json.loads(
        made.harness("judge", "--models", "brief", "long", "--judge", "shorter", "--db", path, "--json")
    )
    (judge,) = outcome["judges"]
    assert judge["name"] == "shorter"
    assert judge["asked"] == 4
    assert set(judge["verdicts"]) <= {"first", "second", "tie"}
    assert "shorter" in made.harness("ranking", "--db", path, "--json")


def test_the_page_is_on_the_board(made: Plugged, db: Path) -> None:
    code = f"""
import pytest
from pathlib import Path
from leaderboard.app import shell
from leaderboard.testing import draw

assert shell.names()[-1] == "history", shell.names()
with pytest.MonkeyPatch.context() as patch:
    print(draw(shell.page("history").render, Path({str(db)!r}), patch).text)
"""
    done = made.run("-P", "-c", code)
    assert done.returncode == 0, done.stderr
    assert "plain-tiny" in done.stdout
    assert "capitals" in done.stdout


def test_the_doctor_lists_all_of_it(made: Plugged) -> None:
    findings = made.harness("doctor", "--json")
    for name in ("harness-example-plugin", "capitals", "plain", "halton", "shorter", "norm", "history", "latest"):
        assert name in findings, name
