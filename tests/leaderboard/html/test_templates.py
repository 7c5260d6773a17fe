"""The board's HTML is in its templates, and what they print is text."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from leaderboard.html import templates
from leaderboard.html.templates import macros, text, visible
from tests.leaderboard.hostile import CONTROL, HTML, QUOTES

ROOT = Path(__file__).resolve().parents[3]
PYTHON = [*sorted((ROOT / "leaderboard").rglob("*.py")), ROOT / "harness" / "display.py"]
FILES = sorted((ROOT / "leaderboard" / "templates").glob("*.html"))
TAG = re.compile(r"</?[a-z][a-z0-9]*[\s>]")


def test_no_module_makes_html_by_hand():
    made = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in PYTHON
        if path.name not in ("testing.py", "compat.py")  # which look for tags, and change Streamlit's own page
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and TAG.search(node.value)
    ]
    assert made == []


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_every_macro_is_used(file):
    """By Python or by a template; and each file is read without an error."""
    used = "\n".join(path.read_text("utf-8") for path in (*PYTHON, *FILES))
    names = [name for name in vars(macros(file.stem)) if f"macro {name}(" in file.read_text("utf-8")]
    assert names
    for name in names:
        assert len(re.findall(rf"\b{name}\b", used)) > 1, name


def test_python_names_macros_that_there_are():
    """mypy does not see them."""
    named = {call for path in PYTHON for call in re.findall(r'macros\("(\w+)"\)\.(\w+)', path.read_text("utf-8"))}
    assert len(named) > 30
    assert [call for call in sorted(named) if not callable(getattr(macros(call[0]), call[1], None))] == []


@pytest.mark.parametrize("words", [HTML, QUOTES, CONTROL])
def test_what_a_macro_prints_is_text_without_any_filter(words):
    made = str(macros("shared").sentence(words))
    assert made == f'<p class="said">{text(words)}</p>'
    assert "<" not in made.removeprefix('<p class="said">').removesuffix("</p>")
    assert not re.search("[\x00-\x08\x1b\u202e\ud800]", made)
    assert macros("shared").link(words, words, words).count("<") == 2


def test_markup_passes_as_it_is():
    assert macros("shared").sentence(text("<b>")) == '<p class="said">&lt;b&gt;</p>'


def test_text_is_cut_with_an_ellipsis():
    assert text("x" * 60, 60) == "x" * 60
    assert text("x" * 61, 60) == "x" * 59 + "…"
    assert text("<" * 61, 60) == "&lt;" * 59 + "…"


def test_the_short_way_for_printable_texts_loses_nothing():
    changed = re.compile("|".join(p.pattern for p in (templates._CONTROL, templates._BIDI, templates._SURROGATE)))
    assert [code for code in range(sys.maxunicode + 1) if changed.match(chr(code)) and chr(code).isprintable()] == []
    assert visible("one\r\ntwo\rthree\tfour\x00") == "one\ntwo\nthree\tfour␀"
