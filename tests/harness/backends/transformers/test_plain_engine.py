"""Texts that go on from a model's own cache are those of whole passes, and only such a cache is used."""

from __future__ import annotations

import random
from typing import Any

import pytest

from harness.backends.transformers.backend import TransformersLM
from harness.backends.transformers.plain_engine import CachedDecoder, PlainDecoder, PlainEngine
from harness.types import Generate, Prompt
from tests.harness.backends.transformers.test_architectures import small_model
from tests.models import make_tokenizer

KINDS = ("bloom", "mamba", "falcon", "llama4_text")  # of attention with ALiBi, without, and in chunks; of a recurrence


def plain_lm(model: Any) -> tuple[TransformersLM, PlainEngine]:
    lm = TransformersLM(model, make_tokenizer("bytes", 300), batch_tokens=512)
    assert isinstance(lm.engine, PlainEngine)
    return lm, lm.engine


def texts(lm: TransformersLM) -> dict[int, tuple[int, ...]]:
    """Of prompts of which some are of one length, ended at different tokens."""
    rng = random.Random(0)
    prompts = ["".join(rng.choice("abcdef ghij") for _ in range(length)) for length in (30, 30, 30, 47, 8)]
    asked = [Generate(Prompt("", text), (), most) for text, most in zip(prompts, (9, 3, 6, 12, 1), strict=True)]
    return {n: tuple(response.tokens) for batch in lm.answer(asked) for n, response in batch}


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_those_of_whole_passes(kind: str) -> None:
    lm, engine = plain_lm(small_model(kind))
    assert engine.keeps_cache
    of_cache, computed = texts(lm), lm.computed
    engine.keeps_cache = False
    assert texts(lm) == of_cache
    assert [len(of_cache[n]) for n in range(5)] == [9, 3, 6, 12, 1]
    assert computed < (lm.computed - computed) / 2


def test_rows_that_end_do_not_move_the_others() -> None:
    import torch

    engine = plain_lm(small_model("bloom"))[1]
    rows = [[5, 6, 7, 8], [9, 10, 11, 12], [13, 14]]

    def steps(decoder: CachedDecoder | PlainDecoder) -> list[Any]:
        logits = [decoder.step([20, 21, 22])]
        decoder.keep([1, 2])
        logits += [decoder.step([23, 24]), decoder.step([25, 26])]
        decoder.keep([0])
        return [*logits, decoder.step([27])]

    of_cache = steps(CachedDecoder(engine, [list(row) for row in rows]))
    for ours, whole in zip(of_cache, steps(PlainDecoder(engine, [list(row) for row in rows])), strict=True):
        torch.testing.assert_close(ours, whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["bloom", "mamba"])
@pytest.mark.parametrize("fault", ["remembers others", "forgets", "error"])
def test_a_cache_that_is_not_right_is_not_used(kind: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = PlainEngine.go_on

    def wrong(engine: PlainEngine, rows: Any, cache: dict[str, Any]) -> Any:
        if fault == "error":
            raise TypeError("unexpected keyword argument")
        if fault == "forgets":
            return go_on(engine, rows, {})
        first = not cache
        return go_on(engine, [[token + 1 for token in row] for row in rows] if first else rows, cache)

    monkeypatch.setattr(PlainEngine, "go_on", wrong)
    lm, engine = plain_lm(small_model(kind))
    assert not engine.keeps_cache
    assert "a text is computed again for each of its tokens: " in lm.warnings[0]


def test_positions_that_hang_on_the_length_take_no_cache() -> None:
    from transformers import AutoModelForCausalLM, LlamaConfig

    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 320, "max_position_embeddings": 256}
    config = LlamaConfig(hidden_size=32, intermediate_size=48, rope_parameters=rope, **sizes)
    assert not plain_lm(AutoModelForCausalLM.from_config(config).float())[1].keeps_cache


def test_fewer_rows_go_together_where_whole_prompts_are_kept() -> None:
    lm, _ = plain_lm(small_model("bloom"))
    lm.kept_tokens = 100
    asked = {n: Generate(Prompt("", "x" * 40), (), 9) for n in range(5)}
    assert max(len(batch.rows) for batch in lm.plan_texts(asked)[1]) == 2
