"""Windows and other limits of attention: shared prompts are right at any, or are not shared.

Random windows, prompt lengths and cuts, in architectures that tell their attention of a window in different ways.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.backends.limits import window_of
from harness.backends.transformers import self_check
from harness.backends.transformers.attention.hook import UnsupportedError, window_of_mask
from harness.backends.transformers.backend import TransformersLM
from harness.backends.transformers.engines import SharedEngine
from harness.backends.transformers.plain_engine import PlainEngine
from harness.backends.transformers.prefix_tree import Row, Segment
from harness.backends.transformers.self_check import check_plain
from harness.backends.transformers.window_limits import limits_of
from harness.errors import ModelError
from harness.models import rounding
from tests.models import make_tokenizer

SHAPE = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
}
SLIDING = {"layer_types": ["sliding_attention", "full_attention"]}
WINDOWED: dict[str, dict[str, Any]] = {  # name of the class: what it wants beside a window
    "Phimoe": {"num_local_experts": 4},  # its mask alone says so
    "Mistral": {},  # its mask and its attention are told
    "Phi3": {},
    "Gemma3Text": {"head_dim": 8, **SLIDING},
    "Qwen2": {"use_sliding_window": True, **SLIDING},
    "GptOss": {"head_dim": 8, "num_local_experts": 4, **SLIDING},  # and has sinks
    "Llama4Text": {"head_dim": 8, "num_local_experts": 2, "intermediate_size_mlp": 48, "floor_scale": 16},
    "GPTNeo": {"attention_types": [[["global", "local"], 1]]},
}


def model_of(name: str, window: int, **changes: Any) -> Any:
    import torch
    import transformers as tf

    options = {**SHAPE, **WINDOWED.get(name, {}), **changes}
    if name == "GPTNeo":
        options = {**options, "num_layers": 2, "num_heads": 4, "window_size": window}
        for key in ("num_hidden_layers", "num_attention_heads", "num_key_value_heads"):
            options.pop(key)
    elif name == "Llama4Text":
        options["attention_chunk_size"] = window
    else:
        options["sliding_window"] = window
    config = getattr(tf, f"{name}Config")(**options)
    torch.manual_seed(0)
    model = tf.AutoModelForCausalLM.from_config(config).float().eval()
    for parameter in model.parameters():
        if parameter.ndim >= 2:
            torch.nn.init.normal_(parameter, std=0.15)
    return model


def engine_of(model: Any) -> SharedEngine | PlainEngine:
    plain = PlainEngine(model)
    check_plain(plain)
    try:
        return SharedEngine(model, plain)
    except UnsupportedError:
        return plain


def tree(data: st.DataObject) -> tuple[list[Segment], list[Row]]:
    """A trunk, a branch, and leaves off both, each of a random length; segments in depth-first order."""
    length = st.integers(1, 70)
    numbers = data.draw(st.randoms(use_true_random=False))

    def ids(count: int) -> list[int]:
        return [numbers.randint(1, SHAPE["vocab_size"] - 1) for _ in range(count)]

    trunk = Segment(ids(data.draw(length)), 0, None, None)
    branch = Segment(ids(data.draw(length)), len(trunk.ids), trunk, None)
    rows: list[Row] = []
    segments = [trunk, branch]
    for parent in (branch, branch, trunk, trunk):
        before = [*trunk.ids, *branch.ids] if parent is branch else list(trunk.ids)
        own = ids(data.draw(length))
        rows.append(Row(before + own, min(3, len(own)), len(rows)))
        segments.append(Segment(own, len(before), parent, rows[-1]))
    return segments, rows


@pytest.mark.parametrize("name", WINDOWED)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), window=st.integers(2, 60))
def test_shared_prompts_are_right_at_any_window(name: str, data: st.DataObject, window: int) -> None:
    import torch

    model = model_of(name, window)
    untouched = copy.deepcopy(model)
    engine = engine_of(model)
    assert isinstance(engine, SharedEngine) == (name not in ("Llama4Text", "GPTNeo"))
    segments, rows = tree(data)
    got = engine.prefill(segments, keep_rows=True)
    decoder = engine.decode([s for s in segments if s.row is not None])
    news = [[5, 6, 7, 8], [9, 10, 11, 12]]
    after = torch.stack([decoder.step(tokens) for tokens in news], 1)
    at = 0
    for n, row in enumerate(rows):
        ids = row.ids
        more = [news[0][n], news[1][n]]
        with torch.inference_mode():
            wanted = untouched(input_ids=torch.tensor([ids + more])).logits[0]
        assert torch.allclose(got[at : at + row.reads], wanted[len(ids) - row.reads : len(ids)], atol=1e-3)
        assert torch.allclose(after[n], wanted[len(ids) :], atol=1e-3)
        at += row.reads


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("window", [24, 300])
def test_the_check_at_load_finds_a_window_that_masks_alone_tell_of(monkeypatch, window: int, dtype: str) -> None:
    """Take back that masks are read: the check itself must find it, at a window that it reaches and, made small, at
    one that it does not."""
    import torch

    from harness.backends.transformers.attention import hook

    monkeypatch.setattr(hook, "window_of_mask", lambda function: None)
    monkeypatch.setattr(self_check, "WORK", {"cpu": 0.0 if window > 100 else 1e12})
    with pytest.raises(UnsupportedError, match="differ from plain ones"):
        SharedEngine(model := model_of("Phimoe", window).to(getattr(torch, dtype)), PlainEngine(model))


def test_what_rounding_explains_is_no_fault(monkeypatch) -> None:
    """A model in bfloat16 whose logits rounding takes further than is usual, as it does Gemma 3 270M's."""
    import torch

    gaps: list[float] = []
    measure = self_check.gap

    def check() -> None:
        model = model_of("Mistral", 24).bfloat16()
        SharedEngine(model, PlainEngine(model))

    def recorded(ours: torch.Tensor, plain: torch.Tensor) -> float:
        gaps.append(measure(ours, plain))
        return gaps[-1]

    monkeypatch.setattr(self_check, "gap", recorded)
    check()
    assert max(gaps) > 0
    most = 0.7 * max(gaps)
    monkeypatch.setattr(self_check, "tolerance", lambda model: most)
    check()
    monkeypatch.setattr(rounding, "ROUNDINGS", 0)
    with pytest.raises(UnsupportedError, match="differ from plain ones"):
        check()


