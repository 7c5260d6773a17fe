"""The backend against plain transformers: log-probabilities, texts, stops, seeds, windows, memory."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.backends.transformers import backend, engines
from harness.backends.transformers.backend import TransformersLM
from harness.backends.transformers.plain_engine import PlainEngine
from harness.errors import ModelError
from harness.types import Choice, Generate, Loglikelihood, Prompt, Request, Response, Rolling, Sampling
from tests.models import make_model

ARCHS = {"llama": "llama3", "llama-mha": "bytes", "gpt2": "bytes", "mistral": "sentencepiece", "qwen2": "llama3"}


@cache
def _words() -> list[str]:
    from pydoc_data.topics import topics

    return " ".join(topics.values()).split()


def _text(rng: random.Random, n: int) -> str:
    return " ".join(rng.choice(_words()) for _ in range(n))


def _requests() -> tuple[list[Request], list[Generate]]:
    rng = random.Random(1)
    scored: list[Request] = []
    texts: list[Generate] = []
    for _ in range(2):
        shared = _text(rng, 90) + "\n\n"
        passage = _text(rng, 60)
        for n in range(6):
            own = (passage + " " if n % 2 else "") + _text(rng, rng.randint(2, 20)) + "\nAnswer:"
            scored.append(Choice(Prompt(shared, own), (" A", " B", " C", " D")))
            texts.append(Generate(Prompt(shared, own), ("the", "\n\n"), 12))
        scored.append(Choice(Prompt(shared, "Say\nAnswer:"), (" yes", " " + _text(rng, 4), " no no")))
        scored.append(Loglikelihood(Prompt(shared, "trailing space "), "and more"))
    scored.append(Loglikelihood(Prompt("", ""), "without context"))
    scored.append(Rolling(_text(rng, 60)))
    return scored, texts


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {a: make_model(root / a, a, t, window=1024) for a, t in ARCHS.items()}


def load(folder: Path, **options: Any) -> TransformersLM:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options.setdefault("batch_tokens", 256)
    model = AutoModelForCausalLM.from_pretrained(folder)
    return TransformersLM(model, AutoTokenizer.from_pretrained(folder), **options)


def answers(lm: TransformersLM, requests: Any, done: Any = ()) -> dict[int, Response]:
    found: dict[int, Response] = {}
    for batch in lm.answer(requests, done):
        for n, response in batch:
            assert n not in found, "answered twice"
            found[n] = response
    return found


@cache
def plain_model(folder: Path) -> Any:
    """A model that our attention never touched."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


def plain_logprobs(folder: Path, context: list[int], continuation: list[int]) -> tuple[float, bool]:
    import torch

    with torch.inference_mode():
        logits = plain_model(folder)(torch.tensor([context + continuation])).logits[0, len(context) - 1 : -1]
    each = logits.log_softmax(-1)[range(len(continuation)), continuation]
    return each.sum().item(), logits.argmax(-1).tolist() == continuation


@pytest.mark.parametrize("arch", ARCHS)
def test_log_probabilities_equal_plain_forward_passes(folders, arch: str) -> None:
    lm = load(folders[arch])
    assert lm.warnings == [], "the model is run with shared prompts"
    scored, _ = _requests()
    tok = lm.tokenizer
    start = tok.bos_token_id
    for n, response in answers(lm, scored).items():
        request = scored[n]
        if isinstance(request, Rolling):
            ids = [i for i in tok.encode(request.text) if i != start]
            pairs = [([start], ids)]
        else:
            assert isinstance(request, Choice | Loglikelihood)
            options = request.options if isinstance(request, Choice) else (request.continuation,)
            whole = request.prompt.shared + request.prompt.own
            context = tok.encode(whole.rstrip()) if whole else [start]
            pairs = []
            for option in options:
                joined = tok.encode(whole + option) if whole else [start, *tok.encode(option, add_special_tokens=False)]
                pairs.append((context, joined[len(context) :]))
        for pair, logprob, greedy in zip(pairs, response.logprobs, response.greedy, strict=True):
            wanted, wanted_greedy = plain_logprobs(folders[arch], *pair)
            assert logprob == pytest.approx(wanted, abs=1e-4)
            assert greedy == wanted_greedy


@pytest.mark.parametrize("arch", ARCHS)
def test_greedy_text_equals_generate(folders, arch: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    lm = load(folders[arch])
    _, texts = _requests()
    found = answers(lm, texts)
    model = AutoModelForCausalLM.from_pretrained(folders[arch])
    for n, request in enumerate(texts):
        ids = lm.tokenizer.encode(request.prompt.shared + request.prompt.own)
        out = model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False, pad_token_id=0)[0].tolist()
        said = out[len(ids) :]
        assert list(found[n].tokens) == said[: len(found[n].tokens)]
        assert not any(s in found[n].text for s in request.stop)
        if found[n].finish == "length":
            assert len(found[n].tokens) == 12


