"""What models write shows as text, runs nothing and fetches nothing."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.html.sanitize import answer_html, question_html
from leaderboard.html.templates import visible

TAGS = {
    *("div", "p", "span", "strong", "em", "s", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "br"),
    *("table", "thead", "tbody", "tr", "th", "td", "h1", "h2", "h3", "h4", "h5", "h6"),
}
ATTRIBUTES = {"class", "dir", "start", "style"}


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.wrong: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.wrong += [tag] if tag not in TAGS else []
        self.wrong += [f"{name}={value}" for name, value in attrs if name not in ATTRIBUTES]
        self.wrong += [f"style={v}" for n, v in attrs if n == "style" and not re.fullmatch(r"text-align:\w+", v or "")]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.wrong.append("comment")


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(str(answer_html((text,))))  # the parser would add to Markup, which escapes
    reader.close()
    return reader


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "hello <b onmouseover=alert(1)>you</b>",
        "<iframe src='https://example.com'></iframe>",
        "<style>*{display:none}</style>",
        "</div></div><h1>out of the box</h1>",
        "<!-- a comment -->",
        "<svg/onload=alert(1)>",
    ],
)
def test_html_is_text(text):
    found = read(text)
    assert not found.wrong
    assert text in found.text.replace("\n", "")


@pytest.mark.parametrize(
    "text",
    [
        "![a picture](https://example.com/p.png)",
        "[a link](https://example.com/)",
        "[a link](javascript:alert(1))",
        "<https://example.com/auto>",
        "[ref]\n\n[ref]: https://example.com/ref",
        "[![both](https://example.com/p.png)](https://example.com/q)",
    ],
)
def test_links_and_images_lead_nowhere(text):
    found = read(text)
    assert not found.wrong
    assert "example.com" in found.text or "javascript" in found.text


def test_markdown_is_rendered():
    shown = answer_html(("# Head\n\n**bold** and `code`\n\n- one\n- two\n\n```py\nx < 1\n```\n\n|a|b|\n|-|-|\n|1|2|",))
    for piece in ("<h1", "<strong>bold</strong>", "<code>code</code>", "<li", "x &lt; 1\n</code></pre>", "<td"):
        assert piece in shown


def test_broken_markdown_stays_in_its_box():
    for text in ("```py\nnever closed", "**bold *and [broken](", "> > > >\n- - -\n1.", "|a|\n|-", "<div"):
        shown = answer_html((text,))
        assert not read(text).wrong
        assert len(re.findall(r"<div\b", shown)) == shown.count("</div>")


def test_null_bytes_surrogates_and_marks_of_direction_are_seen():
    shown = visible("a\x00b\x1b[31m\ud800\u202eevil\r\nnext\x7f")
    assert shown == "a␀b␛[31m\ufffd[U+202E]evil\nnext␡"
    assert "␀" in read("nul\x00byte").text


def test_right_to_left_text_has_its_own_direction():
    assert '<p dir="auto">' in answer_html(("שלום, world",))


def test_empty_answers_say_so():
    assert "(empty)" in answer_html((" \n",))
    assert "(no answer)" in answer_html(())


def test_turns_are_told_apart():
    assert answer_html(("one", "two")).count('class="turn"') == 2
    assert question_html(("one", "two")).count('class="turn"') == 2
    assert "&lt;b&gt;" in question_html(("<b>",))


@pytest.mark.parametrize(
    "text",
    [
        "word " * 20_000,
        "word " * 11_000,
        *(
            piece * (3_900 // len(piece.strip()))
            for piece in ("[", "*a ", "a*", "_a", "> ", "`", "![", "&", "|a", "<a")
        ),
        "[" * 50_000,
        "*a " * 30_000,
        "> " * 10_000,
        "`" * 50_000,
        "a*" * 30_000,
        "[a](" * 14_000,
        "- " * 20_000,
        "|a" * 20_000 + "\n" + "|-" * 20_000,
        "\n".join("`" * n for n in range(1, 300)),
        "_a" * 20_000,
        "![" * 20_000,
        "&" * 50_000,
        "1. " * 15_000,
    ],
    ids=lambda text: text[:6],
)
def test_long_and_spiteful_texts_take_no_time(text):
    began = time.process_time()
    found = read(text)
    assert time.process_time() - began < 5
    assert not found.wrong
    assert found.text.count("a") == text.count("a")
    assert found.text.count("word") == text.count("word")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("ab <>&\"'`*_[]()!#-|\\\n\x00\ud800\u202e~=:/1.")), max_size=80))
def test_no_text_makes_another_tag(text):
    assert not read(text).wrong
    answer_html((text,)).encode()


LOSSES = {
    "deep nesting": "> " * 30 + "the answer is 42",
    "deep lists": "\n".join("  " * n + f"- level {n}" for n in range(30)),
    "deep emphasis": "".join(f"*a{n} **b{n} " for n in range(40)) + "end",
    "a definition that nobody uses": "before\n\n[note]: https://example.com 'its title'\n\nafter",
    "a definition in use": "see [the note][n]\n\n[n]: https://example.com/page",
    "cells beyond the header": "|a|b|\n|-|-|\n|1|2|3|four|",
    "a fence's words": "```python title=run.py\nx = 1\n```",
    "a link's title": '[text](https://example.com/a "the title")',
    "an image": '![words of it](https://example.com/p.png "the title")',
    "an address in other letters": "[text](https://exämple.com/ü?q=a%20b)",
    "an automatic address": "<https://example.com/auto> <me@example.com>",
    "entities": "&lt;div&gt; &copy; &#65; &nbsp; `&amp;`",
    "entities in an address": "[x](https://example.com/?a=1&copy=2&amp;b)",
    "a comment": "before <!-- hidden words --> after",
    "HTML": "<details>\n<summary>more</summary>\nwords\n</details>",
    "a footnote": "text[^1]\n\n[^1]: the note",
    "numbers of its own": "3. three\n1. one\n7. seven",
    "a year": "1984. It was a year.\n\n007) he said",
    "headings": "Title\n=====\n\nOther\n---\n\n## third ##",
    "escapes": r"\*not bold\* \# a \[b\] \\(x\\) snake\_case",
    "images in a link": "[![alt](https://a.example/p.png)](https://b.example)",
    "a word of ours": "[image: none] ![image: x](https://example.com/[image:)",
    "a task": "- [ ] open\n- [x] done",
    "an indented block": "    four  spaces\n\ttab",
    "a long line": "word" * 3000 + " end",
}


def shown_words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


@pytest.mark.parametrize("kind", LOSSES)
def test_no_word_is_lost(kind):
    found = read(LOSSES[kind])
    assert not found.wrong
    assert [word for word in shown_words(LOSSES[kind]) if word not in found.text] == []


@pytest.mark.parametrize("kind", ["a fence's words", "a link's title", "numbers of its own", "entities", "an image"])
def test_what_markdown_leaves_out_is_shown_in_what_is_rendered(kind):
    assert 'class="plain"' not in answer_html((LOSSES[kind],))


PIECES = st.sampled_from(
    ["word", "two words", "9", "é漢", "🙂", "*", "**", "_", "`", "```", "~~~", "~~", "[", "]", "(", ")", "](", "!",
     "![", "]: ", "[^", "> ", "- ", "1. ", "12) ", "# ", "|", "|-|-|", "\n", "\n\n", "    ", "\t", " ", "\\", "&amp;",
     "&#65;", "<b>", "<!-- ", " -->", "<http://a.b/c>", '"', "'", "http://a.b/ü", "===", "---", ":", "\u200b",
     "\x0b", "%41", "\n\n[word]: http://a.b/c 'its title'\n\n", "\n\n|one|\n|-|\n|two|three|\n", "\n" + "> " * 110]
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_every_word_is_in_what_is_rendered_or_the_plain_text_is(text):
    found = read(text)
    assert not found.wrong
    pieces = iter(c for c in found.text if c.isalnum())
    wanted = [c for c in visible(text) if c.isalnum()]
    assert all(c in pieces for c in wanted), text  # each after the one before
