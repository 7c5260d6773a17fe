"""Backend `endpoint`: a model behind an OpenAI-compatible server.

What it can do depends on the server, and on whether its tokenizer is at hand (--tokenizer):

- with the tokenizer, prompts are sent to /completions as token ids, exactly those of the other backends. Options are
  scored by vLLM's own parameter (`logprob_token_ids`) where the server knows it, else by `echo` with `logprobs` (as
  OpenAI's older models and others have it). vLLM is never asked for log-probabilities of a prompt: its prefix cache
  would be off, and an engine that may have adapters can end by it (0.32.0).
- without it, text is sent (endpoint_text.py): to /completions, or with --chat to /chat/completions, which generates
  only.

What a server does not return is an error. Nothing is put in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.backends.calls import Answer, Answers, Ask, Call, Calls, Key, Scored, Scoring, Writing, Written, singly
from harness.backends.endpoint import replies
from harness.backends.endpoint.client import RefusedError, Remote
from harness.backends.endpoint.text import (
    MissingPartError,
    TextEndpoint,
    logprob_of,
    sampling_of,
    stop_of,
)
from harness.backends.limits import end_ids_of
from harness.backends.transformers.decoding import special_tokens
from harness.errors import HarnessError, UsageError, suggest
from harness.models.served import UNVERIFIED
from harness.prompting import thinking
from harness.prompting.preparation import prompting
from harness.prompting.tokens import Encoder
from harness.types import BackendInfo, Generate, Request

if TYPE_CHECKING:
    from harness.options import BackendSettings, ResolvedModel
    from harness.prompting.chat_templates import ChatTemplate

CONCURRENCY = 16
SPECIAL_STOP = (
    "a stop string is a special token of the tokenizer, which this server may leave out of its texts: then answers go "
    "on after it"
)
NO_WINDOW = 1 << 30  # where nobody says: the server refuses what is too long


class TokenEndpoint:
    """Sends token ids."""

    def __init__(
        self,
        remote: Remote,
        name: str,
        tokenizer: Any,
        info: BackendInfo,
        ends: frozenset[int],
        chat: bool = False,
        system: str | None = None,
        template: ChatTemplate | None = None,
    ) -> None:
        self.remote, self.name, self.info = remote, name, info
        self.warnings: list[str] = []
        self._calls = Calls(Encoder(tokenizer, info.window, chat, system, template), ends)
        self._by_name: bool | None = None  # does the server know vLLM's parameters

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[Answers]:
        encoder = self._calls.encoder
        thinking.warn_of_options(requests, encoder, self.warnings)
        ask: Ask = self._ask
        if all(isinstance(r, Generate) for r in requests):
            pass
        elif self._knows():
            ask = singly(ask)
        else:
            encoder.window = self.info.window - 1  # echo generates a token after the whole of an answer
        yield from self._calls.answer(requests, done, ask)
        encoder.window = self.info.window

    def close(self) -> None:
        """It holds no connection between requests."""

    def _ask(self, calls: Iterable[tuple[Key, Call]]) -> Iterator[list[tuple[Key, Answer]]]:
        keys: dict[int, Key] = {}

        def sent() -> Iterator[partial[Answer]]:
            for n, (key, call) in enumerate(calls):
                keys[n] = key
                yield partial(self._one, call)

        for n, answer in self.remote.map(sent()):
            if isinstance(answer, HarnessError):
                raise answer
            yield [(keys.pop(n), answer)]

    def _one(self, call: Call) -> Answer:
        return self._write(call) if isinstance(call, Writing) else self._score(call)

    # text

    def _write(self, call: Writing) -> Written:
        knows, (stop, stop_ids) = self._knows(), self._calls.stops(call.request)
        if not knows and len(stop) < len(call.request.stop) and not call.request.after_thinking:
            self._warn(SPECIAL_STOP)
        body = {
            "prompt": call.ids,
            "max_tokens": call.room,
            **sampling_of(call.request),
            **stop_of(stop if knows else call.request.stop, call.request.after_thinking),
            **({"return_token_ids": True, "stop_token_ids": stop_ids} if knows else {}),
        }
        reply = self.remote.complete(model=self.name, **body)
        choice, parsed = reply["choices"][0], replies.completion(reply)
        tokens, stopped, reused = choice.get("token_ids"), parsed.stopped, parsed.reused
        if not isinstance(tokens, list):
            if parsed.missing:
                raise replies.UnreadableError(f"The server {self.remote.base_url} gives no text: {parsed.missing}.")
            return Written((), stopped, reused, parsed.text, parsed.generated or 0)
        if stopped and not choice.get("stop_reason") and not (tokens and tokens[-1] in self._calls.end_ids):
            # vLLM names neither end token nor stop string: it met its own end token and left it out. A special token
            # is in no text, and may be a tag or a stop: then the tokens are read
            if special_tokens(self._calls.encoder.tokenizer).keys() & set(tokens):
                return Written(tuple(tokens), stopped, reused)
            return Written(tuple(tokens), stopped, reused, parsed.text, len(tokens))
        return Written(tuple(tokens), stopped, reused)

    # log-probabilities

    def _score(self, call: Scoring) -> Scored:
        """Where the server knows vLLM's parameter, calls have no tail."""
        return self._score_by_name(call) if self._knows() else self._score_by_echo(call)

    def _knows(self) -> bool:
        """Whether the server takes vLLM's parameter: asked once, with a call that needs it."""
        if self._by_name is None:
            start = self._calls.encoder.start_token
            try:
                self._score_by_name(Scoring([start], 0, [start]))
            except (RefusedError, MissingPartError):
                self._by_name = False
            else:
                self._by_name = True
        return self._by_name

    def _score_by_name(self, call: Scoring) -> Scored:
        body: dict[str, Any] = {
            "prompt": call.ids,
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": 1,
            "return_tokens_as_token_ids": True,
        }
        if call.targets:
            body["logprob_token_ids"] = list(dict.fromkeys(call.targets))
        choice, usage = self._complete(body)
        try:
            following = {_id(k): v for k, v in choice["logprobs"]["top_logprobs"][0].items()}
            targets = {token: logprob_of(following[token]) for token in call.targets}
            return Scored(targets, _id(choice["logprobs"]["tokens"][0]), [], [], _reused(usage))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise MissingPartError("vLLM's logprob_token_ids") from error

    def _score_by_echo(self, call: Scoring) -> Scored:
        """One request for each target, with the target at the end of the prompt."""
        targets, best, tail, greedy, reused = {}, -1, [], [], 0
        for target in dict.fromkeys(call.targets) or [self._calls.encoder.start_token]:
            body = {
                "prompt": [*call.ids, target],
                "max_tokens": 1,
                "temperature": 0.0,
                "logprobs": 1,
                "echo": True,
            }
            choice, usage = self._complete(body)
            try:
                logprobs = choice["logprobs"]
                values, top = logprobs["token_logprobs"], logprobs["top_logprobs"]
                at = len(call.ids)
                targets[target] = logprob_of(values[at])
                if _is_best(values, top, at):
                    best = target
                tail = [logprob_of(values[n]) for n in _tail(call)]
                greedy = [_is_best(values, top, n) for n in _tail(call)]
                reused = _reused(usage)
            except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
                raise MissingPartError("echo with logprobs") from error
        return Scored({t: targets[t] for t in call.targets}, best, tail, greedy, reused)

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)

    def _complete(self, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        reply = self.remote.complete(model=self.name, **body)
        usage = reply.get("usage")
        return reply["choices"][0], usage if isinstance(usage, dict) else {}


def make(model: ResolvedModel, settings: BackendSettings) -> tuple[Any, list[str]]:
    """The backend for a served model; its adapter is probed where its base is served too."""
    assert settings.served_name is not None
    concurrency = settings.concurrency or CONCURRENCY
    remote = Remote(model.address, concurrency=concurrency)
    listed = _listed(Remote(model.address, attempts=3))  # a server that is not there is said soon
    for name in filter(None, (settings.served_name, settings.base_name)):
        if listed and name not in listed:
            raise UsageError(
                f"{remote.base_url} serves no {name}.{suggest(name, listed)} It serves {', '.join(sorted(listed))}."
            )
    warnings = []
    details: dict[str, Any] = {
        "concurrency": concurrency,
        "served_by": listed.get(settings.served_name, {}).get("owned_by"),
    }
    if settings.base_name is None:
        warnings.append(UNVERIFIED)
        details["unverified"] = UNVERIFIED
    else:
        from harness.backends.endpoint.probe import probe

        details |= probe(remote, settings.served_name, settings.base_name, settings.chat)
    length = listed.get(settings.served_name, {}).get("max_model_len")
    window = length if isinstance(length, int) else 0
    if settings.tokenizer is None:
        info = BackendInfo("endpoint", "server", model.dtype, window, details)
        # vLLM names the base of an adapter as its parent
        echo = not any(m.get("owned_by") == "vllm" and m.get("parent") for m in listed.values())
        return TextEndpoint(remote, settings.served_name, info, settings.chat, settings.system, echo), warnings
    from harness.models.loading import load_tokenizer

    tokenizer = load_tokenizer(model.checkpoint)
    template, notes = prompting(model, settings, tokenizer)
    warnings += notes
    if not window:
        most = tokenizer.model_max_length
        window = most if most < NO_WINDOW else NO_WINDOW
    info = BackendInfo("endpoint", "server", model.dtype, window, details)
    ends = end_ids_of(model.checkpoint.tokenizer, tokenizer)
    backend = TokenEndpoint(
        remote, settings.served_name, tokenizer, info, ends, settings.chat, settings.system, template
    )
    return backend, warnings


def _listed(remote: Remote) -> dict[str, dict[str, Any]]:
    """What the server says that it serves, by name; {} where it does not say."""
    try:
        return {str(m.get("id")): m for m in remote.models()}
    except RefusedError as error:
        if error.status in (404, 405, 501):
            return {}
        raise


def _id(token: str) -> int:
    """vLLM's `token_id:17`."""
    kind, _, number = token.partition(":")
    if kind != "token_id":
        raise ValueError(token)
    return int(number)


def _tail(call: Scoring) -> range:
    return range(len(call.ids) - call.tail, len(call.ids))


def _is_best(values: list[float], top: list[dict[str, float]], at: int) -> bool:
    """Whether a token is the likeliest at its place: the list holds the likeliest, and it when it is not that."""
    return values[at] >= max(top[at].values())


def _reused(usage: dict[str, Any]) -> int:
    return (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
