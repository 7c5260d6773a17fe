"""Verdicts are read strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.judging.model_judge import _verdict
from judges.judging.verdict import UnclearError, parse

MEANS = {"A": "first", "B": "second", "C": "tie"}
without_verdicts = st.text().filter(lambda text: "[[" not in text and not text.startswith("[") and "]" not in text)


@given(without_verdicts, st.sampled_from("ABC"), without_verdicts, st.integers(1, 3))
def test_one_verdict_said_once_or_more(before, letter, after, times):
    assert parse(before + f" [[{letter}]] " * times + after) == MEANS[letter]


@given(without_verdicts, st.sampled_from([("A", "B"), ("B", "A"), ("A", "C"), ("C", "A"), ("B", "C"), ("C", "B")]))
def test_two_different_verdicts_are_none(between, letters):
    with pytest.raises(UnclearError, match=f"two verdicts: .*{min(letters)}.* and .*{max(letters)}"):
        parse(f"[[{letters[0]}]]{between}[[{letters[1]}]]")


def test_three_verdicts_are_none():
    with pytest.raises(UnclearError, match="two verdicts"):
        parse("[[C]] [[B]] [[A]]")


@pytest.mark.parametrize("text", ["", "A", "[A]", "[[a]]", "[[D]]", "[[ A ]]", "[[AB]]", "x[[0]]", "[ [A] ]"])
def test_what_only_looks_like_a_verdict_is_none(text):
    with pytest.raises(UnclearError, match="no verdict"):
        parse(text)


@given(st.text(alphabet="[]ABC \n"))
def test_what_is_read_stands_in_the_text_alone(text):
    said = {letter for letter in "ABC" if f"[[{letter}]]" in text}
    try:
        found = parse(text)
    except UnclearError:
        assert len(said) != 1
    else:
        assert [MEANS[letter] for letter in said] == [found]


def test_other_brackets_do_not_disturb():
    assert parse("as `a[[0]]` shows, and [[1]] says: [[B]]") == "second"


@pytest.mark.parametrize(
    ("text", "is_cut", "verdict"),
    [
        ("<think>[[A]] or [[B]]?</think>So: [[B]]", False, "second"),
        ("[[A]]? No.</think>\n\n[[B]]", False, "second"),  # the chat template has opened the thought
        ("<think>It is [[A]], I think", False, None),
        ("<think>It is [[A]], I think", True, None),
        ("It is [[A]], I think, but", True, None),  # perhaps a thought
        ("It is [[A]], I think, but", False, "first"),
        ("[[A]] because it is shor", True, "first"),
        ("All told: [[A]]", True, "first"),
        ("[THINK]It is [[A]].[/THINK][[C]] as both are sho", True, "tie"),
    ],
)
def test_what_a_thought_says_is_no_verdict(text, is_cut, verdict):
    if verdict is None:
        with pytest.raises(UnclearError, match="no verdict"):
            _verdict(text, is_cut)
    else:
        assert _verdict(text, is_cut) == verdict


@given(
    st.sampled_from([("<think>", "</think>"), ("[THINK]", "[/THINK]"), ("<thinking>", "</thinking>")]),
    st.lists(st.sampled_from(["[[A]]", "[[B]]", "[[C]]", " or ", "\n", "[["]), max_size=6).map("".join),
    st.sampled_from("ABC"),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_the_verdict_is_what_follows_any_thought(tags, thought, letter, opened, ends, is_cut):
    """Also where the chat template has opened the thought, so that the text only closes it."""
    opening, closing = tags
    text = f"{opening}t{thought}" if not (opened and ends) else f"t{thought}"
    if ends:
        assert _verdict(f"{text}{closing}\n\nSo [[{letter}]] it is.", is_cut) == MEANS[letter]
    else:
        with pytest.raises(UnclearError, match="no verdict"):
            _verdict(text, is_cut)
