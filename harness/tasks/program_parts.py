"""What a program is made of: its top-level statements, the names that each makes and uses, and what one name needs."""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

NO_LINE = 0


class Statement(NamedTuple):
    """`changed`: names that it makes or changes, "*" for any; `used`: global names that it uses."""

    text: str  # its lines, with the comment lines above
    changed: set[str]
    used: set[str]


def parse(source: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def error_line(source: str) -> int | None:
    """None where the source parses, else the line of its first error, or NO_LINE."""
    try:
        parse(source)
    except SyntaxError as error:
        # inside an f-string Python 3.11 counts lines from the string's own start
        in_string = error.filename == "<fstring>" or "f-string" in str(error.msg)
        return NO_LINE if in_string else error.lineno or NO_LINE
    except (ValueError, RecursionError, MemoryError):
        return NO_LINE
    return None


def defines(source: str, name: str) -> bool:
    return any(name in defined_names(statement) for statement in parse(source).body)


def defined_names(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement gives a value of its own: not one that a test imports from a module of the user's
    (`from solution import f`), that a loop or `with` takes for its variable, or that is made out of its old value."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            yield from set(changed_names(node)) - _names_read_at_once(node)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            if all(module and module.split(".")[0] in sys.stdlib_module_names for module in modules):
                yield from changed_names(node)
        else:
            blocks = (ast.stmt, ast.ExceptHandler, ast.match_case)
            waiting += (child for child in ast.iter_child_nodes(node) if isinstance(child, blocks))


def _names_read_at_once(assignment: ast.Assign | ast.AnnAssign) -> set[str]:
    """The names in its value, but for those in a lambda, which are read later."""
    names: set[str] = set()
    waiting: list[ast.AST] = [assignment.value] if assignment.value else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif not isinstance(node, ast.Lambda):
            waiting += ast.iter_child_nodes(node)
    return names


def method_as_function(source: str, name: str) -> str:
    """The line that makes a function of the last top-level class's method of this name; "" where there is none."""
    classes = [statement for statement in parse(source).body if isinstance(statement, ast.ClassDef)]
    for owner in reversed(classes):
        for method in reversed(owner.body):
            if isinstance(method, ast.FunctionDef) and method.name == name:
                bound = method.decorator_list or (method.args.args and method.args.args[0].arg == "self")
                return f"{name} = {owner.name}{'()' if bound else ''}.{name}"
    return ""


def needed(program: str, others: Sequence[str], prompt: str, entry_point: str) -> str:
    """The statements of `program` that `entry_point` needs, after those of the answer's `others` and of `prompt` that
    it lacks. Of a name that several others define, the last one's definition counts."""
    own = statements(program)
    if not any(entry_point in statement.changed for statement in own):
        return program
    given = set().union(*(statement.changed for statement in own)) | {entry_point}
    lent = _lent(others, given)
    given |= set().union(*(statement.changed for statement in lent)) - {"*"}
    if error_line(prompt) is None:
        lent = [statement for statement in statements(prompt) if not statement.changed & given] + lent
    names, size = {entry_point, "*"}, 0
    while size != len(names):
        size = len(names)
        for statement in (*lent, *own):
            if statement.changed & names:
                names |= statement.used
    kept = [statement for statement in lent if statement.changed & names] + [
        statement for statement in own if statement.changed & names
    ]
    kept.sort(key=lambda statement: 0 if "__future__" in statement.text and "*" in statement.changed else 1)
    text = "\n".join(statement.text for statement in kept)
    return text if error_line(text) is None else program


def _lent(others: Sequence[str], given: set[str]) -> list[Statement]:
    """Statements of other parts of the answer that make names which are not `given`, imports first. A name that Python
    has itself is not taken from a part that may be an example."""
    parts = [statements(other) for other in others]
    last = {name: n for n, part in enumerate(parts) for statement in part for name in statement.changed}
    taboo = (given | set(dir(builtins))) - {"*"}
    lendable = [
        statement
        for n, part in enumerate(parts)
        for statement in part
        if not statement.changed & given - {"*"}
        and any(last[name] == n and name not in taboo for name in statement.changed)
    ]
    return sorted(lendable, key=lambda statement: not _imports(statement.text))


def _imports(text: str) -> bool:
    """False too of a statement that does not parse by itself: its last line ends in a backslash."""
    return error_line(text) is None and all(
        isinstance(statement, (ast.Import, ast.ImportFrom)) for statement in parse(text).body
    )


def statements(source: str) -> list[Statement]:
    """Each top-level statement: its lines with the comment lines above, the names it makes or changes, and
    those it uses. Statements that share a line are one."""
    lines = source.split("\n")
    parts: list[Statement] = []
    first = last = 0  # lines of the last one found; comments belong to what follows
    for statement in parse(source).body:
        start = min([statement.lineno, *(mark.lineno for mark in getattr(statement, "decorator_list", []))]) - 1
        changed, used = set(changed_names(statement)), used_names(statement)
        end = statement.end_lineno or statement.lineno
        if parts and start < last:
            _, before, before_used = parts.pop()
            changed, used = changed | before, used | before_used
        else:
            first = last
        last = max(last, end)
        parts.append(Statement("\n".join(lines[first:last]), changed, used))
    return parts


_SIMPLE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Expr)


def changed_names(statement: ast.stmt) -> Iterator[str]:
    """Names that a top-level statement binds, or whose value it changes."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Import, ast.ImportFrom)):
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            yield "*"
        for alias in statement.names:
            yield alias.asname or alias.name.split(".")[0]
    elif isinstance(statement, ast.Expr):
        # `sys.setrecursionlimit(…)`, `TABLE.update(…)`
        if isinstance(statement.value, ast.Call) and isinstance(statement.value.func, ast.Attribute):
            yield from _root(statement.value.func)
    else:
        waiting: list[ast.AST] = [statement]
        while waiting:
            node = waiting.pop()
            if isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
                yield from _root(node)
            for inner in ast.iter_child_nodes(node):
                if isinstance(inner, _SIMPLE):
                    yield from changed_names(inner)
                else:
                    waiting.append(inner)


def _root(node: ast.AST) -> Iterator[str]:
    """The name at the left of `name`, `name.a`, `name[i].b`."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def used_names(statement: ast.stmt) -> set[str]:
    """The global names that a top-level statement uses: a function's own variables are none."""
    names: set[str] = set()
    try:
        waiting = [symtable.symtable(ast.unparse(statement), "", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # `return` outside a function, and the like
        return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    while waiting:
        table = waiting.pop()
        top = table.get_type() == "module"
        names |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
        names |= {s.get_name() for s in table.get_symbols() if not top and s.is_declared_global()}
        waiting += table.get_children()
    return names
