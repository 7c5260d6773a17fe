"""Rows in templates that need no tokenizer's, and plain text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.instructions import Instruction, Message, prompt_of
from harness.prompting.row_tokens import ALPACA, RowTemplate, encode
from harness.prompting.turn_words import written
from judges.answers.templates import Template
from tests.harness.prompting.published_templates import template_of, tokenizer_of
from tests.harness.prompting.test_chat_rows import LONG, learnt_texts, row
from tests.models import make_tokenizer

PLAIN = RowTemplate("plain")
SEVERAL = row("One?", "Yes, one.", "Two?", "No.", system="Be short.")
TEXT = Instruction("my.jsonl", "", "", "A house by </s> the river.", is_text=True)
KINDS = ("bytes", "sentencepiece", "llama3")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("template", [ALPACA, PLAIN], ids=lambda template: template.name)
def test_all_answers_of_a_conversation_are_learnt_and_the_end_behind_the_last(kind: str, template: RowTemplate) -> None:
    tokenizer = make_tokenizer(kind)
    ((tokens,), warnings) = encode(tokenizer, [SEVERAL], LONG, template)
    answers = [" Yes, one.", " No.</s>"] if template is ALPACA else ["Yes, one.", "No.</s>"]
    # a token may reach from the end of an answer into the line ends behind it
    assert [text.rstrip("\n") for text in learnt_texts(tokenizer, tokens)] == answers
    assert not warnings
    # what stands before an answer is what is asked when a set of answers is made
    asked = Template(template.name, ()).prompt(["Be short.\n\nOne?", "Two?"], ["Yes, one."]).own
    assert tokenizer.decode(tokens.ids[: tokens.spans[-1][0]], skip_special_tokens=True).strip() == asked.strip()


def test_a_row_without_turns_is_written_as_ever() -> None:
    tokenizer = make_tokenizer("llama3")
    plain = Instruction("alpaca", "Go", "there", "yes")
    ((tokens,), _) = encode(tokenizer, [plain], LONG)
    assert list(tokens.ids[: tokens.spans[0][0]]) == tokenizer(prompt_of(plain))["input_ids"]
    ((tokens,), _) = encode(tokenizer, [plain], LONG, PLAIN)
    assert tokenizer.decode(tokens.ids) == "<s>Go\n\nthere\n\nyes</s>"


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_a_plain_text_is_learnt_in_every_template(kind: str) -> None:
    """But for its first token: nothing comes before it, from which it could be told. A name in it is text."""
    tokenizer = make_tokenizer(kind)
    adds_bos = kind != "bytes"
    for template in (ALPACA, PLAIN):
        ((tokens,), warnings) = encode(tokenizer, [TEXT], LONG, template)
        assert list(tokens.learnt) == list(range(1, len(tokens.ids)))
        assert tokens.ids.count(tokenizer.eos_token_id) == 1
        assert tokens.ids[-1] == tokenizer.eos_token_id
        assert tokens.ids.count(tokenizer.bos_token_id) == adds_bos
        assert warnings == ["1 of 1 rows have names of control tokens in their text; they are trained as text."]
    chat_tokenizer = tokenizer_of("llama3")
    mixed = [SEVERAL, TEXT, row("<|eot_id|>?", "Yes.")]
    encoded, warnings = encode(chat_tokenizer, mixed, LONG, template_of("llama3"))
    assert list(encoded[1].learnt) == list(range(1, len(encoded[1].ids)))
    assert [tokens.ids.count(chat_tokenizer.eos_token_id) for tokens in encoded] == [5, 1, 2]
    assert warnings == ["2 of 3 rows have names of control tokens in their text; they are trained as text."]


def test_a_cut_takes_later_answers_first() -> None:
    tokenizer = make_tokenizer("bytes")
    ((whole,), _) = encode(tokenizer, [SEVERAL], LONG)
    (first, second) = whole.spans
    ((cut,), warnings) = encode(tokenizer, [SEVERAL], first[1])
    assert (cut.ids, cut.spans) == (whole.ids[: first[1]], (first,))
    assert warnings == [f"1 of 1 rows are longer than {first[1]} tokens and are cut there."]
    assert whole.within(second[0] + 1).spans == (first, (second[0], second[0] + 1))
    assert whole.within(first[0]).responses == 0


@given(turns=st.lists(st.sampled_from(["", "x", "y\n", "{z}"]), min_size=1, max_size=6))
@settings(deadline=None)
def test_pieces_are_the_text_and_say_whose_it_is(turns: list[str]) -> None:
    for name in ("alpaca", "plain"):
        said = [text.strip() for text, is_answer in written(name, turns) if is_answer and text.strip()]
        assert said == [turn.strip() for turn in turns[1::2] if turn.strip()]


def test_turns_of_one_side_in_a_row_are_one() -> None:
    messages = tuple(Message(role, role[0]) for role in ("user", "user", "assistant", "assistant"))
    ((tokens,), _) = encode(make_tokenizer("bytes"), [Instruction("x", "u", "", "a", messages)], LONG, PLAIN)
    assert make_tokenizer("bytes").decode(tokens.ids) == "u\n\nu\n\na\n\na</s>"
    only = Instruction("x", "", "", "a", messages[2:])
    ((tokens,), _) = encode(make_tokenizer("bytes"), [only], LONG)
    assert "### Instruction:\n\n\n### Response: a\n\na</s>" in make_tokenizer("bytes").decode(tokens.ids)
