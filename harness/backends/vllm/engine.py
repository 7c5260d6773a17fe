"""Backend `vllm`: vLLM's engine in this program, with its prefix cache on.

A question is one call: one generated token, with the log-probabilities of the options' own tokens. Asking vLLM for
log-probabilities of a prompt makes it compute the prompt anew, so that is done only for options of several tokens.
Calls come in the order of their tokens, so that what prompts share is computed once and found again.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backends.calls import Answer, Answers, Call, Calls, Key, Scored, Scoring, Writing, Written, singly
from harness.backends.limits import end_ids_of, window_of
from harness.backends.vllm import served_adapter
from harness.backends.vllm.loop import Loop
from harness.backends.vllm.start import start
from harness.errors import MissingError
from harness.options import OptionError
from harness.prompting import thinking
from harness.prompting.preparation import prompting
from harness.prompting.tokens import Encoder
from harness.types import BackendInfo, Request

if TYPE_CHECKING:
    from harness.options import BackendSettings, ResolvedModel
    from harness.prompting.chat_templates import ChatTemplate

CALLS = {"cpu": 64}  # under way at once, and so what a kill loses at most; on a GPU GPU_CALLS
GPU_CALLS = 1024
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM makes room for
PROMPT_LOGPROBS = (
    "options of several tokens are scored by log-probabilities of the prompt, which vLLM computes without its prefix "
    "cache: each option's whole prompt anew"
)
# measured with 0.32.0 on a CPU: log-probabilities of several prompts at once end an engine that has a live adapter
SINGLY = "options of several tokens are scored one token at a time, because the adapter is live"


class VllmEngine:
    """`lora` is vLLM's request for a live adapter, or None."""

    def __init__(
        self,
        loop: Loop,
        tokenizer: Any,
        info: BackendInfo,
        ends: frozenset[int],
        chat: bool = False,
        system: str | None = None,
        template: ChatTemplate | None = None,
    ) -> None:
        self.info = info
        self.warnings: list[str] = []
        self._loop = loop
        self._calls = Calls(Encoder(tokenizer, info.window, chat, system, template), ends)
        self.lora: Any = None

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[Answers]:
        thinking.warn_of_options(requests, self._calls.encoder, self.warnings)
        ask, warning = (self.ask, PROMPT_LOGPROBS) if self.lora is None else (singly(self.ask), SINGLY)
        for batch in self._calls.answer(requests, done, ask):
            if self._calls.prompt_logprobs and warning not in self.warnings:
                self.warnings.append(warning)
            yield batch

    def ask(self, calls: Iterable[tuple[Key, Call]]) -> Iterator[list[tuple[Key, Answer]]]:
        sent = (((key, call), call.ids, self.parameters(call), self.lora) for key, call in calls)
        for batch in self._loop.ask(sent):
            yield [(key, read(call, output)) for (key, call), output in batch]

    def parameters(self, call: Call) -> Any:
        """vLLM's SamplingParams of a call."""
        from vllm import SamplingParams

        if isinstance(call, Scoring):
            # one token more than is needed would be free: the greedy one comes with it
            return SamplingParams(
                temperature=0.0,
                max_tokens=1,
                detokenize=False,
                prompt_logprobs=0 if call.tail else None,
                **_targets(call.targets),
            )
        sampling = call.request.sampling
        stop, stop_ids = self._calls.stops(call.request)
        return SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed if sampling.temperature else None,
            max_tokens=call.room,
            stop=stop,
            stop_token_ids=stop_ids,
            detokenize=bool(stop),  # it looks for stops in its own text; ours is made of the tokens
            include_stop_str_in_output=True,
        )

    def check(self, recorded: Any, adapter: Any, dtype: str, is_live: bool) -> float:
        """Hold the engine against transformers (see served_adapter.py)."""
        lora = self.lora

        def say(prompts: list[list[int]], tokens: list[list[int]], with_it: bool) -> list[list[float]]:
            self.lora = lora if with_it else None
            calls = [
                ((n, 0), Scoring(ids, 0, wanted)) for n, (ids, wanted) in enumerate(zip(prompts, tokens, strict=True))
            ]
            scored = {key[0]: a for batch in self.ask(calls) for key, a in batch if isinstance(a, Scored)}
            return [[scored[n].targets[t] for t in wanted] for n, wanted in enumerate(tokens)]

        try:
            return served_adapter.check(adapter, dtype, recorded, say, is_live, "vLLM")
        finally:
            self.lora = lora

    def close(self) -> None:
        self._loop.close()


def read(call: Call, output: Any) -> Answer:
    """A call's answer out of vLLM's RequestOutput."""
    completion = output.outputs[0]
    reused = output.num_cached_tokens or 0
    if isinstance(call, Writing):
        return Written(tuple(completion.token_ids), completion.finish_reason == "stop", reused)
    best = completion.token_ids[0]
    following = completion.logprobs[0]
    own = [output.prompt_logprobs[at][call.ids[at]] for at in range(len(call.ids) - call.tail, len(call.ids))]
    return Scored(
        targets={token: following[token].logprob for token in call.targets},
        best=best,
        tail=[one.logprob for one in own],
        tail_greedy=[one.rank == 1 for one in own],
        reused=reused,
    )


