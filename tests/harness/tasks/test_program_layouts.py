"""HumanEval answers in random layouts: thoughts, drafts, fences of all kinds, helpers in blocks of their own, tests.

Of each the program is known: the last complete version, with all that the answer defined."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prompting.stops import Marked
from harness.prompting.thinking import answer_of, stored_text
from harness.tasks.programs import extract_program
from harness.types import Generate, Prompt

PROMPT = "def f(x):\n    '''Sum.\n    >>> f([1])\n    1\n    '''\n"

PARTS = {  # what the last version is made of
    "import": "import functools",
    "from": "from operator import add as plus",
    "constant": "START = 0",
    "helper": "def two(a, b):\n    return plus(a, b)",
    "class": "class Total:\n    def __init__(self):\n        self.value = START\n\n    def take(self, x):\n"
    "        self.value = functools.reduce(two, x, self.value)\n        return self.value",
}
VERSIONS = (
    "def f(x):\n    total = Total()\n    return total.take(x)",
    "def f(x: list) -> int:\n    '''Sum.'''\n    # with a total\n    if not x:\n        return START\n\n"
    "    return Total().take(x)",
    "f = lambda x: Total().take(x)",
    "class Solution:\n    def f(self, x):\n        return Total().take(x)",
    "class Solution:\n    @staticmethod\n    def f(x):\n        return Total().take(x)",
    "def f(x):\n    def inner(y):\n        return Total().take(y)\n    return inner(x)",
)
DRAFTS = (
    "def f(x):\n    # a long try\n    total = 5\n    for each in x:\n        total = total * each\n    return total",
    "def two(a, b):\n    return 7\n\n\ndef f(x):\n    return two(x, x)",
    "def f(x):\n    return None",
)
STUBS = (
    "def f(x):\n    ...",
    "def f(x):\n    '''Sum.'''\n    pass",
    "def f(x):\n    # TODO\n    raise NotImplementedError('later')",
)
CUT_OFF = "def f(x):\n    total = 0\n    for each in x:\n        total +"
USES = (
    "print(f([1, 2]))",
    "assert f([1]) == 1, 'one'\nassert f([]) == 0",
    "from solution import f\nassert f([1]) == 1",
    "import unittest\nfrom my_module import f\n\nclass TestF(unittest.TestCase):\n    def test_f(self):\n"
    "        self.assertEqual(f([1]), 1)",
    "if __name__ == '__main__':\n    import doctest\n    doctest.testmod()",
    "result = f(undefined)",
    "for f in (f, sum):\n    print(f([1]))",
    "f = f([1, 2])",
    ">>> f([1])\n1",
    "$ python solution.py",
    "6",
)
PROSE = (
    "That is not right (yet).",
    "Here it is:",
    "It takes a list, e.g. `[1]`, and `f` sums it.",
    "- first\n- second",
    "Note:",
)
THOUGHTS = (("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<reasoning>", "</reasoning>"))


def fenced(code: str, draw: Any) -> str:
    """A block as models write it; some put a fence at the end of a line."""
    mark = draw(st.sampled_from(["```", "```", "````", "~~~"]))
    language = draw(st.sampled_from(["python", "py", "Python", ""]))
    opening, closing = f"{mark}{language}\n", f"\n{mark}"
    if mark == "```" and language:
        opening = draw(st.sampled_from(["", "", "So: ", "Sure!"])) + opening
    if mark == "```":
        closing = draw(st.sampled_from([closing, closing, mark, "\n   ```"]))
    block = opening + code + closing
    return textwrap.indent(block, "   ") if opening[0] in "`~" and draw(st.booleans()) else block


def styled(code: str, draw: Any) -> str:
    """With another indent at each level, and the whole indented."""
    unit = draw(st.sampled_from(["    ", "  ", "\t"]))
    lines = [(len(line) - len(line.lstrip()), line.lstrip()) for line in code.split("\n")]
    margin = draw(st.sampled_from(["", "", "", "    "]))
    return "\n".join(margin + unit * (depth // 4) + line if line else "" for depth, line in lines)


def thought(draw: Any) -> str:
    opening, closing = draw(st.sampled_from(THOUGHTS))
    inside = draw(st.sampled_from([*PROSE, *(f"```python\n{draft}\n```" for draft in DRAFTS), DRAFTS[0]]))
    return f"{opening}\n{inside}\n{closing}\n\n"


def stored(text: str, draw: Any) -> str:
    """The text as a run keeps it, whose template may have opened the thought itself."""
    opening = next((opening for opening, _ in THOUGHTS if text.startswith(opening)), "")
    opened = opening if opening and draw(st.booleans()) else ""
    request = Generate(Prompt("", "?"), (), 100, after_thinking=True)
    return stored_text(Marked(text.removeprefix(opened)), request, opened).text


def value_of(text: str) -> Any:
    names: dict[str, Any] = {}
    program = extract_program(text, PROMPT, "f")
    exec(program, names)
    return names["f"]([1, 2, 3])


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_the_last_complete_version_with_its_helpers(data: st.DataObject) -> None:
    draw: Any = data.draw
    order = [*draw(st.permutations(list(PARTS.values())))]
    order.insert(draw(st.integers(0, len(order))), draw(st.sampled_from(VERSIONS)))
    blocks: list[str] = []
    for code in order:
        if blocks and draw(st.booleans()):
            blocks[-1] += "\n\n\n" + code
        else:
            blocks.append(code)
    version = next(n for n, block in enumerate(blocks) if any(one in block for one in VERSIONS))
    pieces = [fenced(styled(code, draw), draw) for code in blocks]
    others = [(0, code) for code in draw(st.lists(st.sampled_from(DRAFTS), max_size=2))]
    if draw(st.booleans()):
        others.append((draw(st.integers(0, version)), DRAFTS[0]))
    others += [
        (draw(st.integers(0, len(pieces))), code)
        for code in draw(st.lists(st.sampled_from([*USES, *STUBS]), max_size=3))
    ]
    for place, code in sorted(others, key=lambda other: -other[0]):
        pieces.insert(place, fenced(code, draw))
    for place in draw(st.lists(st.integers(0, len(pieces)), max_size=3)):
        pieces.insert(place, draw(st.sampled_from(PROSE)))
    answer = "\n\n".join(pieces)
    if draw(st.booleans()):
        answer += f"\n\nOr rather:\n\n```python\n{CUT_OFF}"
    text = (thought(draw) if draw(st.booleans()) else "") + answer
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    assert value_of(answer_of(stored(text, draw))) == 6


BODIES = (
    "total = 0\nfor each in x:\n    total += each\nreturn total",
    "if not x:\n    return 0\nreturn x[0] + sum(x[1:])",
    "return sum(x)",
    "with_one = [*x, 1]\n\nwhile with_one:\n    if True:\n        return sum(with_one) - 1",
)


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_a_body_alone_goes_on_with_the_prompt_at_any_indent(data: st.DataObject) -> None:
    """The whole of it indented or not, or its first line alone without its indent."""
    draw = data.draw
    unit, margin = draw(
        st.sampled_from([(" " * n, " " * m) for n in (2, 3, 4, 8) for m in (0, 2, 4, 8)]) | st.just(("\t", "\t"))
    )
    lines = [(len(line) - len(line.lstrip()), line.lstrip()) for line in draw(st.sampled_from(BODIES)).split("\n")]
    body = "\n".join(margin + unit * (depth // 4) + line if line else "" for depth, line in lines)
    lost = draw(st.booleans())
    if lost:
        body = body.lstrip()
    if draw(st.booleans()) or (not lost and not margin):
        body = fenced(body, draw)
        body = f"{draw(st.sampled_from(['', *PROSE]))}\n\n{body}\n\n{draw(st.sampled_from(['', *PROSE]))}"
    assert value_of(body) == 6


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_what_a_thought_says_is_no_program(data: st.DataObject) -> None:
    """A thought with the right program, that ends before prose or a wrong one, or never ends."""
    draw = data.draw
    right = fenced("\n\n".join([*PARTS.values(), draw(st.sampled_from(VERSIONS))]), draw)
    opening, closing = draw(st.sampled_from(THOUGHTS))
    answer = draw(st.sampled_from([None, *PROSE, *(f"```python\n{draft}\n```" for draft in DRAFTS)]))
    text = f"{opening}\n{right}\n" + (f"{closing}\n\n{answer}" if answer is not None else "")
    try:
        value = value_of(answer_of(stored(text, draw)))
    except (NameError, KeyError):  # no function at all
        return
    assert value != 6


def test_a_version_without_its_helpers_is_not_made_up() -> None:
    with pytest.raises(NameError):
        value_of(f"```python\n{VERSIONS[0]}\n```")
