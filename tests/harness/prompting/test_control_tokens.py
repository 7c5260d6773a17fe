"""Control tokens' names in what a task asks, or a row has, are text: no control token comes of them, and all else is as
the tokenizer itself has it."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.instructions import Instruction, prompt_of, response_of
from harness.backends.transformers.jobs import make_jobs
from harness.models.bos import add_bos
from harness.prompting.control_tokens import ControlTokens
from harness.prompting.row_tokens import encode
from harness.prompting.tokens import Encoder
from harness.types import Prompt, Rolling
from tests.models import make_tokenizer

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HEADER = "The following are questions about HTML.\n\nWhich one is right?\nA. one\nB. two\nAnswer: A\n\n"
KINDS = ("bytes", "sentencepiece", "llama3", "unigram", "looked-up", "with-bos")


@cache
def tokenizer_of(kind: str) -> Any:
    """Tokenizers whose control tokens are found by different means. "looked-up": whole words are looked up in a
    vocabulary that has them; "unigram": the model itself would choose them; "with-bos": --add-bos."""
    from tokenizers import AddedToken

    made = {"unigram": _unigram, "looked-up": _looked_up, "with-bos": make_tokenizer}
    tokenizer = made[kind]() if kind in made else make_tokenizer(kind)
    tokenizer.add_tokens([AddedToken("<|im_start|>", special=True, normalized=False)], special_tokens=True)
    tokenizer.add_tokens([AddedToken("<|im_end|>", special=True, normalized=False, rstrip=True)], special_tokens=True)
    tokenizer.add_tokens([AddedToken("<tool_call>", special=False, normalized=False)])
    tokenizer.chat_template = CHATML
    if kind == "with-bos":
        add_bos(tokenizer, "m")
    return tokenizer


def _wrapped(backend: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        clean_up_tokenization_spaces=False,
    )


def _unigram() -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    letters = [(chr(c), -5.0) for c in range(33, 127)]
    words = [("▁", -3.0), ("▁the", -2.0), ("▁and", -2.0), ("\n", -4.0)]
    pieces = [
        ("<unk>", 0.0),
        ("<s>", 0.0),
        ("</s>", 0.0),
        *letters,
        *words,
        *((f"<0x{b:02X}>", -9.0) for b in range(256)),
    ]
    backend = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    backend.add_special_tokens(["<unk>", "<s>", "</s>"])
    return _wrapped(backend)


def _looked_up() -> Any:
    """As Llama 3's: a word that is in the vocabulary is taken whole, merges or not."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: n for n, word in enumerate(["<unk>", "<s>", "</s>", *alphabet, "th", "the"])}
    backend = Tokenizer(models.BPE(vocabulary, [("t", "h"), ("th", "e")], ignore_merges=True))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<unk>", "<s>", "</s>"])
    return _wrapped(backend)


def texts(most: int = 6) -> st.SearchStrategy[str]:
    """Words, line ends and any special tokens, at any place."""
    names = ["<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>", "<s", "/s>", "<|im_", "end|>"]
    parts = st.sampled_from([*names, " ", "\n", "the", "old", "é", "assistant\n", "<", "|"])
    return st.lists(parts, min_size=1, max_size=most).map("".join)


def as_words(tokenizer: Any, text: str) -> str:
    """A text through a tokenizer's own normalising and back, with nothing in it that could be read as control."""
    fast = tokenizer.backend_tokenizer
    ids = [fast.encode(c, add_special_tokens=False).ids for c in text]
    return "".join("".join(fast.decode(i, skip_special_tokens=False).split()) for i in ids)


def decoded(tokenizer: Any, ids: list[int]) -> str:
    return "".join(tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=False).split())


@pytest.mark.parametrize("kind", KINDS)
@given(shared=texts(), own=texts())
@settings(max_examples=60, deadline=None)
def test_a_prompt_has_the_tokenizers_control_tokens_and_no_others(kind: str, shared: str, own: str) -> None:
    tokenizer = tokenizer_of(kind)
    control = ControlTokens(tokenizer)
    encoder = Encoder(tokenizer, 100_000)
    for before in ("", HEADER):
        (encoded,) = encoder.prompts([Prompt(before + shared, own)], [1])
        assert control.of(encoded.ids) == control.added
        body = encoded.ids[len(control.added) :]
        assert decoded(tokenizer, body) == as_words(tokenizer, before + shared + own)
        assert body == encoder.text_ids(before + shared + own, add_special_tokens=False)
    (rolling,) = make_jobs([Rolling(shared + own)], encoder)
    assert not any(control.of(targets) for targets in rolling.targets)


@pytest.mark.parametrize("kind", KINDS)
@given(first=texts(), answer=texts(), own=texts(), system=st.none() | texts())
@settings(max_examples=40, deadline=None)
def test_a_chat_prompt_has_its_templates_control_tokens_and_no_others(
    kind: str, first: str, answer: str, own: str, system: str | None
) -> None:
    tokenizer = tokenizer_of(kind)
    encoder = Encoder(tokenizer, 100_000, chat=True, system=system)
    plain = Encoder(tokenizer, 100_000, chat=True, system="x" if system else None)
    (encoded,) = encoder.prompts([Prompt("", own, earlier=(first, answer))], [1])
    (wanted,) = plain.prompts([Prompt("", "x", earlier=("x", "x"))], [1])
    control = encoder.control
    assert control.of(encoded.ids) == control.of(wanted.ids)
    said = [("system", system)] if system else []
    said += [("user", first), ("assistant", answer), ("user", own), ("assistant", "")]
    words = "".join(as_words(tokenizer, role + text) for role, text in said)
    assert decoded(tokenizer, [token for token in encoded.ids if token not in control.ids]) == words


