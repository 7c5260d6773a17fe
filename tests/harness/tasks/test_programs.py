"""The program out of a chat model's answer."""

from __future__ import annotations

import ast
import textwrap
import warnings

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.tasks.programs import extract_program, fenced_blocks, longest_valid

PROMPT = """from typing import List
import math

def helper(x):
    return x + 1


def f(x: List[int]) -> int:
    '''Sum.'''
"""

LINES = [
    "def f(x):",
    "    return x",
    "    pass",
    "def f(x): return f'{x y}'",
    "x = (1,",
    "2)",
    "x = 1 \\",
    '"""',
    "'''text",
    "Here is the function.",
    "Sure",
    "",
    "if x:",
    "else:",
    "try:",
    "except ValueError:",
    "@cache",
    "class A:",
    "\x00",
    "  y = [",
    "]",
    "# note",
    "a = 1; b = 2",
    "match x:",
    "    case 1:",
    "        return 2",
    "print 'x'",
    "f(a=1, 2)",
    "\tz = 3",
    "f'{'",
    "async def g():",
    "(" * 300,
    "lambda: (yield)",
]


def parses(source: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def defined(source: str) -> dict:
    names: dict = {}
    exec(source, names)
    return names


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=9))
def test_the_longest_run_of_lines_that_parses_wins(lines):
    runs = ["\n".join(lines[a:b]).strip("\n") for a in range(len(lines)) for b in range(a + 1, len(lines) + 1)]
    longest = max((run.count("\n") for run in runs if run and not run.isspace() and parses(run)), default=0)
    found = longest_valid("\n".join(lines))
    assert parses(found)
    assert found.count("\n") >= longest


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from([*LINES, "```python", "```", "~~~", "\r"]), max_size=14).map("\n".join)
    ),
    st.sampled_from([PROMPT, "def f(x):\n", "not python(", ""]),
)
@example("A=0\\\n#\n01\ndef f():0", PROMPT)
def test_any_text_gives_a_program_that_parses(text, prompt):
    assert parses(extract_program(text, prompt, "f"))


@pytest.mark.parametrize(
    "text",
    [
        "Sure!\n```python\nfrom typing import List\ndef f(x: List[int]) -> int:\n    return sum(x)\n```\nIt sums.",
        "Sure!\n```python\ndef f(x: List[int]) -> int:\n    return sum(x)",  # not closed, and lacks the import
        "def f(x):\n    return sum(x)\n\nThis sums the list.",
        "1. First:\n   ```py\n   def f(x):\n       return sum(x)\n   ```",
        "```\nreturn sum(x)\n```",
        "```\n    return sum(x)\n```",
        "    return sum(x)\n\nThis is the rest of the function.",
        "```python\ndef f(x):\n    return total(x)\n\ndef total(x):\n    return sum(x)\n\nprint(undefined)\n```",
        "```python\ndef f(x):\n    return sum(x)\n```\nUse it:\n```python\nassert f([1]) == 2\nraise SystemExit\n```",
        "```python\nTABLE = {}\nTABLE['a'] = 0\ndef f(x):\n    return sum(x) + TABLE['a']\nf(undefined)\n```",
        "```python\ndef f(x):\r\n    return sum(x)\r\n```",
        "```python\ndef f(x):\n    return helper(sum(x)) - 1\n```",  # a helper of the prompt
        "```python\n@math.nothing if False else (lambda g: g)\ndef f(x):\n    return math.floor(sum(x))\n```",
        "```python\nx = 1; import numpy_that_is_not_there\n```\n```python\ndef f(x):\n    return sum(x)\n```",
    ],
)
def test_an_answer_in_any_form_becomes_a_program_that_works(text):
    assert defined(extract_program(text, PROMPT, "f"))["f"]([1, 2, 3]) == 6


def test_tests_and_examples_are_left_out_and_comments_stay():
    text = "```python\nimport os\nimport math\n# adds\ndef f(x):\n    return math.fsum(x)\n\nassert f([1]) == 2\n```"
    assert extract_program(text, PROMPT, "f") == "import math\n# adds\ndef f(x):\n    return math.fsum(x)"


