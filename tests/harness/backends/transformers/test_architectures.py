"""Every causal architecture of transformers, made small: right on each path it takes, or refused before work.

A row of the table for each: the path it takes by itself (cached: plain, and texts go on from the model's own cache),
its largest distance from a lone forward pass without padding in choices' log-probabilities (over the prefix tree, where
it goes there, and plainly), and why it does not share or is refused. Prompts are longer than every window, and share
prefixes of several lengths.
"""

from __future__ import annotations

import copy
import random
import time
import warnings
from typing import Any

import pytest

from harness.backends.transformers import engines
from harness.backends.transformers.attention.hook import UnsupportedError
from harness.backends.transformers.backend import TransformersLM
from harness.backends.transformers.engines import SharedEngine
from harness.backends.transformers.plain_engine import PlainEngine
from harness.errors import ModelError
from harness.types import Choice, Generate, Prompt, Request, Response
from tests.harness.backends.transformers import architectures
from tests.models import make_tokenizer

ALLOWED = 1e-4  # of a log-probability, and of greedy texts where two tokens are further apart than this
NEW_TOKENS = 4
# These must go on sharing prompts. Others may come to it.
SHARING = frozenset(
    """
    afmoe apertus arcee aria_text axk1 biogpt bitnet cohere cohere2 cohere2_moe ctrl cwm dbrx deepseek_v3 dots1 emu3
    ernie4_5 ernie4_5_moe exaone4 exaone_moe flex_olmo fuyu gemma gemma2 gemma3 gemma3_text gemma3n_text gemma4
    gemma4_text gemma4_unified_text glm glm4 glm4_moe glm4_moe_lite got_ocr2 gpt-sw3 gpt2 gpt_bigcode gpt_neox gpt_oss
    granite granite_swa granitemoe granitemoeshared helium hunyuan_v1_dense hunyuan_v1_moe hy_v3 hyperclovax jais2
    jetmoe laguna llama longcat_flash mellum mimo_v2_flash minicpm3 minimax_m2 ministral ministral3 mistral mixtral
    modernbert-decoder moshi nanochat nemotron olmo olmo2 olmo3 olmoe opt persimmon phi phi3 phi4_multimodal phimoe
    qwen2 qwen2_moe qwen3 qwen3_moe seed_oss smollm3 solar_open stablelm starcoder2 vaultgemma youtu
    """.split()  # noqa: SIM905
)


def causal_architectures() -> list[str]:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    return [*MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *(f"{name} (decoder)" for name in architectures.ENCODERS)]


def small_model(model_type: str) -> Any:
    """Random weights, far enough from uniform that a wrong position or window shows."""
    import torch
    from transformers import AutoModelForCausalLM

    config = architectures.small(model_type)
    config.pad_token_id = None if model_type in ("llama", "mistral") else getattr(config, "pad_token_id", None)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float().eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim >= 2 or name.endswith("self_attn.A"):  # Doge's A is 0, which makes ties of all its keys
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def requests() -> list[Request]:
    rng = random.Random(0)

    def text(count: int) -> str:
        return "".join(rng.choice("abcdefghijklmnop qrstuvwxyz") for _ in range(count))

    asked: list[Request] = []
    for length in (41, 90):
        shared = text(length) + "\n"
        passage = text(35)
        for n in range(5):
            own = (passage if n % 2 else "") + text(rng.randint(1, 45)) + " Answer:"
            asked.append(Choice(Prompt(shared, own), (" A", " B", " no")))
            if n < 3:
                asked.append(Generate(Prompt(shared, own), (), NEW_TOKENS))
    return asked


def worst(model: Any, tokenizer: Any, asked: list[Request], answers: dict[int, Response]) -> float:
    """Largest distance of the answers from lone forward passes of the untouched model."""
    import torch

    def logprobs(ids: list[int]) -> torch.Tensor:
        row = torch.tensor([ids])
        with torch.inference_mode():
            try:
                logits = model(input_ids=row).logits
            except Exception:  # some decoders of encoder-decoders fail at making their cache
                logits = model(input_ids=row, use_cache=False).logits
        return logits[0].float().log_softmax(-1)

    apart = 0.0
    for n, request in enumerate(asked):
        assert isinstance(request, Choice | Generate)
        context = tokenizer.encode(request.prompt.shared + request.prompt.own)
        if isinstance(request, Choice):
            for option, ours in zip(request.options, answers[n].logprobs, strict=True):
                joined = tokenizer.encode(request.prompt.shared + request.prompt.own + option)
                rest = joined[len(context) :]
                assert joined[: len(context)] == context
                plain = logprobs(joined[:-1])[range(len(context) - 1, len(joined) - 1), rest].sum().item()
                apart = max(apart, abs(plain - ours)) if plain == plain else float("nan")
        else:  # every token must be the likeliest after those before it
            tokens = list(answers[n].tokens)
            for place, token in enumerate(tokens):
                plain = logprobs(context + tokens[:place])[-1]
                apart = max(apart, (plain.max() - plain[token]).item())
    return apart


def measured(lm: TransformersLM, asked: list[Request]) -> dict[int, Response]:
    return {n: response for batch in lm.answer(asked) for n, response in batch}


def row_of(model_type: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, float, float, str]:
    """(path, distance over the prefix tree, distance plainly, reason); NaN for a path not taken."""
    nan = float("nan")
    try:
        model = small_model(model_type)
    except Exception as error:  # whatever a class has against these sizes
        return "not made", nan, nan, f"{type(error).__name__}: {error}"
    untouched = copy.deepcopy(model)
    tokenizer = make_tokenizer("bytes", 300)
    asked = requests()
    try:
        lm = TransformersLM(model, tokenizer, batch_tokens=512)
    except ModelError as error:
        return "refused", nan, nan, str(error)
    shared = nan
    if isinstance(lm.engine, SharedEngine):
        assert lm.warnings == []
        shared = worst(untouched, tokenizer, asked, measured(lm, asked))
        with monkeypatch.context() as patch:

            def refuse(*args: Any) -> None:
                raise UnsupportedError("asked for by the test")

            patch.setattr(engines, "SharedEngine", refuse)
            plain_lm = TransformersLM(copy.deepcopy(untouched), tokenizer, batch_tokens=512)
        assert isinstance(plain_lm.engine, PlainEngine)
        return "shared", shared, worst(untouched, tokenizer, asked, measured(plain_lm, asked)), ""
    plain = worst(untouched, tokenizer, asked, measured(lm, asked))
    assert "computed again" in lm.warnings[0]
    path = "cached" if lm.engine.keeps_cache else "plain"
    return path, nan, plain, lm.warnings[0].partition(": ")[2]


@pytest.mark.full
@pytest.mark.parametrize("model_type", causal_architectures())
def test_an_architecture_is_right_or_refused(model_type: str, monkeypatch, record_property) -> None:
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path, shared, plain, reason = row_of(model_type, monkeypatch)
    took = time.perf_counter() - began
    reason = " ".join(reason.split())
    record_property("table", f"{model_type:26}{path:10}{shared:9.1e}{plain:9.1e}{took:6.1f} s  {reason[:150]}")
    if path == "shared":
        assert shared <= ALLOWED
    if path in ("shared", "cached", "plain"):
        assert plain <= ALLOWED
    assert path == "shared" or model_type not in SHARING, reason
    if path == "refused":
        assert reason.endswith((".", ")."))
    assert path != "not made" or model_type in architectures.NOT_MADE, reason
