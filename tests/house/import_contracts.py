"""Two contracts that import-linter has not: no circle of modules, and no private names of other libraries.

pyproject.toml says where they hold ([tool.importlinter]); `make lint` prints whether they do."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields, output


class NoCircles(Contract):
    """No module imports, through however many others, one that imports it; imports of types count."""

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        found = circles(graph)
        return ContractCheck(kept=not found, metadata={"circles": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for circle in check.metadata["circles"]:
            output.print_error(f"A circle: {' -> '.join([*circle, circle[0]])}")


class NoPrivateNames(Contract):
    """No private name (_name) of another library is imported, nor a module that its documentation does not have,
    but in a file compat.py that lies directly in one of the packages."""

    packages = fields.ListField(subfield=fields.StringField())
    undocumented = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        packages: list[str] = list(self.packages)  # type: ignore[call-overload]
        undocumented: list[str] = list(self.undocumented or ())  # type: ignore[arg-type]
        own = {_top(module) for module in graph.modules}
        found = []
        for module, path in _files(graph, packages):
            if module.split(".")[1:] == ["compat"]:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = [(line, name, is_private(name) or _below(name, undocumented)) for line, name in imported(tree)]
            names += [(line, name, is_private(name)) for line, name in taken(tree)]
            found += [
                f"{module}:{line} imports {name}" for line, name, private in names if private and _top(name) not in own
            ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for sentence in check.metadata["found"]:
            output.print_error(f"{sentence}, which is private: move that into its package's compat.py.")


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """The shortest way from a module back to itself, of each group of modules that all import each other."""
    imports = {module: sorted(graph.find_modules_directly_imported_by(module)) for module in sorted(graph.modules)}
    found: list[list[str]] = []
    for module in imports:
        circle = _way_back(module, imports)
        if circle and not any(set(circle) & set(other) for other in found):
            found.append(circle)
    return found


def _way_back(module: str, imports: dict[str, list[str]]) -> list[str]:
    """[module, ..., the last before module again]; [] where there is no way. By breadth, so the shortest."""
    came_from = {module: ""}
    waiting = [module]
    for at in waiting:
        for following in imports[at]:
            if following == at:
                continue  # a module by its own name: no circle
            if following == module:
                way = [at]
                while came_from[way[0]]:
                    way.insert(0, came_from[way[0]])
                return way
            if following not in came_from:
                came_from[following] = at
                waiting.append(following)
    return []


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of all that is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) == "import_module" and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield node.lineno, name.value


def taken(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of what is taken from an imported name by `name.attribute`."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {
                alias.asname or _top(alias.name): alias.name if alias.asname else _top(alias.name)
                for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (name := _dotted(node, known)):
            yield node.lineno, name


def is_private(name: str) -> bool:
    """Whether a part of a dotted name is private. Python's own `os._exit` and the like are documented."""
    if _top(name) in sys.stdlib_module_names:
        return False
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def _top(name: str) -> str:
    return name.partition(".")[0]


def _below(name: str, modules: list[str]) -> bool:
    return any(f"{name}.".startswith(f"{module}.") for module in modules)


def _dotted(node: ast.Attribute, known: dict[str, str]) -> str:
    """ "library.module.name" of an attribute of a known name; "" of any other."""
    parts = [node.attr]
    value: Any = node.value
    while isinstance(value, ast.Attribute):
        parts.append(value.attr)
        value = value.value
    if not isinstance(value, ast.Name) or value.id not in known:
        return ""
    return ".".join([known[value.id], *reversed(parts)])


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _files(graph: grimp.ImportGraph, packages: list[str]) -> Iterator[tuple[str, Path]]:
    for package in packages:
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root.parent).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            if module in graph.modules:
                yield module, path
