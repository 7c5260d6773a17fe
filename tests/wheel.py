"""The product's wheel, built once, and an environment that has it and no checkout. All test processes share both."""

from __future__ import annotations

import fcntl
import os
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("data", "harness", "judges", "tuning", "leaderboard")


@dataclass(frozen=True)
class Environment:
    """A virtual environment with wheels in it; all else comes from the packages of the one that runs the tests."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        (own,) = (self.folder / "lib").glob("python*/site-packages")
        return own

    def run(self, *words: object, folder: Path, **variables: object) -> subprocess.CompletedProcess[str]:
        """A program of the environment, or its `python`, in a folder."""
        environment = {**clean(), "COLUMNS": "200", **{name: str(value) for name, value in variables.items()}}
        command = [str(self.folder / "bin" / str(words[0])), *map(str, words[1:])]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=500, check=False
        )

    def output(self, *words: object, folder: Path, **variables: object) -> str:
        """Standard output; the program must end well."""
        done = self.run(*words, folder=folder, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def clean() -> dict[str, str]:
    """Environment variables without those that would bring this checkout in."""
    away = ("PYTHONPATH", "PYTHONHOME", "HARNESS_DB")
    return {name: value for name, value in os.environ.items() if name not in away}


def pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *map(str, words)]
    done = subprocess.run(command, env=clean(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def build(source: Path, folder: Path) -> Path:
    """The wheel of a copy of `source`: a build leaves folders behind in what it builds."""
    copy = folder / "source"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, copy)
    shutil.rmtree(copy)
    (path,) = folder.glob("*.whl")
    return path


def install(folder: Path, *wheels: Path) -> Environment:
    venv.create(folder, with_pip=False)
    made = Environment(folder)
    pip("--python", made.python, "install", "--no-deps", "--no-index", *wheels)
    # A line of a .pth file is a folder to look in, and of no weight before the environment's own. The .pth files there
    # are not followed, so a checkout is not found through it.
    (made.packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return made


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first of the test processes to come makes, for all of them."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with open(f"{folder}.lock", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if lock.read() != "made":
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            lock.write("made")
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    versions = {each.name: Version(each.version) for each in distributions()}
    if "pip" not in versions or versions.get("setuptools", Version("0")) < Version("77"):
        pytest.skip("pip and setuptools 77 or newer build the wheel")

    def make(folder: Path) -> None:
        product = folder / "product"
        product.mkdir()
        for name in PACKAGES:
            shutil.copytree(ROOT / name, product / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, product)
        build(product, folder)
        shutil.rmtree(product)

    (path,) = once(tmp_path_factory, "wheel", make).glob("*.whl")
    return path


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel alone."""
    return Environment(once(tmp_path_factory, "installed", lambda folder: install(folder, wheel)))


@pytest.fixture
def poisoned(tmp_path: Path) -> Path:
    """A folder to work in that has packages of our names, all but `harness` itself."""
    folder = tmp_path / "work"
    for name in sorted({*PACKAGES} - {"harness"}):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise ImportError('not the product')\n")
    return folder
