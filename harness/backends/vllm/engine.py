"""Backend `vllm`: vLLM's engine in this program, with its prefix cache on.

A question is one call: one generated token, with the log-probabilities of the options' own tokens. Asking vLLM for
log-probabilities of a prompt makes it compute the prompt anew, so that is done only for options of several tokens.
Calls come in the order of their tokens, so that what prompts share is computed once and found again.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.backends.calls import Answer, Answers, Call, Calls, Key, Scored, Scoring, Writing, Written, singly
from harness.backends.limits import end_ids_of, window_of
from harness.backends.vllm import served_adapter
from harness.backends.vllm.arguments import arguments, device_name, for_live, recorded_of
from harness.backends.vllm.loop import Loop
from harness.backends.vllm.start import start
from harness.errors import MissingError
from harness.models.vocabulary import rows_of
from harness.options import OptionError
from harness.prompting import thinking
from harness.prompting.model_tokenizer import ModelTokenizer
from harness.prompting.tokens import Encoder
from harness.types import BackendInfo, Request

if TYPE_CHECKING:
    from harness.models.adapter import Probe
    from harness.options import BackendSettings, ResolvedModel
    from harness.prompting.chat_templates import ChatTemplate

CALLS = {"cpu": 64}  # under way at once, and so what a kill loses at most; on a GPU GPU_CALLS
GPU_CALLS = 1024
PROMPT_LOGPROBS = (
    "options of several tokens are scored by log-probabilities of the prompt, which vLLM computes without its prefix "
    "cache: each option's whole prompt anew"
)
# measured with 0.32.0 on a CPU: log-probabilities of several prompts at once end an engine that has a live adapter
SINGLY = "options of several tokens are scored one token at a time, because the adapter is live"


class VllmEngine:
    """`lora` is vLLM's request for a live adapter, or None. `encoder` stands for chat, system and template."""

    def __init__(
        self,
        loop: Loop,
        tokenizer: Any,
        info: BackendInfo,
        ends: frozenset[int],
        chat: bool = False,
        system: str | None = None,
        template: ChatTemplate | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self.info = info
        self.warnings: list[str] = []
        self._loop = loop
        self._calls = Calls(encoder or Encoder(tokenizer, info.window, chat, system, template), ends)
        self.lora: Any = None
        self.takes_adapters = False  # the engine was started for live ones

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[Answers]:
        thinking.warn_of_options(requests, self._calls.encoder, self.warnings)
        is_live = self.takes_adapters or self.lora is not None
        ask, warning = (singly(self.ask), SINGLY) if is_live else (self.ask, PROMPT_LOGPROBS)
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


class SwitchingEngine(VllmEngine):
    """An engine that serves the adapters of its base live, one at a time (`harness.types.Switching`)."""

    served: Served

    def switch(self, model: ResolvedModel) -> tuple[SwitchingEngine, list[str]]:
        return self.served.put(model, ModelTokenizer(model, self.served.settings, self.served.read))


@dataclass(slots=True)
class Served:
    """An engine that has been started, and what each model that it serves is made with."""

    loop: Loop
    info: BackendInfo
    config: Any  # transformers', of the checkpoint in `path`
    path: Path
    settings: BackendSettings
    is_live: bool
    recorded: Mapping[str, Probe]  # by the adapter's digest
    read: ModelTokenizer

    def put(self, model: ResolvedModel, read: ModelTokenizer) -> tuple[SwitchingEngine, list[str]]:
        """The backend that answers with this model, held against transformers."""
        read.fit(rows_of(self.config), self.info.window)
        self.read = read
        ends = end_ids_of(self.path, self.config, read.tokenizer)
        backend = SwitchingEngine(self.loop, read.tokenizer, self.info, ends, encoder=read.encoder)
        backend.served, backend.takes_adapters = self, self.is_live
        adapter = model.checkpoint
        if adapter.base is not None:
            if self.is_live:
                from vllm.lora.request import LoRARequest

                number = 1 + list(self.recorded).index(adapter.digest)
                backend.lora = LoRARequest(adapter.digest, number, str(adapter.path))
            apart = backend.check(self.recorded[adapter.digest], adapter, model.dtype, self.is_live)
            details = {
                **self.info.details,
                "lora": "live" if self.is_live else "merge",
                "apart_from_transformers": apart,
            }
            backend.info = replace(self.info, details=details)
        return backend, [*read.warnings, *read.left_out]


def make(model: ResolvedModel, settings: BackendSettings) -> tuple[SwitchingEngine, list[str]]:
    """Load the checkpoint, or adapter, into an engine of its own."""
    checkpoint = model.checkpoint
    if model.load_in_4bit:
        raise OptionError("load_in_4bit", True, " goes with `backend` transformers.")
    require()
    from harness.models.causal import causal_class
    from harness.models.loading import load_config

    whole = checkpoint.base or checkpoint
    causal_class(load_config(whole), whole)  # an engine may serve encoders too
    read = ModelTokenizer(model, settings)
    adapters = {one.digest: one for one in (checkpoint, *model.others) if one.base is not None}
    is_live = bool(adapters) and settings.lora == "live"
    path, recorded, lora = whole.path, {}, {}
    if is_live:
        lora = for_live(adapters.values())
        recorded = dict(zip(adapters, served_adapter.live(list(adapters.values()), model.dtype), strict=True))
    elif adapters:
        path, recorded[checkpoint.digest] = served_adapter.merged(checkpoint, model.dtype)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(path, trust_remote_code=checkpoint.remote_code, local_files_only=True)
    window = window_of(config.get_text_config())
    started = {**arguments(path, window, model, settings), **lora}
    calls = CALLS.get(model.device, GPU_CALLS)
    loop = start(started, calls, model)
    try:
        details = {"calls_at_once": calls, "lora": "", **recorded_of(started)}
        info = BackendInfo("vllm", device_name(model.device), model.dtype, window, details)
        return Served(loop, info, config, path, settings, is_live, recorded, read).put(model, read)
    except BaseException:
        loop.close()
        raise


def require() -> None:
    from importlib.util import find_spec

    if find_spec("vllm") is None:
        raise MissingError("vLLM is not installed here: pip install vllm (it wants a GPU), or --backend transformers.")
