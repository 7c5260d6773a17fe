"""The wheel alone: built, installed into a fresh environment, and run in a folder that has packages of our names."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from harness.tasks import declared
from tests.harness.runs import MMLU
from tests.wheel import PACKAGES, ROOT, Environment

API = """
import harness

options = {"model": "tiny", "tasks": ["mmlu"], "data": "sample", "limit": 2, "db": "s.duckdb", "progress": False}
run = harness.evaluate(**options)
again = harness.evaluate(**options)
store = harness.open("s.duckdb")
print(harness.__file__)
print(run.run, run.computed, again.run, again.computed)
print(*store.runs("pandas")["run"], len(store.samples(task="mmlu", frame="pandas")))
"""


def test_it_holds_every_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    ours = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sorted(ours - held) == []
    assert not [name for name in held if name.startswith(("tests/", "bench/"))]


def test_its_packages_are_imported_from_its_environment(installed: Environment, poisoned: Path) -> None:
    code = f"import {', '.join(PACKAGES)}; print(*(p.__file__ for p in ({', '.join(PACKAGES)})))"
    places = installed.output("python", "-P", "-c", code, folder=poisoned).split()
    assert places == [str(installed.packages / name / "__init__.py") for name in PACKAGES]


def test_it_runs_alone(installed: Environment, poisoned: Path) -> None:
    command = ("harness", "run", "--model", "tiny", "--data", "sample", "--json")
    printed = json.loads(installed.output(*command, folder=poisoned, HARNESS_HOME=poisoned.parent / "home"))
    assert printed["status"] == "finished"
    items = {score["task"]: score["n"] for score in printed["scores"] if score["group"] == "all"}
    assert set(items) == set(declared.defaults())
    assert min(items.values()) >= 10
    assert (poisoned / "harness.duckdb").exists()


def test_a_script_uses_it_alone(installed: Environment, poisoned: Path) -> None:
    """Python puts the script's folder first on its path, and that has packages of our names."""
    (poisoned / "script.py").write_text(API)
    printed = installed.output("python", "script.py", folder=poisoned, HARNESS_HOME=poisoned.parent / "home")
    place, runs, stored = printed.splitlines()
    assert place == str(installed.packages / "harness" / "__init__.py")
    run, *rest = runs.split()
    assert rest == ["True", run, "False"]
    assert stored == f"{run} {2 * len(MMLU)}"
