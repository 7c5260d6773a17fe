"""CITATION.cff, compose.yaml, .pre-commit-config.yaml and constraints.txt hold together with the rest."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.compose import problems

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_citation():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "type"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["license"] == PROJECT["license"]
    assert all(author.keys() & {"name", "family-names"} for author in citation["authors"])
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= reference.keys()


def test_compose():
    document = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert problems(document) == []
    document["services"]["board"] |= {"command": ["board", "--hots", "x"], "ports": ["8501:8501"]}
    document["services"]["rate"] |= {"command": ["rat"]}
    assert problems(document) == [
        "board opens 8501:8501 to other machines: begin it with 127.0.0.1:.",
        "board: board has no option --hots.",
        "rate: there is no command 'rat'.",
    ]


def test_hooks_run_what_lint_runs():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    lint = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint: setup\n")[2].partition("\n\n")[0]
    tools = [line.split()[0].replace("$(BIN)", ".venv/bin") for line in lint.splitlines()]
    assert [hook["entry"].split()[0] for hook in hooks] == tools


def test_constraints_hold_every_dependency():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines if not line.startswith("#")}
    groups = [PROJECT["dependencies"], PROJECT["optional-dependencies"]["dev"]]
    wanted = {canonicalize_name(Requirement(text).name) for group in groups for text in group}
    assert wanted - pinned == set()
