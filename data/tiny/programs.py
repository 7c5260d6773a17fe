"""Small functions with docstrings, in HumanEval's shape."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, TypedDict

from data.tiny.world import Part, Wording


class Program(TypedDict):
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str


@dataclass(frozen=True, slots=True)
class Operation:
    takes: str  # "number", "list" or "text"
    says: str  # what is returned, with {x} for the parameter and {n} for a constant
    body: str  # one expression, or lines when it has a line end
    gives: str  # annotation of the result


_OPERATIONS = {
    "add": Operation("number", "{x} plus {n}", "{x} + {n}", "int"),
    "subtract": Operation("number", "{x} minus {n}", "{x} - {n}", "int"),
    "multiply": Operation("number", "{x} times {n}", "{x} * {n}", "int"),
    "square": Operation("number", "the square of {x}", "{x} * {x}", "int"),
    "remainder": Operation("number", "the remainder of {x} divided by {n}", "{x} % {n}", "int"),
    "greater": Operation("number", "whether {x} is greater than {n}", "{x} > {n}", "bool"),
    "less": Operation("number", "whether {x} is less than {n}", "{x} < {n}", "bool"),
    "even": Operation("number", "whether {x} is even", "{x} % 2 == 0", "bool"),
    "total": Operation("list", "the sum of {x}", "sum({x})", "int"),
    "largest": Operation("list", "the largest item of {x}", "max({x})", "int"),
    "smallest": Operation("list", "the smallest item of {x}", "min({x})", "int"),
    "length": Operation("list", "the number of items of {x}", "len({x})", "int"),
    "first": Operation("list", "the first item of {x}", "{x}[0]", "int"),
    "last": Operation("list", "the last item of {x}", "{x}[-1]", "int"),
    "reverse": Operation("list", "the items of {x} in reverse order", "{x}[::-1]", "List[int]"),
    "sort": Operation("list", "the items of {x} in sorted order", "sorted({x})", "List[int]"),
    "spread": Operation("list", "the largest item of {x} minus the smallest", "max({x}) - min({x})", "int"),
    "product": Operation(
        "list",
        "the product of {x}",
        "result = 1\n    for item in {x}:\n        result = result * item\n    return result",
        "int",
    ),
    "upper": Operation("text", "{x} in upper case", "{x}.upper()", "str"),
    "lower": Operation("text", "{x} in lower case", "{x}.lower()", "str"),
    "backwards": Operation("text", "{x} in reverse order", "{x}[::-1]", "str"),
    "letters": Operation("text", "the number of letters of {x}", "len({x})", "int"),
    "start": Operation("text", "the first letter of {x}", "{x}[0]", "str"),
    "end": Operation("text", "the last letter of {x}", "{x}[-1]", "str"),
    "repeat": Operation("text", "{x} repeated {n} times", "{x} * {n}", "str"),
    "head": Operation("text", "the first {n} letters of {x}", "{x}[:{n}]", "str"),
}
# Which items of a list an outer operation works on: name -> (words, expression)
_INNER = {
    "even": ("the even items of {x}", "[i for i in {x} if i % 2 == 0]"),
    "above": ("the items of {x} greater than {n}", "[i for i in {x} if i > {n}]"),
    "below": ("the items of {x} less than {n}", "[i for i in {x} if i < {n}]"),
    "plus": ("the items of {x} plus {n}", "[i + {n} for i in {x}]"),
    "times": ("the items of {x} times {n}", "[i * {n} for i in {x}]"),
}
_OUTER = {
    "list": ("", "{}", "List[int]"),
    "sum": ("the sum of ", "sum({})", "int"),
    "count": ("the number of ", "len({})", "int"),
    "sorted": ("the sorted list of ", "sorted({})", "List[int]"),
}
for _inner, (_words, _expression) in _INNER.items():
    for _outer, (_before, _call, _gives) in _OUTER.items():
        _OPERATIONS[f"{_outer}_{_inner}"] = Operation("list", _before + _words, _call.format(_expression), _gives)

# What training leaves out: combinations of known parts, and a few operations that it never shows.
_UNSEEN = {
    "negate": Operation("number", "{x} with its sign turned", "-{x}", "int"),
    "cube": Operation("number", "the cube of {x}", "{x} * {x} * {x}", "int"),
    "cap": Operation("number", "{x}, but at most {n}", "min({x}, {n})", "int"),
    "squares": Operation("list", "the sum of the squares of {x}", "sum([i * i for i in {x}])", "int"),
    "odd": Operation("list", "the odd items of {x}", "[i for i in {x} if i % 2 == 1]", "List[int]"),
    "middle": Operation("list", "the item in the middle of {x}", "{x}[len({x}) // 2]", "int"),
    "tail": Operation("text", "{x} without its first {n} letters", "{x}[{n}:]", "str"),
    "twice": Operation("text", "{x} written twice", "{x} * 2", "str"),
}
_OPERATIONS |= _UNSEEN
_ONLY_SAMPLE = {"sum_below", "sorted_times", "count_plus", "sorted_even", *_UNSEEN}
OPERATIONS: dict[Part, list[str]] = {
    "train": [name for name in _OPERATIONS if name not in _ONLY_SAMPLE],
    "sample": list(_OPERATIONS),
}

SAYING = Wording(("Return {}.", "Compute {}.", "Find {}."), ("Give back {}.",))
SUFFIX = Wording(("one", "two", "value", "it", "all"), ("of_input", "and_return"))
PARAMETERS = {
    "number": ["x", "number"],
    "list": ["xs", "numbers"],
    "text": ["text", "word"],
}
_ANNOTATION = {"number": "int", "list": "List[int]", "text": "str"}
_WORDS = [
    "apple",
    "Bird",
    "cloud",
    "Door",
    "east",
    "Fish",
    "green",
    "Hill",
    "iron",
    "June",
    "kite",
    "Lamp",
    "moon",
    "Note",
]


def make_program(rng: random.Random, name: str, part: Part) -> Program:
    """A prompt, the body that solves it, and a check with five cases."""
    operation = _OPERATIONS[name]
    x, n = rng.choice(PARAMETERS[operation.takes]), rng.randint(2, 9)
    entry_point = f"{name}_{SUFFIX.pick(rng, part)}"
    head = f"def {entry_point}({x}):"
    if part == "sample" or rng.random() < 0.5:
        head = f"def {entry_point}({x}: {_ANNOTATION[operation.takes]}) -> {operation.gives}:"
        if "List" in head:
            head = "from typing import List\n\n\n" + head
    expression = operation.body.replace("{x}", x).replace("{n}", str(n))
    body = f"    {'' if chr(10) in expression else 'return '}{expression}\n"
    function = _run(head + "\n" + body)[entry_point]
    cases = [(value, function(value)) for value in _inputs(rng, operation.takes)]
    says = SAYING.pick(rng, part).format(operation.says.replace("{x}", x).replace("{n}", str(n)))
    asserts = "".join(f"    assert candidate({value!r}) == {result!r}\n" for value, result in cases)
    return {
        "prompt": f'{head}\n    """{says}"""\n',
        "entry_point": entry_point,
        "canonical_solution": body,
        "test": f"def check(candidate):\n{asserts}",
    }


def _inputs(rng: random.Random, takes: str) -> list[Any]:
    """Five different arguments."""
    if takes == "number":
        return rng.sample(range(1, 21), 5)
    if takes == "text":
        return rng.sample(_WORDS, 5)
    return [rng.sample(range(1, 13), rng.randint(3, 4)) for _ in range(5)]


def _run(source: str) -> dict[str, Any]:
    """Define a function of this file's own making, so that its examples are computed and not typed."""
    scope: dict[str, Any] = {}
    exec("from typing import List\n" + source, scope)  # noqa: S102
    return scope
