"""What is learnt of a conversation, held against transformers' own mask and against what was said."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.instructions import Instruction, Message
from harness.errors import UsageError
from harness.prompting.chat_rows import ChatRows
from harness.prompting.chat_templates import DATE
from harness.prompting.row_tokens import RowTemplate, Tokens, encode
from harness.prompting.tokens import Encoder
from harness.types import Prompt
from tests.harness.prompting.published_templates import PUBLISHED, read, template_of, tokenizer_of
from tests.models import make_tokenizer

LONG = 100_000
TAKE_NO_SYSTEM = ("gemma", "mistral")


def row(*contents: str, system: str | None = None) -> Instruction:
    """A conversation whose first turn is the user's."""
    messages = [Message("system", system)] if system is not None else []
    roles = ("user", "assistant")
    messages += [Message(roles[at % 2], content) for at, content in enumerate(contents)]  # type: ignore[arg-type]
    return Instruction("my.jsonl", contents[0], "", contents[-1], tuple(messages))


def tokens_of(name: str, conversation: Instruction) -> tuple[Tokens, list[str]]:
    ((tokens,), warnings) = encode(tokenizer_of(name), [conversation], LONG, template_of(name))
    return tokens, warnings


def learnt_texts(tokenizer: Any, tokens: Tokens) -> list[str]:
    """What each span adds to the text before it: a SentencePiece tokenizer strips the first space of a text."""
    cuts = [tokenizer.decode(list(tokens.ids[:cut])) for span in tokens.spans for cut in span]
    return [after[len(before) :] for before, after in list(pairwise(cuts))[::2]]


CONVERSATIONS = [
    row("Who are you?", "A house by the river."),
    row("One?", "Yes, one.\nAnd more.", "Two?", "No: 2 < 3."),
    row("One?", "user", "assistant", "One?", "Three?", "é 漢字 🙂"),
]


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("number", range(len(CONVERSATIONS)))
@pytest.mark.parametrize("system", [None, "Be short."])
def test_the_mask_is_transformers_own(name: str, number: int, system: str | None) -> None:
    if system and name in TAKE_NO_SYSTEM:
        return
    tokenizer = tokenizer_of(name)
    conversation = CONVERSATIONS[number]
    contents = [message.content for message in conversation.messages]
    conversation = row(*contents, system=system)
    theirs = tokenizer.apply_chat_template(
        [{"role": message.role, "content": message.content} for message in conversation.messages],
        chat_template=read(f"{name}.marked"),
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    tokens, warnings = tokens_of(name, conversation)
    first = len(tokens.ids) - len(theirs["input_ids"])  # the BOS, where the tokenizer adds it and the template does not
    assert tokens.ids[:first] == (tokenizer.bos_token_id,) * first
    assert tokens.ids.count(tokenizer.bos_token_id) <= 1
    assert list(tokens.ids[first:]) == theirs["input_ids"]
    assert [place - first for place in tokens.learnt] == [
        at for at, learnt in enumerate(theirs["assistant_masks"]) if learnt
    ]
    assert not warnings


def test_a_template_that_marks_what_is_learnt_is_believed() -> None:
    """SmolLM3's own marks, which hold the begin of a turn too; the day is the fixed one of all prompts."""
    tokenizer = tokenizer_of("smollm3")
    conversation = CONVERSATIONS[1]
    theirs = tokenizer.apply_chat_template(
        [{"role": message.role, "content": message.content} for message in conversation.messages],
        return_dict=True,
        return_assistant_tokens_mask=True,
        strftime_now=lambda _: "26 July 2024",
    )
    tokens, _ = tokens_of("smollm3", conversation)
    first = len(tokens.ids) - len(theirs["input_ids"])
    assert (DATE, list(tokens.ids[first:])) == ("2024-07-26", theirs["input_ids"])
    assert [place - first for place in tokens.learnt] == [
        at for at, learnt in enumerate(theirs["assistant_masks"]) if learnt
    ]
    assert learnt_texts(tokenizer, tokens)[0] == "<|im_start|>assistant\nYes, one.\nAnd more.<|im_end|>\n"


WORDS = ["house", " river", "\n", "é", "12", "x=1", "</s>", "<s>", "<|im_end|>", "<|eot_id|>", "<|end|>", "user", "<b>"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(lambda words: f"a{''.join(words)}b")


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name != "qwen3"])
@given(turns=st.lists(st.tuples(texts, texts), min_size=1, max_size=3), system=st.none() | texts)
@settings(max_examples=25, deadline=None)
def test_what_the_model_says_and_its_end_is_learnt_and_nothing_else(
    name: str, turns: list[tuple[str, str]], system: str | None
) -> None:
    """Names of control tokens in it are text: the only control tokens are those that the template writes."""
    tokenizer, template = tokenizer_of(name), template_of(name)
    contents = [content for turn in turns for content in turn]
    tokens, _ = tokens_of(name, row(*contents, system=system))
    mark = PUBLISHED[name].mark
    assert learnt_texts(tokenizer, tokens) == [answer + mark for _, answer in turns]
    assert template.chat is not None
    control = template.chat.control
    plain, _ = tokens_of(name, row(*["x"] * len(contents), system="x" if system else None))
    assert control.of(tokens.ids) == control.of(plain.ids)
    whole = tokenizer.decode(list(tokens.ids))
    assert all(content in whole for content in contents)


