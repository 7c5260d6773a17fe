"""How requests become vLLM's calls and its outputs become responses: the contract over a stand-in for the engine,
which computes with plain forward passes. The engine itself is tested by `make test-vllm`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from harness.backends.limits import end_ids_of
from harness.backends.vllm import engine as vllm_engine
from harness.backends.vllm import start
from harness.backends.vllm.engine import PROMPT_LOGPROBS, SINGLY, VllmEngine
from harness.types import BackendInfo, Choice, Generate, Loglikelihood, Prompt, Sampling
from tests.harness.backends import contract
from tests.harness.backends.small_server import SmallModel


@dataclass
class Params:
    """vLLM's SamplingParams, as far as they are used."""

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    max_tokens: int = 16
    stop: list[str] = field(default_factory=list)
    stop_token_ids: list[int] = field(default_factory=list)
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    logprob_token_ids: list[int] | None = None
    detokenize: bool = True
    include_stop_str_in_output: bool = False
    __struct_fields__ = ("logprob_token_ids",)


@pytest.fixture(params=["new", "old"])
def vllm(request, monkeypatch) -> type[Params]:
    """A vLLM that has logprob_token_ids, and one that does not."""
    kind = type("SamplingParams", (Params,), {"__struct_fields__": Params.__struct_fields__ * (request.param == "new")})
    for name in ("vllm", "vllm.sampling_params"):
        module = ModuleType(name)
        module.SamplingParams = kind  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    return kind