def test_a_limit_too_long_to_be_reached_is_made_small_and_put_back(monkeypatch) -> None:
    monkeypatch.setattr(self_check, "WORK", {"cpu": 0.0})
    for name in ("Phimoe", "Mistral", "Gemma3Text"):
        model = model_of(name, 300)
        before = copy.deepcopy(model.config.to_dict())
        engine = SharedEngine(model, PlainEngine(model))
        assert set(engine.windows.values()) <= {300, None}
        assert 300 in engine.windows.values()
        after = model.config.to_dict()
        assert after == before


def test_scaling_by_position_that_cannot_be_reached_is_checked_small(monkeypatch) -> None:
    rope = {
        "rope_type": "yarn",
        "rope_theta": 10000.0,
        "factor": 2.0,
        "original_max_position_embeddings": 256,
        "llama_4_scaling_beta": 0.5,
    }
    monkeypatch.setattr(self_check, "WORK", {"cpu": 0.0})
    model = model_of("Ministral3", 400, rope_parameters=rope, head_dim=8, sliding_window=None)
    names = [limit.name for limit in limits_of(model.config, 512)]
    assert "rope_parameters.original_max_position_embeddings" in names
    assert isinstance(engine_of(model), SharedEngine)


def test_attention_that_chooses_what_it_sees_is_not_shared() -> None:
    """Whatever it takes: with few tokens it takes all, and no check would find it."""
    import transformers as tf

    from harness.backends.transformers.engines import unsupported

    for config in (tf.DeepseekV32Config(index_topk=8), tf.MiniMaxM3VLTextConfig(), tf.DogeConfig()):
        assert unsupported(config)
    assert unsupported(tf.DeepseekV3Config()) == unsupported(tf.MixtralConfig()) == ""


def test_a_mask_is_asked_at_distances_no_prompt_reaches() -> None:
    import torch
    from transformers.masking_utils import (
        causal_mask_function,
        chunked_causal_mask_function,
        sliding_window_bidirectional_mask_function,
        sliding_window_causal_mask_function,
    )

    assert window_of_mask(causal_mask_function) is None
    for window in (1, 2, 128, 4096, 131072):
        assert window_of_mask(sliding_window_causal_mask_function(window)) == window
    for other in (
        chunked_causal_mask_function(8192, torch.tensor([0])),
        chunked_causal_mask_function(2**19, torch.tensor([0])),
        sliding_window_bidirectional_mask_function(64),
    ):
        with pytest.raises(UnsupportedError, match="neither causal nor a sliding window"):
            window_of_mask(other)


@pytest.mark.parametrize("error", [KeyError(0), AttributeError("x"), RuntimeError("y"), AssertionError(), IndexError()])
def test_any_error_inside_the_check_means_the_plain_path(monkeypatch, error: Exception) -> None:
    from harness.backends.transformers.attention.shared import Pass

    def fails(*args: Any) -> None:
        raise error

    monkeypatch.setattr(Pass, "attend", fails)
    model = model_of("Mistral", 24)
    usual = model.config._attn_implementation
    lm = TransformersLM(model, make_tokenizer("bytes", 300))
    assert isinstance(lm.engine, PlainEngine)
    assert type(error).__name__ in lm.warnings[0]
    assert model.config._attn_implementation == usual


def test_a_model_that_sees_what_comes_after_is_refused() -> None:
    import transformers as tf

    shape = {k: v for k, v in SHAPE.items() if k != "num_key_value_heads"}
    with pytest.raises(ModelError, match="not a causal language model"):
        TransformersLM(tf.BertLMHeadModel(tf.BertConfig(**shape)), make_tokenizer("bytes", 300))
    TransformersLM(tf.BertLMHeadModel(tf.BertConfig(**shape, is_decoder=True)), make_tokenizer("bytes", 300))


def test_windows_are_read_by_whatever_name_a_configuration_has() -> None:
    import transformers as tf

    assert window_of(tf.MptConfig(max_seq_len=77)) == 77
    assert window_of(tf.RwkvConfig(context_length=78)) == 78
    assert window_of(tf.GPTJConfig(n_positions=79)) == 79
    assert window_of(tf.BloomConfig()) == 2048
    assert window_of(tf.XLNetConfig()) == 2048