def test_computed_tokens_are_counted_and_never_padded(folders) -> None:
    lm = load(folders["llama"])
    went_through = []
    lm.model.get_input_embeddings().register_forward_hook(lambda m, i, o: went_through.append(o.shape[0] * o.shape[1]))
    scored, texts = _requests()
    found = answers(lm, scored)
    assert sum(went_through) == lm.computed == sum(r.asked - r.reused for r in found.values())
    assert sum(r.reused for r in found.values()) > sum(r.asked for r in found.values()) / 2
    went_through.clear()
    found = answers(lm, texts)
    assert sum(went_through) == sum(r.asked - r.reused + r.generated - 1 for r in found.values())


@pytest.mark.parametrize("kind", ["scored", "texts"])
def test_what_is_left_is_answered_as_in_an_unbroken_run(folders, kind: str) -> None:
    requests = _requests()[kind == "texts"]
    whole = answers(load(folders["llama"]), requests)
    for done in (
        {0, 1, 2, 3},
        set(range(0, len(requests), 2)),
        set(range(len(requests) - 1)),
        set(range(len(requests))),
    ):
        rest = answers(load(folders["llama"]), requests, done)
        assert set(rest) == set(range(len(requests))) - done
        for n, response in rest.items():
            assert response.logprobs == pytest.approx(whole[n].logprobs, abs=1e-5)
            assert (response.text, response.tokens, response.greedy) == (
                whole[n].text,
                whole[n].tokens,
                whole[n].greedy,
            )


def test_finished_batches_are_not_computed_again(folders) -> None:
    lm = load(folders["llama"])
    scored, _ = _requests()
    first = next(iter(lm.answer(scored)))
    before = lm.computed
    answers(lm, scored, set(range(len(scored))) - {n for n, _ in first})
    assert lm.computed - before <= before


def test_sampling_is_seeded_and_does_not_depend_on_its_neighbours(folders) -> None:
    _, texts = _requests()
    sampled = [replace(t, stop=(), sampling=Sampling(temperature=1.0, top_p=0.95, seed=n)) for n, t in enumerate(texts)]
    lm = load(folders["llama"])
    one = answers(lm, sampled)
    alone = answers(load(folders["llama"], batch_tokens=4096), [sampled[3]])
    assert one[3].tokens == alone[0].tokens
    again = answers(lm, [replace(s, sampling=replace(s.sampling, seed=77)) for s in sampled])
    assert any(one[n].tokens != again[n].tokens for n in one)
    repeats = answers(lm, [replace(sampled[0], sampling=Sampling(1.0, 1.0, seed)) for seed in range(8)])
    assert len({r.tokens for r in repeats.values()}) > 1, "repeats of one prompt are different answers"


def test_sampling_follows_the_distribution(folders) -> None:
    """First tokens of many seeds against the model's own probabilities, inside the nucleus."""
    import torch

    lm = load(folders["llama"], batch_tokens=4096)
    prompt = Prompt("", "One two three four.\nAnswer:")
    n, top_p = 3000, 0.6
    found = answers(lm, [Generate(prompt, (), 1, Sampling(0.7, top_p, seed)) for seed in range(n)])
    ids = lm.tokenizer.encode(prompt.own)
    from transformers import AutoModelForCausalLM

    with torch.inference_mode():
        logits = AutoModelForCausalLM.from_pretrained(folders["llama"])(torch.tensor([ids])).logits[0, -1]
    probs, order = torch.softmax(logits / 0.7, -1).sort(descending=True)
    inside = (probs.cumsum(0) - probs) < top_p
    kept = probs[inside] / probs[inside].sum()
    counts = torch.zeros(len(kept))
    place = {int(t): k for k, t in enumerate(order[inside])}
    for response in found.values():
        counts[place[response.tokens[0]]] += 1
    from scipy.stats import chisquare

    busy = kept * n >= 5
    rest = (counts[~busy].sum().item(), kept[~busy].sum().item() * n)
    observed, expected = counts[busy].tolist(), (kept[busy] * n).tolist()
    if rest[1]:
        observed.append(rest[0])
        expected.append(rest[1])
    scale = sum(observed) / sum(expected)
    assert len(kept) > 3
    assert chisquare(observed, [e * scale for e in expected]).pvalue > 1e-4


def test_out_of_memory_halves_the_batch_and_goes_on(folders, monkeypatch) -> None:
    scored, texts = _requests()
    wanted, wanted_texts = answers(load(folders["llama"]), scored), answers(load(folders["llama"]), texts)
    lm = load(folders["llama"], batch_tokens=2048)
    real = engines.SharedEngine._forward

    def small_memory(self, state, ids, positions, keep, **others):
        if len(ids) > 200:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        return real(self, state, ids, positions, keep, **others)

    monkeypatch.setattr(engines.SharedEngine, "_forward", small_memory)
    found, found_texts = answers(lm, scored), answers(lm, texts)
    assert any("out of memory" in w for w in lm.warnings)
    assert set(found) == set(wanted)
    for n in wanted:
        assert found[n].logprobs == pytest.approx(wanted[n].logprobs, abs=1e-4)
    assert [found_texts[n].text for n in sorted(found_texts)] == [wanted_texts[n].text for n in sorted(wanted_texts)]