def test_each_last_answer_of_qwen3_has_its_empty_thought_and_earlier_ones_have_none() -> None:
    tokenizer = tokenizer_of("qwen3")
    tokens, warnings = tokens_of("qwen3", CONVERSATIONS[1])
    assert learnt_texts(tokenizer, tokens) == [
        "Yes, one.\nAnd more.<|im_end|>",
        "<think>\n\n</think>\n\nNo: 2 < 3.<|im_end|>",
    ]
    assert not warnings
    (note,) = template_of("qwen3").chat.notes  # type: ignore[union-attr]
    assert note.startswith("The chat template begins a last answer with '<think>")


def test_thoughts_that_the_template_removes_are_counted() -> None:
    thought = "<think>\nhm\n</think>\n\n"
    tokens, warnings = tokens_of("qwen3", row("One?", f"{thought}Yes.", "Two?", f"{thought}No."))
    assert learnt_texts(tokenizer_of("qwen3"), tokens) == ["Yes.<|im_end|>", f"{thought}No.<|im_end|>"]
    assert len(warnings) == 1
    assert warnings[0].startswith("Of 1 of 1 rows the chat template leaves out some text (earlier thoughts")


@pytest.mark.parametrize("name", TAKE_NO_SYSTEM)
def test_a_system_text_that_the_template_does_not_take_stands_in_the_first_question(name: str) -> None:
    tokens, warnings = tokens_of(name, row("One?", "Yes.", system="Be short."))
    expected, _ = tokens_of(name, row("Be short.\n\nOne?", "Yes."))
    assert tokens == expected
    assert warnings == ["The chat template takes no system text: in 1 of 1 rows it stands before the first question."]


def test_rows_that_the_template_refuses_count_for_nothing() -> None:
    refused = Instruction("x", "One?", "", "b", tuple(Message("assistant", text) for text in "ab"))
    encoded, warnings = encode(tokenizer_of("gemma"), [refused, CONVERSATIONS[0]], LONG, template_of("gemma"))
    assert [bool(tokens.responses) for tokens in encoded] == [False, True]
    assert encoded[0].ids == ()
    assert "1 of 2 rows cannot be written and count for nothing: " in warnings[0]
    assert "roles must alternate" in warnings[0]


def test_the_end_token_follows_a_mark_with_which_the_model_does_not_end() -> None:
    """A base whose tokenizer ends texts with another token than its ChatML template ends turns with."""
    tokenizer = make_tokenizer("bytes")
    tokenizer.add_tokens(["<|im_start|>", "<|im_end|>"], special_tokens=True)
    tokenizer.chat_template = read("chatml")
    tokenizer.pad_token = tokenizer.eos_token  # a token is learnt for what it is, not for what pads
    template = RowTemplate("chat", ChatRows(tokenizer), frozenset({tokenizer.eos_token_id}))
    ((tokens,), _) = encode(tokenizer, [CONVERSATIONS[1]], LONG, template)
    assert learnt_texts(tokenizer, tokens) == ["Yes, one.\nAnd more.<|im_end|>", "No: 2 < 3.<|im_end|></s>"]
    also = RowTemplate("chat", template.chat, template.ends | {tokenizer.convert_tokens_to_ids("<|im_end|>")})
    ((tokens,), _) = encode(tokenizer, [CONVERSATIONS[1]], LONG, also)
    assert learnt_texts(tokenizer, tokens)[-1] == "No: 2 < 3.<|im_end|>"


def test_marks_that_leave_the_end_out_are_extended_by_it() -> None:
    tokenizer = tokenizer_of("llama3")
    marked = read("llama3.marked").replace(
        "{% generation %}{{ message['content'] | trim + '<|eot_id|>' }}{% endgeneration %}",
        "{% generation %}{{ message['content'] | trim }}{% endgeneration %}{{ '<|eot_id|>' }}",
    )
    assert marked != read("llama3.marked")
    other = make_tokenizer("llama3")
    other.add_tokens(list(PUBLISHED["llama3"].names), special_tokens=True)
    other.eos_token, other.chat_template = "<|eot_id|>", marked
    ((tokens,), _) = encode(other, [CONVERSATIONS[1]], LONG, RowTemplate("chat", ChatRows(other)))
    assert (tokens, []) == tokens_of("llama3", CONVERSATIONS[1])
    assert tokenizer.decode(tokens.ids[tokens.spans[0][1] - 1]) == "<|eot_id|>"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for m in messages %}{{ m['content'] | upper }}{% endfor %}", "it cannot be told where"),
        ("{% for m in messages %}{{ m['content'] | length }}{% endfor %}", "it cannot be told where"),
        ("{% generation %}{{ 'x' }}{% endgeneration %}", "it leaves out what is said"),
        (
            "{{ messages | length }}{% if false %}{% generation %}{% endgeneration %}{% endif %}",
            "the template marks nothing",
        ),
    ],
)
def test_a_template_in_which_nothing_can_be_told_is_refused(template: str, reason: str) -> None:
    tokenizer = make_tokenizer("bytes")
    tokenizer.chat_template = template
    with pytest.raises(UsageError, match=rf"of my/model cannot be trained in: {reason}.*alpaca or plain"):
        ChatRows(tokenizer, "my/model")


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_row_is_learnt_behind_the_prompt_that_a_run_asks(name: str) -> None:
    encoder = Encoder(tokenizer_of(name), LONG, chat=True)
    (asked,) = encoder.prompts([Prompt("", "Two?", earlier=("One?", "Yes, one."))], [1])
    tokens, _ = tokens_of(name, row("One?", "Yes, one.", "Two?", "No."))
    assert list(tokens.ids[: tokens.spans[-1][0]]) == asked.ids
