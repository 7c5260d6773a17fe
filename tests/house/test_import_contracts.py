"""`lint-imports` as `make lint` runs it: kept as we are, broken by what is planted in a copy."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.import_contracts import imported, is_private, taken

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("data", "harness", "judges", "tuning", "leaderboard", "bench")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy") / "tree"
    folder.mkdir()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            to = folder / path.relative_to(ROOT)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)
    shutil.copytree(ROOT / "tests" / "house", folder / "tests" / "house", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture
def tree(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "tree")


def lint(folder: Path) -> tuple[int, str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "300"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def plant(folder: Path, module: str, line: str) -> None:
    path = folder / f"{module.replace('.', '/')}.py"
    path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")


def test_all_are_kept(original: Path):
    code, printed = lint(original)
    assert code == 0, printed
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    assert len(contracts) == 3
    for contract in contracts:
        assert f"{contract['name']} KEPT" in printed
    assert "Contracts: 3 kept, 0 broken." in printed


def test_what_is_planted_is_found(tree: Path):
    """All at once: none of them hides another."""
    planted = (
        ("harness.errors", "import judges.ranking.report", "harness is not allowed to import judges"),
        ("judges.ranking.games", "def f():\n    from tuning import types", "judges is not allowed to import tuning"),
        ("tuning.types", "import bench.common", "tuning is not allowed to import bench"),
        ("harness.errors", "from typer._click import echo", "imports typer._click.echo, which is private"),
        ("leaderboard.site", "from streamlit import file_util", "imports streamlit.file_util, which is private"),
        ("data.rows", "def f():\n    import numpy as np\n    return np._core", "imports numpy._core, which is private"),
    )
    for module, line, _ in planted:
        plant(tree, module, line)
    code, printed = lint(tree)
    assert code == 1, printed
    for _, _, message in planted:
        assert message in " ".join(printed.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("import harness.evaluation.report", "A circle: harness.errors -> harness.evaluation.report"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import harness.evaluation.report", "A circle: "),
    ],
)
def test_a_circle_is_found(tree: Path, line: str, message: str):
    plant(tree, "harness.errors", line)
    code, printed = lint(tree)
    assert code == 1, printed
    assert message in " ".join(printed.split())


def test_only_a_packages_own_compat_may(tree: Path):
    plant(tree, "harness.compat", "from typer._click import echo")
    assert lint(tree)[0] == 0
    (tree / "harness" / "store" / "compat.py").write_text("from typer._click import echo\n")
    assert lint(tree)[0] == 1


def test_names():
    code = "import a.b as c, d._e\nfrom f import _g\nimport importlib\nimportlib.import_module('h._i')\nc.x._y\nc.x.z\n"
    names = {name for _, name in (*imported(ast.parse(code)), *taken(ast.parse(code)))}
    assert {name for name in names if is_private(name)} == {"d._e", "f._g", "h._i", "a.b.x._y"}
    assert not any(map(is_private, ("os._exit", "sys._getframe", "torch.__version__")))
