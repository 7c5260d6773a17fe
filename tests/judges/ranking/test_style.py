"""What an answer looks like: code has no headings, no lists and nothing bold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.ranking.style import STYLE, look


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("# a\n\n## b ##\n\n- one\n2) two\n\n**bold** and __bold__", (2, 2, 2, 0)),
        ("```py\n# c\n- x\n**b**\n```\n# after", (1, 0, 0, 2)),
        ("~~~~\n```\n# x\n~~~~\n- after", (0, 1, 0, 2)),
        ("1. a\n\n   ```py\n   # c\n   ```\n2. b", (0, 2, 0, 2)),
        ("10. a\n\n    ```py\n    # c\n    - d\n    ```\n", (0, 1, 0, 2)),
        ("- ```sh\n  # c\n  ```\n- b", (0, 2, 0, 2)),
        ("> ```sh\n> # c\n> ```\n", (0, 0, 0, 2)),
        ("```\n# never closed\n- x", (0, 0, 0, 1)),
        ("text\n\n    # indented code\n    - x\n\n    **y**\n\nmore", (0, 0, 0, 0)),
        ("- a\n    - nested\n\n        - deeper", (0, 3, 0, 0)),
        ("`**kwargs**` and ``a ` **b** ``, but **c**", (0, 0, 1, 0)),
        ("2 ** 3 ** 4, a__b__c, * * *", (0, 0, 0, 0)),
        ("* * *\n- - -\n___\n---", (0, 0, 0, 0)),
        ("#!/bin/sh\n#include <x>\n#", (1, 0, 0, 0)),
    ],
)
def test_marks_are_counted_outside_code(text, counts):
    assert look(text) == (len(text), *counts)


@given(st.lists(st.sampled_from(["# h", "- item", "**b**", "", "    ", "1. x", "text", "~~~"])))
def test_a_fenced_block_adds_its_fences_and_no_more(lines):
    block = "\n".join(["```python", *lines, "```"])
    assert look(block)[1:] == (0, 0, 0, 2)
    assert len(look(block)) == len(STYLE)


def test_many_backticks_take_no_time():
    assert look("`" * 3 + "x" + "` `` ` " * 20_000 + "\n" + "\n".join("`" * n for n in range(1, 300)))[0] > 0