def test_no_program_at_all():
    assert extract_program("I cannot help with that, sorry.", PROMPT, "f") == ""
    assert extract_program("", "", "f") == ""


def test_what_the_parser_gives_up_on_is_not_a_program():
    deep = "x = " + "(" * 5000 + ")" * 5000
    wide = "y = " + "-" * 200_000 + "1"
    text = f"```python\n{deep}\n{wide}\n\x00\ndef f(x):\n    return sum(x)\n```"
    assert defined(extract_program(text, PROMPT, "f"))["f"]([2]) == 2


def test_many_branches_are_no_trouble():
    branches = "if x:\n    y = 1\n" + "".join(f"elif x == {n}:\n    y = {n}\n" for n in range(150))
    assert "elif x == 149" in extract_program(
        f"```python\n{branches}\ndef f(x):\n    return y\nx = 0\n```", PROMPT, "f"
    )


def test_fences():
    assert fenced_blocks("a\n```\nb\n```\n~~~py\n```\nc\n~~~\n````\n```\n````\n```\nd") == ["b", "```\nc", "```", "d"]


FULL = "def f(x):\n    return sum(x)"
DRAFT = "def f(x):\n    # a long try\n    total = 5\n    for each in x:\n        total = total * each\n    return total"


@pytest.mark.parametrize(
    "text",
    [
        # the last complete version wins
        f"```python\n{DRAFT}\n```\nThat multiplies. Corrected:\n```python\n{FULL}\n```",
        f"{DRAFT}\n\nThat multiplies. Corrected:\n\n{FULL}\n\nNow it adds.",
        f"```python\n{FULL}\n```\nIt has this shape:\n```python\ndef f(x):\n    ...\n```",
        f"```python\n{FULL}\n```\nIts shape:\n```python\ndef f(x):\n    '''Sum.'''\n    raise NotImplementedError\n```",
        f"```python\n{FULL}\n```\nAgain:\n```python\ndef f(x):\n    total = 0\n    for each in x:\n        total +",
        f"```python\n{FULL}\n```\nAgain:\n```python\ndef f(x):\n    total = 0\n    for each in",
        # helpers and imports in blocks of their own
        "```python\nimport numbers\n```\n```python\ndef f(x):\n    return add(x)\n```\n```python\n"
        "def add(x):\n    return sum(x) if isinstance(x[0], numbers.Number) else 0\n```",
        "```python\ndef add(x):\n    return sum(x)\n```\nand\n```python\ndef f(x):\n    return add(x)\n```",
        "```python\ndef f(x):\n    return add(x)\n```\nand\n```python\ndef add(x):\n    return sum(x)\n```",
        "```python\nfrom functools import reduce\nfrom operator import add\n```\n```python\ndef f(x):\n"
        "    return reduce(add, x)\n```",
        "```python\nclass Total:\n    value = 0\n```\n```python\ndef f(x: Total):\n    t = Total()\n    for i in x:\n"
        "        t.value += i\n    return t.value\n```",
        "```python\ndef f(x):\n    return START + sum(x)\n```\n```python\nSTART = 0\n```",
        f"```python\ndef add(x):\n    return sum(x)\n{DRAFT}\n```\nNo:\n```python\ndef f(x):\n    return add(x)\n```",
        "```python\ndef add(x):\n    return 0\n```\nBetter:\n```python\ndef add(x):\n    return sum(x)\n```\n"
        "```python\ndef f(x):\n    return add(x)\n```",
        # examples do not get in
        f"```python\n{DRAFT.replace('5', '0').replace('total * each', 'total + each')}\n```\n"
        "```python\ntotal = f(undefined)\neach = 1 / 0\n```",
        f"```python\nx = input()\nsum = 3\n```\n```python\n{FULL}\n```",
        # indents
        "```python\ntotal = 0\n    for i in x:\n        total += i\n    return total\n```",
        "```python\nfor i in [0]:\n        if True:\n            return sum(x)\n    return 0\n```",
        "total = 0\n    for i in x:\n        total += i\n    return total",
        "```python\n   total = 0\n   for i in x:\n      total += i\n   return total\n```",
        "```python\n  return sum(x)\n```",
        "```\n        return sum(x)\n```",
        "```python\n    def f(x):\n        return sum(x)\n```",
        "```python\nimport math\n    def f(x):\n        return math.fsum(x)\n```",
        "Here it is:\n\n    def f(x):\n        return sum(x)\n\nIt adds.",
        "Here is the rest:\n\n    total = sum(x)\n    return total\n\nIt adds.",
        "```python\n    return add(x)\n```\nwith\n```python\ndef add(x):\n    return sum(x)\n```",
        "```python\nreturn sum(x)\n```\nUse it:\n```python\nassert f([1, 2, 3]) == 6\n```",
        # fences
        f"{FULL}\n```\nThat is all.",
        f"Sure.\n~~~python\n{FULL}\n~~~",
        f"Sure: ```python\n{FULL}\n```",
        f"```python\n>>> f([1])\n1\n```\n```python\n{FULL}\n```",
        f"```python\n{FULL}\n\n>>> f([1, 2])\n3\n```",
        f"```python\n{FULL}\n",
        "```python\nf = lambda x: sum(x)\n```",
        "```python\ndef f(x):\n    def add(y):\n        return sum(y)\n    return add(x)\n```",
        "```python\nfrom __future__ import annotations\n```\n```python\ndef add(x: Unknown):\n    return sum(x)\n```\n"
        "```python\ndef f(x):\n    return add(x)\n```",
    ],
)
def test_the_last_complete_version_with_all_that_the_answer_defined(text):
    assert defined(extract_program(text, PROMPT, "f"))["f"]([1, 2, 3]) == 6


