"""The example plug-in in an environment of its own, beside the product's wheel: its contract suites pass there, and
each of its parts is used once from the command line."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "examples" / "plugin"
PACKAGES = ("harness", "data", "judges", "tuning", "leaderboard")
LONGEST = 59  # lines of a part's file
TUNE = ("--sizes", "24,8,8", "--budget", "3", "--set", "batch=8", "--set", "epochs=1", "--no-merge")


@dataclass(frozen=True)
class Environment:
    """Both wheels, and this environment's packages for all else."""

    python: Path
    folder: Path

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        environment = {**clean(), "COLUMNS": "200", "HARNESS_HOME": str(self.folder / "home")}
        command = [str(self.python), *map(str, words)]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=500, check=False
        )

    def harness(self, *words: object) -> str:
        """Standard output; the command must end well."""
        done = self.run("-P", "-m", "harness", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def clean() -> dict[str, str]:
    """Environment variables without those that would bring this checkout in."""
    away = ("PYTHONPATH", "PYTHONHOME", "HARNESS_DB")
    return {name: value for name, value in os.environ.items() if name not in away}


def _pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *map(str, words)]
    done = subprocess.run(command, env=clean(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    pytest.importorskip("pip")
    folder = tmp_path_factory.mktemp("plugin")
    # copies, for a build leaves folders behind in what it builds
    product, plugin = folder / "product", folder / "example"
    product.mkdir()
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, product / name, ignore=leave)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, product)
    shutil.copytree(PLUGIN, plugin, ignore=leave)
    wheels = folder / "wheels"
    for source in (product, plugin):
        _pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", wheels, source)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    _pip("--python", python, "install", "--no-deps", "--no-index", *sorted(wheels.glob("*.whl")))
    (own,) = (folder / "venv" / "lib").glob("python*/site-packages")
    # a line of a .pth file is a folder to look in, and of no weight before the environment's own
    (own / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    shutil.rmtree(product)
    yield Environment(python, folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def db(made: Environment) -> Path:
    """A store with a run of the plug-in's task through its backend."""
    path = made.folder / "s.duckdb"
    common = ("--model", "tiny", "--data", "sample", "--device", "cpu", "--db", path)
    made.harness("run", "--tasks", "capitals", "--backend", "plain", "--name", "plain-tiny", *common)
    return path


def test_each_part_is_a_short_file() -> None:
    files = sorted((PLUGIN / "example_plugin").glob("*.py"))
    assert len(files) == 8
    for file in files:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST, file.name


def test_the_product_comes_from_its_wheel(made: Environment) -> None:
    code = "import harness, tuning, judges, leaderboard, data, example_plugin as e; print(harness.__file__, e.__file__)"
    done = made.run("-P", "-c", code)
    assert done.returncode == 0, done.stderr
    assert all(word.startswith(str(made.folder / "venv")) for word in done.stdout.split()), done.stdout


@pytest.mark.full
def test_the_contract_suites_pass(made: Environment) -> None:
    words = ("-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", made.folder)
    done = made.run(*words, made.folder / "example" / "tests")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TestHistory" not in done.stdout  # nothing of it failed
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 50


def test_the_task_and_the_backend_make_a_run(made: Environment, db: Path) -> None:
    shown = json.loads(made.harness("show", "plain-tiny", "--db", db, "--json"))
    assert (shown["name"], shown["backend"]) == ("plain-tiny", "plain")
    assert {(score["task"], score["metric"]) for score in shown["scores"]} == {("capitals", "acc")}
    assert {score["group"] for score in shown["scores"]} >= {"all", "Africa", "Asia", "Europe"}
    refused = made.run("-P", "-m", "harness", "run", "--model", "tiny", "--tasks", "capitols", "--db", db)
    assert refused.returncode == 2
    assert "Did you mean capitals?" in refused.stderr


def test_the_command_reads_it(made: Environment, db: Path) -> None:
    out = made.harness("latest", "--db", db)
    assert out.startswith("plain-tiny\ncapitals acc 0.")
    assert "latest" in made.harness("--help")


@pytest.mark.full
def test_the_optimizer_and_the_objective_make_a_study(made: Environment) -> None:
    words = ("--model", "tiny", "--data", "sample", "--optimizer", "halton", "--objective", "norm:lora_B", *TUNE)
    study = json.loads(made.harness("tune", *words, "--db", made.folder / "t.duckdb", "--json"))
    assert len(study["trials"]) == 3
    assert all(trial["values"][0] > 0 for trial in study["trials"])
    assert len({tuple(trial["values"]) for trial in study["trials"]}) == 3


@pytest.mark.full
def test_the_judge_compares_answers(made: Environment) -> None:
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


def test_the_page_is_on_the_board(made: Environment, db: Path) -> None:
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


def test_the_doctor_lists_all_of_it(made: Environment) -> None:
    findings = made.harness("doctor", "--json")
    for name in ("harness-example-plugin", "capitals", "plain", "halton", "shorter", "norm", "history", "latest"):
        assert name in findings, name