class StandIn:
    """An engine's loop: finishes calls in another order than they came."""

    window = 8

    def __init__(self, model: SmallModel) -> None:
        self.model = model
        self.asked: list[tuple[list[int], Any]] = []

    def ask(self, calls: Any) -> Iterator[list[Any]]:
        batch = []
        for key, ids, params, _lora in calls:
            self.asked.append((ids, params))
            batch.append((key, self.one(ids, params)))
            if len(batch) == self.window:
                yield batch[::-1]
                batch = []
        if batch:
            yield batch[::-1]

    def one(self, ids: list[int], p: Any) -> Any:
        assert len(ids) + p.max_tokens <= contract.WINDOW
        assert not p.stop or p.detokenize
        said, why = self.model.generate(
            ids, p.max_tokens, p.temperature, p.top_p, p.seed or 0, p.stop, p.stop_token_ids
        )
        output: dict[str, Any] = {"token_ids": said, "finish_reason": why, "logprobs": None}
        own = None
        if p.logprob_token_ids is not None or p.logprobs is not None:
            last = self.model.logprobs(ids)[-1]
            tokens = range(len(last)) if p.logprobs == -1 else [*(p.logprob_token_ids or []), said[0]]
            output["logprobs"] = [{t: SimpleNamespace(logprob=last[t].item()) for t in tokens}]
        if p.prompt_logprobs is not None:
            rows = self.model.logprobs(ids)
            own = [None] + [
                {t: SimpleNamespace(logprob=row[t].item(), rank=int((row > row[t]).sum()) + 1)}
                for row, t in zip(rows, ids[1:], strict=False)
            ]
        return SimpleNamespace(
            outputs=[SimpleNamespace(**output)], prompt_logprobs=own, num_cached_tokens=len(ids) // 2
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return contract.make(tmp_path_factory.mktemp("contract") / "model")


@pytest.fixture(scope="module")
def model(folder) -> SmallModel:
    return SmallModel(folder)


def engine(folder: Path, model: SmallModel) -> VllmEngine:
    info = BackendInfo("vllm", "stand-in", "float32", contract.WINDOW)
    ends = end_ids_of(folder, model.tokenizer)
    return VllmEngine(StandIn(model), model.tokenizer, info, ends)  # type: ignore[arg-type]


def test_the_contract(vllm, folder, model) -> None:
    backend = engine(folder, model)
    found = contract.check_all(backend, folder, "sample", items=2)
    assert found["ties"] == []
    assert backend.warnings == [PROMPT_LOGPROBS]


def test_the_contract_with_a_live_adapter_asks_for_no_log_probabilities_of_prompts(vllm, folder, model) -> None:
    backend = engine(folder, model)
    backend.lora = "an adapter"
    wanted = contract.short(contract.asked())
    right = contract.answers(contract.transformers(folder), wanted.scored)
    contract.check_scored(contract.answers(backend, wanted.scored), right)
    assert backend.warnings == [SINGLY]
    assert all(params.prompt_logprobs is None for _, params in backend._loop.asked)  # type: ignore[attr-defined]


def test_a_question_is_one_call_that_leaves_the_prefix_cache_on(vllm, folder, model) -> None:
    backend = engine(folder, model)
    options = (" A", " B", " C", " D")
    questions = [Choice(Prompt("Shared.\n\n", f"{n}?\nAnswer:"), options) for n in (3, 1, 2)]
    found = contract.answers(backend, questions)
    asked = backend._loop.asked  # type: ignore[attr-defined]
    assert len(asked) == 3
    assert [ids for ids, _ in asked] == sorted(ids for ids, _ in asked)
    for _, params in asked:
        assert params.prompt_logprobs is None
        assert (params.max_tokens, params.temperature) == (1, 0.0)
        if vllm.__struct_fields__:
            assert len(params.logprob_token_ids) == 4
            assert params.logprobs is None
        else:
            assert params.logprobs == -1
    assert backend.warnings == []
    assert all(r.asked - r.reused == r.asked - r.asked // 2 for r in found.values())


def test_options_of_several_tokens_are_scored_by_the_prompt_and_the_run_says_so(vllm, folder, model) -> None:
    backend = engine(folder, model)
    contract.answers(backend, [Loglikelihood(Prompt("", "It is"), " a matter of some tokens")])
    ((_, params),) = backend._loop.asked  # type: ignore[attr-defined]
    assert params.prompt_logprobs == 0
    assert backend.warnings == [PROMPT_LOGPROBS]


def test_stops_and_sampling_are_mapped_faithfully(vllm, folder, model) -> None:
    backend = engine(folder, model)
    contract.answers(
        backend,
        [
            Generate(Prompt("", "One"), ("\n\n", "", "Q:"), 7, Sampling(0.7, 0.9, 2**62 + 3)),
            Generate(Prompt("", "Two"), (), 7),
        ],
    )
    (_, one), (_, two) = sorted(backend._loop.asked, key=lambda a: a[1].temperature, reverse=True)  # type: ignore[attr-defined]
    assert (one.temperature, one.top_p, one.seed, one.max_tokens) == (0.7, 0.9, 2**62 + 3, 7)
    assert one.stop == ["\n\n", "Q:"]
    assert set(one.stop_token_ids) == model.ends | {model.tokenizer.eos_token_id}
    assert one.include_stop_str_in_output
    assert (two.temperature, two.seed, two.stop, two.detokenize) == (0.0, None, [], False)


def test_done_requests_are_not_asked_again(vllm, folder, model) -> None:
    wanted = contract.asked()
    requests = [*wanted.scored, *wanted.texts[:4]]
    whole = contract.answers(engine(folder, model), requests)
    backend = engine(folder, model)
    done = set(range(0, len(requests), 2))
    rest = contract.answers(backend, requests, done)
    assert set(rest) == set(whole) - done
    assert all(rest[n] == whole[n] for n in rest)
    assert len(backend._loop.asked) < len(requests)  # type: ignore[attr-defined]


def test_without_vllm_the_backend_says_what_to_do(monkeypatch) -> None:
    from harness.errors import MissingError

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingError, match="pip install vllm"):
        vllm_engine.require()


def test_what_vllm_says_goes_to_a_file_and_its_first_error_into_the_sentence(tmp_path, capfd) -> None:
    import os

    log = tmp_path / "log"
    log.touch()
    with start._printing_to(log):
        os.write(1, b"noise\n")
        os.write(2, b"(EngineCore pid=1) ERROR RuntimeError: Unsupported attention: head_dim=16\n")
        os.write(2, b"RuntimeError: Engine core initialization failed. See root cause above.\n")
    os.write(1, b"shown\n")
    assert capfd.readouterr().out == "shown\n"
    failed = RuntimeError("Engine core initialization failed. See root cause above.")
    assert start._reason(failed, log.read_text()) == "Unsupported attention: head_dim=16"
    assert start._reason(failed, "nothing") == "Engine core initialization failed. See root cause above"
