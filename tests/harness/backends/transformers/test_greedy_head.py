"""The likeliest tokens by bfloat16 first are those of all logits in float32, and the texts with them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from harness.backends.transformers import greedy_head
from harness.backends.transformers.backend import TransformersLM
from harness.backends.transformers.decoding import choose
from harness.backends.transformers.engines import SharedEngine
from harness.backends.transformers.greedy_head import BLOCK, GreedyHead, can_have_one
from harness.backends.transformers.guessing import chosen
from harness.testing.answers import answers
from tests.harness.backends.transformers.test_generation import requests
from tests.models import make_model

HIDDEN = 48


class Model:
    """A last layer, and what a model says of itself."""

    def __init__(self, vocabulary: int, seed: int = 0, bias: bool = False) -> None:
        import torch

        generator = torch.Generator().manual_seed(seed)
        self.layer = torch.nn.Linear(HIDDEN, vocabulary, bias=bias)
        self.layer.weight.data = torch.randn(vocabulary, HIDDEN, generator=generator)
        self.device = torch.device("cpu")

    def get_output_embeddings(self) -> Any:
        return self.layer


def hidden_states(rows: int, seed: int = 1, scale: float = 3.0) -> Any:
    import torch

    return torch.randn(1, rows, HIDDEN, generator=torch.Generator().manual_seed(seed)) * scale


def likeliest(head: GreedyHead, hidden: Any) -> Any:
    import torch

    with torch.inference_mode(), head.instead():
        return head.layer(hidden)[0]


@pytest.mark.parametrize("vocabulary", [4 * BLOCK, 5 * BLOCK + 1, 2000])
@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_the_two_likeliest_are_those_of_all_logits(vocabulary: int, scale: float) -> None:
    import torch

    model = Model(vocabulary)
    head = GreedyHead(model)
    hidden = hidden_states(300, scale=scale)
    logits = likeliest(head, hidden)
    with torch.inference_mode():
        whole = model.layer(hidden)[0]
    assert head.tokens is not None
    assert logits.shape == head.tokens.shape
    assert logits.shape[1] < vocabulary / 2
    wanted, got = whole.topk(2), logits.topk(2)
    assert torch.equal(head.tokens.gather(1, got.indices), wanted.indices)
    torch.testing.assert_close(got.values, wanted.values, atol=1e-5 * scale, rtol=1e-5)
    assert head.agrees(logits, whole, 1e-5)
    assert torch.equal(model.layer(hidden[:, :3]), model.layer.forward(hidden[:, :3])), "afterwards the layer's own"
    assert "forward" not in vars(model.layer)


def test_a_lead_that_bfloat16_does_not_see_decides() -> None:
    """Tokens whose weights are one in bfloat16; by bfloat16 alone the first of them would be taken."""
    import torch

    model = Model(1000)
    weight = model.layer.weight.data
    hidden = hidden_states(1)
    best = int(model.layer(hidden)[0, 0].argmax())
    others = [best + 3 if best < 500 else best - 3, 999 if best != 999 else 998]
    for n, token in enumerate(others, 1):
        weight[token] = weight[best] * (1 + n * 2**-12)
    head = GreedyHead(model)
    logits = likeliest(head, hidden)
    assert head.tokens is not None
    assert int(head.tokens[0, logits[0].argmax()]) == others[1]
    about = hidden[0].bfloat16() @ weight.bfloat16().T
    assert torch.equal(about[0, others[1]], about[0, best])


def test_equal_tokens_are_taken_by_their_order() -> None:
    model = Model(1000)
    hidden = hidden_states(1)
    best = int(model.layer(hidden)[0, 0].argmax())
    other = (best + 400) % 1000
    model.layer.weight.data[other] = model.layer.weight.data[best]
    head = GreedyHead(model)
    logits = likeliest(head, hidden)
    assert head.tokens is not None
    assert int(head.tokens[0, logits[0].argmax()]) == min(best, other)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, 0.0])
def test_without_a_few_likeliest_all_are_computed(wrong: float) -> None:
    """Rows that are no numbers, and one whose logits are all the same."""
    import torch

    model = Model(1000)
    head = GreedyHead(model)
    hidden = hidden_states(3)
    hidden[0, 1] = wrong
    logits = likeliest(head, hidden)
    assert head.tokens is None
    torch.testing.assert_close(logits, model.layer(hidden)[0].detach(), equal_nan=True)


def test_a_weight_that_is_changed_in_place_is_read_again() -> None:
    import torch

    model = Model(1000)
    head = GreedyHead(model)
    hidden = hidden_states(2)
    before = likeliest(head, hidden)
    with torch.no_grad():
        model.layer.weight.mul_(-1.0)
    logits = likeliest(head, hidden)
    assert not torch.equal(logits, before)
    assert head.agrees(logits, model.layer(hidden)[0].detach(), 1e-5)


def test_logits_that_are_changed_afterwards_do_not_agree() -> None:
    import torch

    head = GreedyHead(Model(1000))
    hidden = hidden_states(4)
    logits = likeliest(head, hidden)
    whole = head.layer(hidden)[0].detach()
    assert head.agrees(torch.tanh(logits), torch.tanh(whole), 1e-5), "token by token"
    assert not head.agrees(logits.softmax(-1), whole.softmax(-1), 1e-5)
    other = whole.clone()
    other[2, whole[2].argmin()] = 1e3
    assert not head.agrees(logits, other, 1e-5)


def test_tokens_of_columns_are_chosen() -> None:
    import torch

    from harness.backends.transformers.decoding import Output
    from harness.types import Generate, Prompt

    logits = torch.tensor([[1.0, 3.0, 0.0], [2.0, 1.0, 0.0], [0.0, 1.0, 0.9999]])
    columns = torch.tensor([[7, 9, 0], [4, 8, 0], [1, 5, 6]])
    outputs = [Output(_Tokenizer(), [], Generate(Prompt("", "a"), (), 3)) for _ in range(3)]
    assert choose(logits, outputs, columns) == [9, 4, 5]
    (kept,) = chosen(logits, [[9, 4]], 1e-3, columns)
    assert (kept.tokens, kept.doubtful) == ([9, 4], True)
    (kept,) = chosen(logits, [[9, 4]], 1e-6, columns)
    assert (kept.tokens, kept.doubtful) == ([9, 4, 5], False)


class _Tokenizer:
    added_tokens_decoder: dict[int, Any] = {}  # noqa: RUF012


def test_who_can_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(greedy_head, "computes_bfloat16", lambda: True)
    large = greedy_head.LEAST_VOCABULARY
    assert can_have_one(Model(large))
    assert not can_have_one(Model(large - 1))
    assert not can_have_one(Model(large, bias=True))
    half = Model(large)
    half.layer.bfloat16()
    assert not can_have_one(half)
    elsewhere = Model(large)
    elsewhere.device = torch.device("meta")
    assert not can_have_one(elsewhere)
    assert not can_have_one(type("Other", (), {"device": torch.device("cpu")})())
    monkeypatch.setattr(greedy_head, "computes_bfloat16", lambda: False)
    assert not can_have_one(Model(large))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("m") / "m", "llama", "llama3", window=512)


def loaded(folder: Path) -> TransformersLM:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return TransformersLM(AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder))


def test_texts_are_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = answers(loaded(folder), requests())
    monkeypatch.setattr(greedy_head, "computes_bfloat16", lambda: True)
    monkeypatch.setattr(greedy_head, "LEAST_VOCABULARY", 100)
    passes: list[bool] = []
    agrees = GreedyHead.agrees

    def counted(self: GreedyHead, *others: Any) -> bool:
        passes.append(agrees(self, *others))
        return passes[-1]

    monkeypatch.setattr(GreedyHead, "agrees", counted)
    lm = loaded(folder)
    texts = answers(lm, requests())
    assert passes == [True], "checked once"
    assert [(t.text, t.tokens) for t in texts.values()] == [(t.text, t.tokens) for t in usual.values()]


def test_a_head_that_does_not_agree_is_not_used_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = answers(loaded(folder), requests())
    monkeypatch.setattr(greedy_head, "computes_bfloat16", lambda: True)
    monkeypatch.setattr(greedy_head, "LEAST_VOCABULARY", 100)
    likeliest = GreedyHead._likeliest

    def wrong(self: GreedyHead, *others: Any) -> Any:
        logits = likeliest(self, *others)
        if self.tokens is not None:
            self.tokens += 1
        return logits

    monkeypatch.setattr(GreedyHead, "_likeliest", wrong)
    lm = loaded(folder)
    texts = answers(lm, requests())
    assert [t.text for t in texts.values()] == [t.text for t in usual.values()]
    assert isinstance(lm.engine, SharedEngine)
    assert lm.engine.greedy_head is None


def test_a_model_that_reads_columns_by_their_tokens_keeps_all_of_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Chameleon does, which takes the tokens of images out of its logits."""

    def without_some(layer: Any, given: Any, logits: Any) -> Any:
        logits[:, :, [3, 500]] = -1e4
        return logits

    def hooked() -> TransformersLM:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model = AutoModelForCausalLM.from_pretrained(folder)
        model.lm_head.register_forward_hook(without_some)
        return TransformersLM(model, AutoTokenizer.from_pretrained(folder))

    usual = answers(hooked(), requests())
    monkeypatch.setattr(greedy_head, "computes_bfloat16", lambda: True)
    monkeypatch.setattr(greedy_head, "LEAST_VOCABULARY", 100)
    lm = hooked()
    texts = answers(lm, requests())
    assert [t.text for t in texts.values()] == [t.text for t in usual.values()]
    assert isinstance(lm.engine, SharedEngine)
    assert lm.engine.greedy_head is None
