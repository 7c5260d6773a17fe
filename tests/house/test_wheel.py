"""The wheel alone: built, installed into a fresh environment, and run in a folder that has packages of our names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("data", "harness", "judges", "tuning", "leaderboard")


def _run(command: list[str], folder: Path, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pytest.importorskip("setuptools", minversion="77", reason="setuptools builds the wheel")
    code = f"from setuptools.build_meta import build_wheel; build_wheel({str(made)!r})"
    _run([sys.executable, "-c", code], source)
    (path,) = made.glob("*.whl")
    return path


def test_it_holds_every_file(wheel: Path):
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


def test_it_runs_alone(wheel: Path, tmp_path: Path):
    home, work = tmp_path / "environment", tmp_path / "work"
    _run([sys.executable, "-m", "venv", "--without-pip", str(home)], tmp_path)
    python = home / "bin" / "python"
    site = Path(_run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], tmp_path).strip())
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    _run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], tmp_path)
    # what we depend on, from this environment; its .pth files are not followed, so a checkout is not found through it
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    for name in ("data", "judges"):
        (work / name).mkdir(parents=True)
        (work / name / "__init__.py").write_text("raise ImportError('not the product')\n")
    harness = _run([str(python), "-P", "-c", "import harness, data; print(harness.__file__, data.__file__)"], work)
    assert harness.split() == [str(site / name / "__init__.py") for name in ("harness", "data")]
    command = [str(home / "bin" / "harness"), "run", "--model", "tiny", "--data", "sample", "--limit", "2"]
    printed = _run([*command, "--tasks", "mmlu"], work, HF_HUB_OFFLINE="1", HARNESS_HOME=str(tmp_path / "home"))
    assert "mmlu" in printed
    _run([str(python), "-c", "import harness; print(harness.__version__)"], work)
