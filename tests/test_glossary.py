"""docs/glossary.md names what is there, and the words that it replaced are gone from the code's names."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("data", "harness", "judges", "tuning", "leaderboard")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (?!term|---)(.+?) \| (.+?) \| (.+?) \|$", GLOSSARY, re.MULTILINE)
REPLACED = {"door", "causes", "tally", "crew", "course", "prose", "stepwise", "told"}  # as names of modules, classes
CONTRACTS = ("harness/types.py", "tuning/types.py", "judges/types.py")
BESIDE = {  # parts of a contract that are explained by what they belong to
    *("BackendInfo", "Request", "Outcome", "Step", "Likelihood", "Compute", "Trained", "TrialError", "Value"),
    *("Prompt", "Sampling", "TaskFactory", "BackendFactory", "JudgeFactory", "ObjectiveFactory"),
    *("Measured", "Surroundings", "JudgedPair", "Verdict", "Grading", "HumanGraded", "GraderFactory"),
}


@cache
def _trees() -> dict[str, ast.Module]:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return {str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8")) for file in files}


@cache
def _names() -> set[str]:
    """Modules, and what stands at their top: classes with their fields as Class.field, functions, constants."""
    names: set[str] = set()
    for file, tree in _trees().items():
        names.add(Path(file).stem)
        names |= {part.name for part in tree.body if isinstance(part, ast.ClassDef | ast.FunctionDef)}
        for part in tree.body:
            targets = part.targets if isinstance(part, ast.Assign) else []
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
            if isinstance(part, ast.ClassDef):
                own = [field for field in part.body if isinstance(field, ast.AnnAssign)]
                names |= {f"{part.name}.{field.target.id}" for field in own if isinstance(field.target, ast.Name)}
    return names


@pytest.mark.parametrize(("term", "code"), [(term, code) for term, _, code in ROWS])
def test_a_term_stands_in_the_code(term: str, code: str) -> None:
    quoted = re.findall(r"`([\w.]+)`", code)
    assert quoted, f"{term} names nothing of the code"
    assert set(quoted) <= _names()


def test_each_term_has_one_row() -> None:
    terms = [part for term, _, _ in ROWS for part in term.split(", ")]
    assert len(terms) == len(set(terms))
    assert len(ROWS) > 40


def test_the_contracts_are_in_the_glossary() -> None:
    quoted = {name.partition(".")[0] for _, _, code in ROWS for name in re.findall(r"`([\w.]+)`", code)}
    for file in CONTRACTS:
        public = {part.name for part in _trees()[file].body if isinstance(part, ast.ClassDef)}
        assert public <= quoted | BESIDE, file


def test_words_that_were_replaced_are_gone() -> None:
    modules = {Path(file).stem for file in _trees()}
    classes = {part.name for tree in _trees().values() for part in ast.walk(tree) if isinstance(part, ast.ClassDef)}
    assert not {name for name in modules | classes if name.strip("_").lower() in REPLACED}