def _targets(targets: list[int]) -> dict[str, Any]:
    """How log-probabilities of given tokens are asked for: by name where this vLLM can, else all of them."""
    from vllm import SamplingParams

    most = getattr(sys.modules["vllm.sampling_params"], "MAX_LOGPROB_TOKEN_IDS", 128)
    distinct = list(dict.fromkeys(targets))
    if "logprob_token_ids" in SamplingParams.__struct_fields__ and 0 < len(distinct) <= most:
        return {"logprob_token_ids": distinct}
    return {"logprobs": -1 if distinct else 0}


def make(model: ResolvedModel, settings: BackendSettings) -> tuple[VllmEngine, list[str]]:
    """Load the checkpoint, or adapter, into an engine of its own."""
    adapter = model.checkpoint
    if model.load_in_4bit:
        raise OptionError("load_in_4bit", True, " goes with `backend` transformers.")
    require()
    from transformers import AutoConfig

    from harness.models.causal import causal_class
    from harness.models.loading import load_config, load_tokenizer
    from harness.models.vocabulary import fit_tokenizer, rows_of

    whole = adapter.base or adapter
    causal_class(load_config(whole), whole)  # an engine may serve encoders too
    tokenizer = load_tokenizer(model.checkpoint)
    template, warnings = prompting(model, settings, tokenizer)
    is_live = adapter.base is not None and settings.lora == "live"
    lora: dict[str, Any] = {}
    path, recorded = adapter.path, None
    if adapter.base is not None and is_live:
        path, recorded = adapter.base.path, served_adapter.live(adapter, model.dtype)
        lora = {"enable_lora": True, "max_loras": 1, "max_lora_rank": _rank(adapter.path)}
    elif adapter.base is not None:
        path, recorded = served_adapter.merged(adapter, model.dtype)
    config = AutoConfig.from_pretrained(path, trust_remote_code=adapter.remote_code, local_files_only=True)
    window = window_of(config.get_text_config())
    warnings = fit_tokenizer(tokenizer, rows_of(config), adapter)
    calls = CALLS.get(model.device, GPU_CALLS)
    arguments = {
        "model": str(path),
        "dtype": model.dtype,
        "trust_remote_code": adapter.remote_code,
        "max_model_len": window,
        "max_logprobs": -1,
        "enable_prefix_caching": True,
        "seed": 0,
        "use_tqdm_on_load": False,
        "disable_log_stats": False,
        "tensor_parallel_size": settings.tensor_parallel,
        "data_parallel_size": settings.data_parallel,
        **_executors(settings.tensor_parallel * settings.data_parallel, model.device),
        **({"gpu_memory_utilization": settings.gpu_memory} if settings.gpu_memory is not None else {}),
        **({"enforce_eager": True, "block_size": 32} if model.device == "cpu" else {}),
        **lora,
    }
    loop = start(arguments, calls, model)
    details = {"calls_at_once": calls, "lora": settings.lora if adapter.base else "", **_told(arguments)}
    info = BackendInfo("vllm", _device_name(model.device), model.dtype, window, details)
    ends = end_ids_of(path, config, tokenizer)
    backend = VllmEngine(loop, tokenizer, info, ends, settings.chat, settings.system, template)
    try:
        if is_live:
            from vllm.lora.request import LoRARequest

            backend.lora = LoRARequest("adapter", 1, str(adapter.path))
        if recorded is not None:
            apart = backend.check(recorded, adapter, model.dtype, is_live)
            backend.info = replace(info, details={**details, "apart_from_transformers": apart})
    except BaseException:
        backend.close()
        raise
    return backend, warnings


def require() -> None:
    from importlib.util import find_spec

    if find_spec("vllm") is None:
        raise MissingError("vLLM is not installed here: pip install vllm (it wants a GPU), or --backend transformers.")


def _executors(workers: int, device: str) -> dict[str, Any]:
    """Ray's where the workers are more than this machine has devices (a Ray cluster must be running)."""
    if device == "cpu" or workers == 1:
        return {}
    import torch

    return (
        {"distributed_executor_backend": "ray", "data_parallel_backend": "ray"}
        if workers > torch.accelerator.device_count()
        else {}
    )


def _rank(adapter: Path) -> int:
    import json

    config = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    rank = max([config["r"], *(config.get("rank_pattern") or {}).values()])
    if rank > RANKS[-1]:
        text = f": vLLM takes live adapters up to rank {RANKS[-1]}, and this one has {rank}. Use merge."
        raise OptionError("lora", "live", text)
    return next(r for r in RANKS if r >= rank)


def _told(arguments: dict[str, Any]) -> dict[str, Any]:
    from importlib.metadata import version

    kept = ("tensor_parallel_size", "data_parallel_size", "distributed_executor_backend", "block_size")
    return {"vllm": version("vllm"), **{name: arguments[name] for name in kept if name in arguments}}


def _device_name(device: str) -> str:
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{device} (vLLM)"
