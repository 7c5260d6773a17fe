"""A program out of a chat model's answer: the last complete version, with what its entry point needs and no more.

Syntax is judged by `ast`; nothing is run. Text of any kind is fine: what Python's parser cannot read,
or gives up on (nesting, null bytes), is not a program."""

from __future__ import annotations

import ast
import re
import textwrap
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.tasks.program_parts import NO_LINE, defined_names, defines, error_line, method_as_function, needed, parse

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})(?P<rest>.*)$")
_FENCE_AT_END = re.compile(r"(?<!`)(?P<fence>`{3,})(?P<rest>[\w+]*)[ \t]*$")  # "Sure:```python", "return x```"
_HEADER = re.compile(r"(async|class|def|elif|else|except|finally|for|if|try|while|with)\b")


class _Run(NamedTuple):
    """Lines that parse. `cut`: an indented line follows them, so that what they end with went on."""

    text: str
    cut: bool


def extract_program(text: str, prompt: str, entry_point: str) -> str:
    """The program that `text` gives for `prompt`, the head of the function `entry_point`.

    Taken from fenced blocks, or from the text as it stands where they hold none: of the versions that define
    `entry_point` the last one that is complete, or else lines that go on where the prompt ends. Imports and helpers
    that it uses and lacks are taken from the rest of the answer and from the prompt; tests and examples are left out.
    "" when there is none. The result always parses."""
    text = _lines_as_python_sees_them(text)
    blocks = fenced_blocks(text)
    runs = [[run] for run in valid_runs(text)]
    for units in ([_best_reading(block, entry_point) for block in blocks], runs, _indented(text, entry_point)):
        units = [_with_method(unit, entry_point) for unit in units]
        versions = [n for n, unit in enumerate(units) if defines(_joined(unit), entry_point)]
        if versions:
            complete = [n for n in versions if _is_complete(units[n], entry_point)]
            chosen = (complete or versions)[-1]
            others = [_joined(unit) for n, unit in enumerate(units) if n != chosen]
            return needed(_joined(units[chosen]), others, prompt, entry_point)
    return _from_body(text, blocks, prompt, entry_point)


def _from_body(text: str, blocks: Sequence[str], prompt: str, entry_point: str) -> str:
    """The prompt with the last of the answer's parts that goes on with it and returns something (an example of use
    does not), or else with the longest that goes on."""
    sources = blocks or [text]
    for source in [*reversed(sources), *reversed(list(_indented_parts(text))), text]:
        bodies = [longer for longer in _continuations(prompt, source) if _returns(longer, entry_point)]
        if bodies:
            others = [_joined(_best_reading(block, entry_point)) for block in blocks if block is not source]
            return needed(max(bodies, key=_length), others, prompt, entry_point)
    bodies = [longer for source in (*sources, text) for longer in _continuations(prompt, source)]
    spans = [longest_valid(source) for source in (*sources, text)]
    return needed(max(bodies, key=_length, default="") or max(spans, key=_length), [], prompt, entry_point)


def _best_reading(block: str, entry_point: str) -> list[_Run]:
    """A block's runs, as it stands or with indents mended: that define `entry_point` if any do, and are longest."""
    first, _, rest = block.strip("\n").partition("\n")
    mended = (textwrap.dedent(block), f"{first.lstrip()}\n{textwrap.dedent(rest)}")
    readings = [valid_runs(reading) for reading in dict.fromkeys((block, *mended))]
    return max(readings, key=lambda runs: (_has(_joined(runs), entry_point), len(_joined(runs))))


def _has(source: str, entry_point: str) -> bool:
    return defines(source, entry_point) or bool(method_as_function(source, entry_point))


def _with_method(unit: list[_Run], entry_point: str) -> list[_Run]:
    """A unit that has the function as a method of a class alone, with the function itself."""
    source = _joined(unit)
    if not unit or unit[-1].cut or defines(source, entry_point):
        return unit
    line = method_as_function(source, entry_point)
    return [*unit, _Run(line, False)] if line else unit


def _indented(text: str, entry_point: str) -> list[list[_Run]]:
    return [_best_reading(part, entry_point) for part in _indented_parts(text)]


def _indented_parts(text: str) -> Iterator[str]:
    """Parts of a text that are indented, as code is without fences; none that is the body of something above it."""
    part: list[str] = []
    above = ""
    for line in [*text.split("\n"), "end"]:
        if line[:1].isspace() or not line:
            part.append(line)
        else:
            if any(content.strip() for content in part) and not _HEADER.match(above if part[0] else ""):
                yield "\n".join(part).strip("\n")
            part, above = [], line


def _joined(runs: Sequence[_Run]) -> str:
    return "\n".join(run.text for run in runs)


def _is_complete(runs: Sequence[_Run], entry_point: str) -> bool:
    """Is the last definition of `entry_point` whole, with more than a docstring, `pass` or `...` in it?"""
    for run in reversed(runs):
        body = parse(run.text).body
        for statement in reversed(body):
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) and statement.name == entry_point:
                return not (run.cut and statement is body[-1]) and not all(map(_is_stub, statement.body))
            if entry_point in defined_names(statement):
                return True  # by another kind of statement, as in `f = lambda x: x`
    return False