def test_out_of_memory_after_going_on_leaves_no_half_computed_ancestor(folders, monkeypatch) -> None:
    """The second batch computes the first one's shared segment again, and breaks off in the second layer."""
    from harness.backends.transformers.attention.shared import Pass

    shared = _text(random.Random(5), 60) + "\n\n"
    requests: list[Request] = [
        Choice(Prompt(shared, f"Is it {n} or more of them?\nAnswer:"), (" A", " B")) for n in range(40)
    ]
    wanted = answers(load(folders["llama"]), requests)
    first = next(iter(load(folders["llama"]).answer(requests)))
    lm = load(folders["llama"])
    attend = Pass.attend
    broken: list[int] = []

    def breaks_once(self, layer, *rest):
        if layer == 1 and not broken:
            broken.append(len(self.segments))
            raise RuntimeError("CUDA out of memory")
        return attend(self, layer, *rest)

    monkeypatch.setattr(Pass, "attend", breaks_once)
    found = answers(lm, requests, {n for n, _ in first})
    assert broken
    assert set(found) == set(wanted) - {n for n, _ in first}
    for n, response in found.items():
        assert response.logprobs == pytest.approx(wanted[n].logprobs, abs=1e-4)


def test_out_of_memory_for_a_single_prompt_is_an_error(folders, monkeypatch) -> None:
    lm = load(folders["llama"])

    def no_memory(*args: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(engines.SharedEngine, "_forward", no_memory)
    with pytest.raises(ModelError, match="Out of memory even for one prompt"):
        answers(lm, _requests()[0])


def test_a_window_that_ends_an_answer_is_recorded(tmp_path) -> None:
    lm = load(make_model(tmp_path / "m", "gpt2", window=64))
    text = _text(random.Random(0), 12)
    (response,) = answers(lm, [Generate(Prompt("", text), (), 100)]).values()
    assert response.generated + response.asked == 64 or response.finish == "stop"
    assert response.finish == "stop" or "window" in response.warnings[0]


def test_rolling_windows_predict_every_token_once(tmp_path) -> None:
    """Windows as lm-eval's: the first from the start token, later ones filled up with what came before."""
    folder = make_model(tmp_path / "m", "llama", "llama3", window=32)
    lm = load(folder)
    text = _text(random.Random(0), 60)
    ids = lm.tokenizer.encode(text)[1:]
    assert len(ids) > 70
    wanted = plain_logprobs(folder, [lm.tokenizer.bos_token_id], ids[:32])[0]
    for at in range(32, len(ids), 32):
        end = min(at + 32, len(ids))
        wanted += plain_logprobs(folder, ids[end - 33 : at], ids[at:end])[0]
    (response,) = answers(lm, [Rolling(text)]).values()
    assert response.logprobs[0] == pytest.approx(wanted, abs=1e-3)


def test_a_model_that_cannot_share_is_run_plainly_with_a_warning(tmp_path) -> None:
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    folder = make_model(tmp_path / "m", "llama", rope_parameters=rope)
    lm = load(folder)
    assert "computed again" in lm.warnings[0]
    scored, texts = _requests()
    found = answers(lm, scored)
    assert all(r.reused == 0 for r in found.values())
    shared = load(make_model(tmp_path / "same", "llama"))
    for n, response in answers(shared, scored).items():
        assert response.logprobs == pytest.approx(found[n].logprobs, abs=1e-4)
    same = answers(shared, texts)
    assert {n: r.text for n, r in answers(lm, texts).items()} == {n: r.text for n, r in same.items()}


def test_the_check_at_load_finds_attention_that_is_not_ours(folders, monkeypatch) -> None:
    """Break the merge of the two parts of attention: the model falls back instead of scoring wrongly."""
    from harness.backends.transformers.attention import kernels

    monkeypatch.setattr(kernels, "merge", lambda *a: None)
    lm = load(folders["llama"])
    assert "differ from plain ones" in lm.warnings[0]
    assert isinstance(lm.engine, PlainEngine)


def test_a_stop_string_that_spans_tokens_ends_the_text(folders) -> None:
    lm = load(folders["llama"])
    prompt = Prompt("", "Begin here:")
    (whole,) = answers(lm, [Generate(prompt, (), 30)]).values()
    middle = whole.text[len(whole.text) // 2 : len(whole.text) // 2 + 5]
    (stopped,) = answers(lm, [Generate(prompt, (middle,), 30)]).values()
    assert stopped.text == whole.text[: whole.text.find(middle)]
    assert stopped.finish == "stop"
    assert stopped.generated < whole.generated


def test_the_default_budget_is_a_function_of_the_model(folders) -> None:
    assert load(folders["llama"], batch_tokens=None).batch_tokens == 16384
    model = load(folders["llama"]).model
    assert [backend._budget(model, work) for work in (backend.BATCH_WORK, backend.PASS_WORK)] == [16384, 16384]
