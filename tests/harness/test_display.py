"""Results as text and HTML: what a model or a user wrote is text there and nothing else."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from harness.display import Content, html, text

HOSTILE = "<script>alert(1)</script>&amp;\"'{{ 7 * 7 }}\x1b[31m\u202e\nnext"
OURS = re.compile(r"</?(div|p|b|table|thead|tbody|tr|th|td|ul|li)( class=\"harness\")?>")


def test_a_table_and_its_notes():
    content = Content("one (tiny)", ("task", "n"), [("mmlu", 8), ("bbh", None)], ["a warning"])
    assert text(content) == "one (tiny)\ntask  n\nmmlu  8\nbbh\n! a warning"
    assert "<td>mmlu</td><td>8</td>" in html(content)
    assert text(Content("alone")) == "alone"


@given(st.text() | st.just(HOSTILE))
def test_hostile_text_makes_no_element_and_no_line(word):
    content = Content(word, (word,), [(word,)], [word])
    assert "<" not in OURS.sub("", html(content))
    shown = text(content)
    assert len(shown.split("\n")) == 4
    assert all(c.isprintable() or c == "\n" for c in shown)
