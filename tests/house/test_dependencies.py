"""Every library that is imported is declared in pyproject.toml."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("data", "harness", "judges", "tuning", "leaderboard")
OWN = {*PRODUCT, "bench", "tests"}
NOT_INSTALLED = {
    "mlflow": "mlflow-skinny",
    "trackio": "trackio",
    "vllm": "vllm",
}  # extras that `make` leaves out: by import name
# bench.real_model asks for the one in a sentence; the other stands in an environment of its own (Makefile)
BY_HAND = {"gguf", "trl"}


def imports(folders: Iterable[str]) -> dict[str, str]:
    """Top-level module to one of the files that imports it."""
    found: dict[str, str] = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                for name in names:
                    found.setdefault(name.partition(".")[0], str(path.relative_to(ROOT)))
    return {name: path for name, path in found.items() if name not in OWN and name not in sys.stdlib_module_names}


def declared(*extras: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    return {canonicalize_name(Requirement(text).name) for group in groups for text in group}


EXTRAS = ("vllm", "cluster", "quantize")


@pytest.mark.parametrize(
    ("folders", "extras"),
    [
        (PRODUCT, ("vllm", "cluster", "quantize", "testing", "tracking")),
        (("tests", "bench"), ("vllm", "cluster", "quantize", "tracking", "dev")),
        (("docs",), ("docs",)),
    ],
)
def test_imports_are_declared(folders: tuple[str, ...], extras: tuple[str, ...]):
    distributions = packages_distributions()
    known = declared(*extras)
    undeclared = {}
    for name, path in imports(folders).items():
        owners = {canonicalize_name(owner) for owner in distributions.get(name, [NOT_INSTALLED.get(name, name)])}
        if not owners & known and name not in BY_HAND:
            undeclared[name] = path
    assert undeclared == {}