def _returns(program: str, entry_point: str) -> bool:
    """Does `entry_point` return or yield something, and not only a function inside it?"""
    bodies = [s for s in parse(program).body if isinstance(s, ast.FunctionDef) and s.name == entry_point]
    waiting: list[ast.AST] = [s for body in bodies[-1:] for s in body.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
    return False


def _is_stub(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise):
        return "NotImplementedError" in ast.unparse(statement)
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def valid_runs(text: str) -> list[_Run]:
    """All runs of whole lines that parse, each as long as can be from where the one before ended."""
    lines = _lines_as_python_sees_them(text).split("\n")
    runs, start = [], 0
    while start < len(lines):
        end = _end_of_valid(lines, start, start) if lines[start].strip() else start
        if run := "\n".join(lines[start:end]).rstrip("\n"):
            following = next((line for line in lines[end:] if line.strip()), "")
            runs.append(_Run(run, following[:1].isspace()))
        start = max(end, start + 1)
    return runs


def _lines_as_python_sees_them(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def fenced_blocks(text: str) -> list[str]:
    """What stands between Markdown fences; a last block that is not closed runs to the end of the text.

    A fence may stand at the end of a line, as some models write it: of prose before the code, or of its last line."""
    blocks: list[str] = []
    inside: list[str] | None = None
    fence, indent = "", ""
    for line in text.split("\n"):
        mark = _FENCE.match(line) or (_FENCE_AT_END.search(line) if line.count("```") == 1 else None)
        if mark is None or (inside is None and mark.re is _FENCE_AT_END and not mark["rest"]):
            if inside is not None:
                inside.append(line.removeprefix(indent))
        elif inside is None:
            inside, fence, indent = [], mark["fence"], mark.groupdict().get("indent", "")
        elif mark["fence"].startswith(fence) and not mark["rest"].strip():
            code = line[: mark.start("fence")].removeprefix(indent)
            blocks.append("\n".join([*inside, code] if code.strip() else inside))
            inside = None
        else:
            inside.append(line.removeprefix(indent))
    if inside is not None:
        blocks.append("\n".join(inside))
    return blocks


def longest_valid(text: str) -> str:
    """The longest run of whole lines that parses, the first of equals; blank lines around it are cut."""
    lines = _lines_as_python_sees_them(text).split("\n")
    best = ""
    size = 0  # lines of the best
    for start in range(len(lines)):
        if len(lines) - start <= size:
            break
        if lines[start].strip():
            candidate = "\n".join(lines[start : _end_of_valid(lines, start, start + size)]).rstrip("\n")
            if candidate and candidate.count("\n") >= size:
                best, size = candidate, candidate.count("\n") + 1
    return best


def _end_of_valid(lines: Sequence[str], start: int, least: int) -> int:
    """The end of the longest run from `start` that parses, or `start` where none goes beyond `least`."""

    def error(end: int) -> int | None:
        return error_line("\n".join(lines[start:end]).rstrip("\n"))

    end = len(lines)
    while end > least:
        line = error(end)
        if line is None:
            return end
        if line == NO_LINE:  # every run that reaches far enough meets it: the first of them is looked for
            line = bisect_left(range(1, end - start), True, key=lambda size: error(start + size) == NO_LINE) + 1
        # A run that holds the line of the error meets it again: go back before that line.
        end = max(start, min(end - 1, start + line - 1))
    return start


def _continuations(prompt: str, source: str) -> Iterator[str]:
    """`prompt` with as many lines of `source` as parse after it: as they stand where they are indented, indented
    alike, and with the first line's lost indent put back; none where none does."""
    head = prompt.rstrip("\n").split("\n")
    if not source.strip() or error_line("\n".join(head)) is not None:
        return
    source = source.strip("\n")
    for body in (source, textwrap.indent(textwrap.dedent(source), "    "), *_first_line_indented(source)):
        lines = [*head, *body.split("\n")]
        if body[:1].isspace() and (end := _end_of_valid(lines, 0, len(head))):
            yield "\n".join(lines[:end])


def _first_line_indented(source: str) -> Iterator[str]:
    """A body whose first line alone has lost its indent, with each indent that it may have had."""
    first, _, rest = source.partition("\n")
    rest = "\n".join(_spaces_for_tabs(line) for line in rest.split("\n"))
    deeper = {len(line) - len(line.lstrip()) for line in rest.split("\n") if line.strip()}
    if first[:1].isspace() or not deeper or min(deeper) == 0:
        return
    for indent in sorted({min(deeper), max(1, min(deeper) - 4)}):
        yield textwrap.indent(textwrap.dedent(f"{' ' * indent}{first}\n{rest}"), "    ")


def _spaces_for_tabs(line: str) -> str:
    """A line whose indent has four spaces for each tab."""
    code = line.lstrip()
    return line[: len(line) - len(code)].expandtabs(4) + code


def _length(program: str) -> int:
    return program.count("\n")