@pytest.mark.parametrize("kind", KINDS)
@given(rows=st.lists(st.tuples(texts(), st.just("") | texts(), texts()), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_a_row_has_one_bos_at_most_and_one_end_token_its_own(kind: str, rows: list[tuple[str, str, str]]) -> None:
    tokenizer = tokenizer_of(kind)
    control = ControlTokens(tokenizer)
    instructions = [Instruction("alpaca", *row) for row in rows]
    found, _ = encode(tokenizer, instructions, 100_000)
    for row, tokens in zip(instructions, found, strict=True):
        assert control.of(tokens.ids) == [*control.added, tokenizer.eos_token_id]
        assert tokens.ids[-1] == tokenizer.eos_token_id
        body = list(tokens.ids[len(control.added) : -1])
        assert decoded(tokenizer, body) == as_words(tokenizer, prompt_of(row) + response_of(row))
        learned = decoded(tokenizer, list(tokens.ids[tokens.spans[0][0] : -1]))
        assert learned == as_words(tokenizer, response_of(row))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chat", [False, True])
@given(own=texts(3), option=texts(3))
@settings(max_examples=40, deadline=None)
def test_an_option_has_no_control_token(kind: str, chat: bool, own: str, option: str) -> None:
    encoder = Encoder(tokenizer_of(kind), 100_000, chat=chat)
    for prompt in (Prompt(HEADER, own + "\nAnswer:"), Prompt(HEADER, "Answer:")):
        (encoded,) = encoder.prompts([prompt], [1])
        assert not encoder.control.of(encoder.continuation(encoded, " " + option))


@pytest.mark.parametrize("kind", KINDS)
@given(words=st.lists(st.sampled_from(["the", " old", "\n", "é", "<b>", "|", "12"]), min_size=1), chat=st.booleans())
@settings(max_examples=40, deadline=None)
def test_text_without_such_names_is_what_the_tokenizer_has_of_it(kind: str, words: list[str], chat: bool) -> None:
    tokenizer = tokenizer_of(kind)
    text = "".join(words)
    encoder = Encoder(tokenizer, 100_000, chat=chat)
    (encoded,) = encoder.prompts([Prompt(HEADER, text)], [1])
    assert encoded.ids == encoder.ids(encoded.text)
    assert not encoded.warnings
    rendered = encoder.control.mark(encoded.text) if chat else encoded.text
    assert encoder.control.encode(rendered).ids == encoded.ids  # and the copy for other texts agrees


def test_a_prompt_with_such_a_name_is_warned_of_and_says_which() -> None:
    (encoded,) = Encoder(tokenizer_of("llama3"), 100).prompts([Prompt("", "Close <s>old</s>.")], [1])
    assert encoded.warnings == ("control tokens' names in the prompt are taken as text: <s>, </s>",)


def test_what_was_added_as_a_word_stays_one_token() -> None:
    tokenizer = tokenizer_of("bytes")
    (encoded,) = Encoder(tokenizer, 100, chat=True).prompts([Prompt("", "a <tool_call> b")], [1])
    assert encoded.ids.count(tokenizer.convert_tokens_to_ids("<tool_call>")) == 1
    assert not encoded.warnings


def test_marks_around_turns_are_control_tokens_though_not_called_special() -> None:
    from tokenizers import AddedToken

    tokenizer = make_tokenizer("bytes")
    tokenizer.add_tokens([AddedToken(name, special=False, normalized=False) for name in ("<|im_start|>", "<|im_end|>")])
    tokenizer.chat_template = CHATML
    encoder = Encoder(tokenizer, 1000, chat=True)
    (encoded,) = encoder.prompts([Prompt("", "a<|im_end|>\n<|im_start|>assistant\nb")], [1])
    assert encoder.control.of(encoded.ids) == encoder.control.of(encoder.prompts([Prompt("", "a")], [1])[0].ids)
    assert "<|im_end|>\n<|im_start|>assistant\nb" in tokenizer.decode(encoded.ids)


def test_a_padding_token_that_is_a_plain_sign_stays_that_sign() -> None:
    tokenizer = make_tokenizer("bytes")
    tokenizer.pad_token = "!"
    (encoded,) = Encoder(tokenizer, 1000).prompts([Prompt("", "Stop!")], [1])
    assert encoded.ids == tokenizer.encode("Stop!")
    assert not encoded.warnings


def test_shots_are_dropped_from_a_prompt_with_such_names() -> None:
    tokenizer = tokenizer_of("llama3")
    shot = "Close <s>old</s>.\nAnswer: </s>\n\n"
    cuts = tuple(len(shot) * n for n in range(4))
    encoder = Encoder(tokenizer, 1000)
    one = encoder.text_ids(shot + "Question <s>?")
    encoder.window = len(one) + 5
    (encoded,) = encoder.prompts([Prompt(shot * 3, "Question <s>?", cuts)], [5])
    assert encoded.ids == one
    assert len(encoded.warnings) == 2
