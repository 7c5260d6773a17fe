"""A flag is no word of a study file, nor of Python: only the command line names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

import judges
import tuning


def sentences(folder: Path) -> list[str]:
    """Texts of a package's code outside its command line: no docstrings, and no help of options."""
    texts = []
    for path in sorted(folder.rglob("*.py")):
        if "cli" in path.relative_to(folder).parts or path.name == "options.py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts += [
            f"{path.name}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
        ]
    return texts


@pytest.mark.parametrize("package", [judges, tuning])
def test_no_sentence_outside_the_command_line_names_a_flag(package: ModuleType) -> None:
    """A whole command, `harness rate --raters`, may stand there; so may what is passed to other programs."""
    (folder,) = map(Path, package.__path__)
    flags = [
        text
        for text in sentences(folder)
        if re.search(r"(?<![\w-])--[a-z]", re.sub(r"`harness [^`]*`", "", text)) and not re.search(r": --\S+$", text)
    ]
    assert flags == []
