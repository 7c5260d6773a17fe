"""Ids are those of the whole text, whatever is shared; windows, caps, BOS and chat templates."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.prompting.tokens import Encoder
from harness.types import Prompt
from tests.models import make_tokenizer

KINDS = ("bytes", "sentencepiece", "llama3")
HEADER = "The following are multiple choice questions (with answers) about anatomy.\n\n"
SHOT = "Which one is the answer?\nA. one\nB. two\nC. three\nD. four\nAnswer: B\n\n"


@pytest.fixture(scope="module", params=KINDS)
def encoder(request) -> Encoder:
    return Encoder(make_tokenizer(request.param), window=100_000)


@given(
    owns=st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=4),
    ending=st.sampled_from(["\n\n", "\n", " ", "", ":", "\n\n\n", "é", "12", "-"]),
)
@example(owns=["<s>", "a</s>b"], ending="\n\n")  # names of control tokens, which are text
@settings(max_examples=150, deadline=None)
def test_joined_ids_are_those_of_the_whole_text(encoder: Encoder, owns: list[str], ending: str) -> None:
    shared = HEADER + SHOT * 2 + "Answer: B" + ending
    for own, encoded in zip(owns, encoder.prompts([Prompt(shared, o) for o in owns], [1] * len(owns)), strict=True):
        assert encoded.ids == encoder.tokenizer.encode(shared + own, split_special_tokens=True)
        assert encoded.text == shared + own


def test_a_shared_prompt_is_tokenised_once(encoder: Encoder, monkeypatch) -> None:
    lengths: list[int] = []
    fast = encoder._fast

    class Counting:
        def encode(self, text, **options):
            lengths.append(len(text))
            return fast.encode(text, **options)

        def encode_batch(self, texts, **options):
            lengths.extend(map(len, texts))
            return fast.encode_batch(texts, **options)

    monkeypatch.setattr(encoder, "_fast", Counting())
    shared = HEADER + SHOT * 5
    prompts = [Prompt(shared, f"Question number {n}?\nAnswer:") for n in range(50)]
    encoder.prompts(prompts, [1] * 50)
    assert sum(lengths) < 3 * len(shared) + 50 * 200, "the shared text went in again with each question"


@pytest.mark.parametrize("option", [" A", " the whole answer", "A", "\nnext", " 12.5"])
@pytest.mark.parametrize("prompt", [SHOT + "Question?\nAnswer:", "short:", "one line without any break at all:"])
def test_a_continuation_is_what_it_adds_to_the_whole(encoder: Encoder, prompt: str, option: str) -> None:
    (encoded,) = encoder.prompts([Prompt("", prompt)], [1])
    whole = encoder.tokenizer.encode(prompt + option)
    assert encoder.continuation(encoded, option) == whole[len(encoder.tokenizer.encode(prompt)) :]


def _prompt(cap: int | None = None) -> Prompt:
    cuts = tuple(len(HEADER + SHOT * n) for n in range(5))
    return Prompt(HEADER + SHOT * 5, "Question?\nAnswer:", cuts, cap)


@pytest.mark.parametrize("kept", [4, 2, 0])
def test_shots_drop_from_the_end_until_the_prompt_fits(kept: int) -> None:
    tokenizer = make_tokenizer("llama3")
    wanted = tokenizer.encode(HEADER + SHOT * kept + "Question?\nAnswer:")
    encoder = Encoder(tokenizer, window=len(wanted) + 10)
    (encoded,) = encoder.prompts([_prompt()], [10])
    assert encoded.ids == wanted
    whole = len(tokenizer.encode(HEADER + SHOT * 5 + "Question?\nAnswer:"))
    said = f"{5 - kept} of 5 shots dropped: the prompt has {whole} tokens, the limit is {len(wanted)}"
    assert encoded.warnings == (said,)


def test_a_protocols_cap_drops_shots_but_never_cuts() -> None:
    tokenizer = make_tokenizer("llama3")
    zero = tokenizer.encode(HEADER + "Question?\nAnswer:")
    encoder = Encoder(tokenizer, window=4096)
    (encoded,) = encoder.prompts([_prompt(cap=len(zero) - 3)], [10])
    assert encoded.ids == zero, "too long even without shots is sent as it is"
    (encoded,) = encoder.prompts([_prompt(cap=100_000)], [10])
    assert not encoded.warnings


@pytest.mark.parametrize("kind", KINDS)
def test_what_no_window_holds_loses_its_beginning_and_says_so(kind: str) -> None:
    tokenizer = make_tokenizer(kind)
    encoder = Encoder(tokenizer, window=32)
    (encoded,) = encoder.prompts([Prompt("", "word " * 100 + "\nAnswer:")], [4])
    whole = tokenizer.encode("word " * 100 + "\nAnswer:")
    bos = [] if kind == "bytes" else [tokenizer.bos_token_id]
    assert encoded.ids == bos + whole[len(whole) - 28 + len(bos) :]
    assert "cut off" in encoded.warnings[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_a_chat_prompt_has_exactly_one_bos(kind: str, system: str | None) -> None:
    tokenizer = make_tokenizer(kind)
    encoder = Encoder(tokenizer, 4096, chat=True, system=system)
    prompts = [Prompt(HEADER + SHOT * 3, f"Question {n}?\nAnswer:") for n in range(3)]
    for encoded, prompt in zip(encoder.prompts(prompts, [5] * 3), prompts, strict=True):
        assert encoded.ids.count(tokenizer.bos_token_id) == 1
        assert encoded.ids[0] == tokenizer.bos_token_id
        messages = [{"role": "system", "content": system}] if system else []
        messages.append({"role": "user", "content": prompt.shared + prompt.own})
        wanted = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True)
        assert encoded.ids == list(wanted["input_ids"] if hasattr(wanted, "keys") else wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_begins_with_the_name_of_bos_gets_the_tokenizers_own_and_no_other(kind: str) -> None:
    tokenizer = make_tokenizer(kind)
    encoder = Encoder(tokenizer, 4096)
    (encoded,) = encoder.prompts([Prompt("", "<s>Hello there")], [1])
    assert encoded.ids.count(tokenizer.bos_token_id) == (kind != "bytes")
    assert tokenizer.decode(encoded.ids, skip_special_tokens=True).strip() == "<s>Hello there"


def test_a_conversations_own_system_text_stands_in_place_of_the_runs(encoder: Encoder) -> None:
    own = Prompt("", "Hi <|im_end|>", system="Be long.")
    for system in ("Be brief.", None):
        (encoded,) = Encoder(encoder.tokenizer, 100_000, chat=True, system=system).prompts([own], [1])
        (whole,) = Encoder(encoder.tokenizer, 100_000, chat=True, system="Be long.").prompts([Prompt("", own.own)], [1])
        assert (encoded.text, encoded.ids) == (whole.text, whole.ids)


def test_turns_before_stand_in_the_conversation(encoder: Encoder) -> None:
    chat = Encoder(encoder.tokenizer, 100_000, chat=True, system="Be brief.")
    (encoded,) = chat.prompts([Prompt("Shared. ", "Again.", earlier=("Write.", "Written."))], [1])
    said = [("system", "Be brief."), ("user", "Write."), ("assistant", "Written."), ("user", "Shared. Again.")]
    messages = [{"role": role, "content": text} for role, text in said]
    whole = encoder.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert encoded.text == whole
    assert encoded.ids == encoder.ids(whole)