def test_of_a_wrong_correction_no_right_draft_is_taken():
    text = f"```python\n{FULL}\n```\nWait:\n```python\ndef f(x):\n    return 0\n```"
    assert defined(extract_program(text, PROMPT, "f"))["f"]([1, 2, 3]) == 0
    unrelated = "```python\ndef g(x):\n    return sum(x)\n```"
    assert defined(extract_program(unrelated, PROMPT, "f"))["f"]([1, 2, 3]) is None


PARTS = {
    "imports": "import functools\nimport operator",
    "constant": "START = 0",
    "helper": "def add(a, b):\n    return operator.add(a, b)",
    "f": "def f(x):\n    return functools.reduce(add, x, START)",
}
NOISE = [
    "```python\nf([4])\n```",
    "Some prose, with (brackets.",
    "```\n>>> f([1])\n1\n```",
    "```python\nx = f(nothing)\n```",
]


@settings(max_examples=150, deadline=None)
@given(
    st.permutations(list(PARTS)),
    st.lists(st.integers(1, 4), min_size=4, max_size=4),
    st.lists(st.sampled_from(NOISE), max_size=3),
    st.lists(st.sampled_from([FULL.replace("sum(x)", "None"), DRAFT]), max_size=2),
    st.booleans(),
    st.sampled_from([0, 0, 3, 4]),
)
def test_an_answer_in_pieces_is_one_program(order, sizes, noise, drafts, closed, indent):
    """Blocks in any order and of any number of parts, drafts before them and examples between."""
    blocks, at = [f"```python\n{draft}\n```" for draft in drafts], 0
    for number, size in enumerate(sizes):
        some = [PARTS[name] for name in order[at : at + size]]
        at += size
        if some:
            code = "\n\n".join(some)
            blocks.append("```python\n" + textwrap.indent(code, " " * indent) + "\n```")
        blocks += noise[number : number + 1]
    text = "\n\n".join(blocks)
    if not closed and text.endswith("```") and text.count("```python") * 2 >= text.count("```"):
        text = text.removesuffix("```")
    assert defined(extract_program(text, "def f(x):\n    '''Sum.'''\n", "f"))["f"]([1, 2, 3]) == 6
