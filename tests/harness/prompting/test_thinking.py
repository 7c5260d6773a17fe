"""Where thoughts end, what the answer is, and where stops count: whole texts, and texts that come bit by bit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.prompting.stops import Marked
from harness.prompting.thinking import (
    SCORED,
    UNFINISHED,
    answer_of,
    has_thought,
    is_unfinished,
    opened,
    read,
    stored_text,
)
from harness.types import Generate, Prompt

HARMONY = "<|channel|>analysis<|message|>"
FINAL = "<|start|>assistant<|channel|>final<|message|>"
PAIRS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<Reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("◁think▷", "◁/think▷"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<unused94>", "<unused95>"),
    ("<|channel>thought", "<channel|>"),
    (HARMONY, "<|end|>" + FINAL),
]


def request(*stop: str, strip: bool = True) -> Generate:
    return Generate(Prompt("", "?"), stop, 100, after_thinking=strip)


def answered(text: str, *stop: str, opening: str = "") -> str:
    """The answer of a text once it is stored."""
    return answer_of(stored_text(Marked(text), request(*stop), opening).text)


@pytest.mark.parametrize(("opening", "closing"), PAIRS)
def test_the_answer_follows_the_thought_whatever_its_tags(opening, closing):
    text = f"{opening}\nIt is 5.\n\nNo.{closing}\n\n42\nmore"
    assert answered(text) == "42\nmore"
    assert answered(text, "\n") == "42"
    assert answered(f"It is 5.\n{closing}\n42\nmore", "\n", opening=opening) == "42"
    for unfinished in (f"{opening}It is 42\n", opening):
        found = stored_text(Marked(unfinished), request("\n"))
        assert (found.text, found.stopped, found.warnings) == (unfinished, False, (UNFINISHED,))
        assert answer_of(found.text) == ""
    assert opened(f"<|user|>Why?<|assistant|>{opening}\n") == opening
    assert opened(f"<|user|>Why?<|assistant|>{opening}\n{closing}\n\n") == ""
    assert answered("It is 42", opening=opening) == ""
    assert stored_text(Marked("It is 42"), request(), opening).warnings == (UNFINISHED,)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("42", "42"),
        (" 42\n", " 42\n"),
        ("", ""),
        ("\n\n<think>\n\n</think>\n\n42", "42"),
        ("<think></think>42", "42"),
        ("<think>a</think> 42", "42"),
        ("<think>a</think>\n    return 1", "    return 1"),  # a program keeps its indentation
        ("<think>a</think>\r\n\r\n42", "42"),
        ("<think>a</think>", ""),
        ("<think>a</think>\n<think>b</think>\n42", "42"),
        ("<think>a</think>\n</think>\n42", "42"),
        ("Well.\n<think>a</think>42", "42"),
        ("It is 42.\n<think>is it?</think>\n", "It is 42.\n"),
        ("<think>a<think>b</think>c</think>42", "42"),
        ("<think>\n<think>\na</think>42", "42"),  # the template's tag said again
        ("<think>they say <think> a lot</think>42", "42"),
        ("<think>I close with `</think>` then.</think>42", "42"),
        ("<think>a</thinking>b</think>42", "42"),
        ("<think>a</think>A thought ends with </think> here.", "A thought ends with </think> here."),
        ("a</think>42 </think> 43", "42 </think> 43"),
        ("Use `<think>` and `</think>`.", "Use `<think>` and `</think>`."),
        ('re.sub(r"<think>.*?</think>", "", s)', 're.sub(r"<think>.*?</think>", "", s)'),
        (f"{HARMONY}a<|end|>{FINAL}42", "42"),
        (f"{HARMONY}a<|end|><|start|>assistant<|channel|>commentary<|message|>b<|end|>{FINAL}42", "42"),
        ("<|channel|>final<|message|>42", "42"),
        ("42<|end|>\n43", "42<|end|>\n43"),  # Phi's end of a turn
        ("<think>a</think>42\n<think>and so on", ""),
        ("<thinker>a</thinker>", "<thinker>a</thinker>"),
    ],
)
def test_what_the_answer_is(text, answer):
    assert answer_of(text) == answer
    assert is_unfinished(text) == (answer == "" and not text.endswith("</think>") and text != "")


def test_stops_count_in_the_answer_alone():
    thought = "<think>\nEND Q:\n</think>"
    assert answered(f"{thought}END 42", "END") == ""
    assert answered(f"{thought}\n\n42\n\nQ: next", "\n\nQ:", "\n") == "42"
    assert answered(f"{thought}\n\n 42\n", "\n") == " 42"
    assert answered("\n42", "\n") == ""  # nothing is thought: all is answer
    assert answered(f"{thought}4\n{thought}2", "\n") == "4"
    found = stored_text(Marked(f"{thought}\n42\n"), request("\n"))
    assert (found.text, found.stopped) == (f"{thought}\n42", True)


def test_without_the_option_thoughts_are_text_and_that_is_said():
    for text, opening in (("<think>\na", ""), ("a\nb", "<think>"), ("a</think>b\n", "")):
        found = stored_text(Marked(text), request("\n", strip=False), opening)
        assert (found.text, found.stopped) == (text.partition("\n")[0], "\n" in text)
        assert found.warnings == (SCORED,)
    assert stored_text(Marked("a\nb"), request("\n", strip=False)).warnings == ()


def test_a_tag_that_a_question_quotes_opens_nothing():
    assert opened("What is `<think>`") == ""
    assert opened("What is '<think>") == ""
    assert opened("<think> is what?") == ""
    assert opened("") == ""


def marked(*pieces: str) -> Marked:
    """A text of these pieces, of which those in double angles are special tokens."""
    text, marks = "", []
    for piece in pieces:
        if piece.startswith("<<"):
            marks.append((len(text), len(text) + len(piece) - 2))
            piece = piece[1:-1]
        text += piece
    return Marked(text, tuple(marks))


def test_special_tokens_are_stops_and_tags_and_no_part_of_an_answer():
    text = marked(" fo", "<<x>>", "ur", "<<|im_end|>>", "\nQ")
    assert stored_text(text, request("<|im_end|>", strip=False)).text == " four"
    assert stored_text(text, request("ur<|im", strip=False)).text == " fo"  # begins in the answer
    assert stored_text(text, request("ur<|im_end|>\nQ", strip=False)).text == " fo"
    assert stored_text(text, request("four", strip=False)).text == " "  # as lm-eval, which looks again at the answer
    assert stored_text(text, request(strip=False)).text == " four\nQ"
    text = marked("<<think>>", "a\n", "<</think>>", "\n", "<<y>>", "\n4", "<<x>>", "2", "<<end>>")
    assert stored_text(text, request("\n", "<end>")).text == "<think>a\n</think>\n\n42"
    assert stored_text(text, request("\n", "<y>")).text == "<think>a\n</think>\n"


WORDS = st.text(st.sampled_from("ab1 \nQ:.<`"), max_size=12)
# none stands inside another after its first character: which is first would hang on how the text comes in pieces
STOPS = st.lists(st.sampled_from(["\n", "\n\n", "ab", "\nQ:", "a", "b1", ".", "END", "<", "</s>", " "]), max_size=3)
LEADS = st.sampled_from(["", "\n", "\n\n", " \n"])


def cut(answer: str, stop: list[str]) -> str:
    return answer[: min([at for s in stop if (at := answer.find(s)) >= 0], default=len(answer))]


@given(st.data(), st.sampled_from(PAIRS), st.lists(WORDS, max_size=3), WORDS, LEADS, STOPS, st.booleans())
def test_stops_leave_thoughts_alone(data, pair, thoughts, answer, lead, stop, open_already):
    """For any thoughts, answer and stops: the answer is cut at its first stop, and thoughts are whole. The same when
    the text comes in any pieces: nothing stops it before, and it is stopped as soon as that is certain."""
    opening, closing = pair
    answer = "x" + answer
    bodies = [opening + "t" + thought + "\n" + closing for thought in thoughts]
    text = "\n".join(bodies) + (lead if bodies else "") + answer
    open_already = open_already and bool(bodies)
    if open_already:
        text = text.removeprefix(opening)
    first = opening if open_already else ""
    found = stored_text(Marked(text), request(*stop), first)
    wanted = cut(answer, stop)
    assert answer_of(found.text) == wanted
    assert found.stopped == (wanted != answer)
    assert first + text == found.text + answer[len(wanted) :]
    ends = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {len(text)})
    for end in ends:
        reading = read(Marked(text[:end]), stop, first, ended=False)
        if reading.stopped:
            assert found.stopped
            assert answer_of(stored_text(Marked(text[:end]), request(*stop), first).text) == wanted
            break
    else:
        assert not found.stopped or reading.undecided


@given(st.sampled_from(PAIRS), WORDS, WORDS, STOPS, st.booleans())
def test_a_thought_that_never_ends_is_no_answer(pair, before, thought, stop, open_already):
    opening = pair[0]
    text = "t" + before + thought if open_already else f"\n{opening}t{before}{thought}"
    found = stored_text(Marked(text), request(*stop), opening if open_already else "")
    assert (answer_of(found.text), found.stopped, found.warnings) == ("", False, (UNFINISHED,))
    assert is_unfinished(found.text)
    assert has_thought(found.text)
