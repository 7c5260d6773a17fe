"""A served model asked with text, for want of its tokenizer.

Generating needs no more. Log-probabilities of options are read from the list of likeliest next tokens where all
options stand in it, letter by letter as they are asked, and begin with a space: without one they may be one token
with what is before them, and a server that drops the space does not show which token is meant. Otherwise each option
is sent behind the prompt with `echo`. Prompts that are too long are the server's to refuse.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any

from harness import replies
from harness.backends.calls import Answers, before_stop
from harness.backends.jobs import move_space, parts
from harness.backends.tokens import conversation
from harness.backends.unanswered import Unanswered, missing_of, response
from harness.errors import HarnessError, ModelError, UsageError
from harness.remote import RefusedError, Remote
from harness.types import BackendInfo, Choice, Generate, Loglikelihood, Request, Response, Rolling

LISTS = (20, 5, 0)  # likeliest tokens asked for: vLLM's most, OpenAI's most, none given
STOPS = 4  # OpenAI takes no more; the text is cut at all of them here


class MissingPartError(ModelError):
    """The server leaves out what was asked for."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The server does not return what multiple choice needs ({what}). vLLM's server does with --tokenizer, as "
            "do servers whose /completions has echo with logprobs; with others only tasks that generate can be run."
        )


class TextEndpoint:
    """`echo`: may the server be asked for log-probabilities of a prompt (see endpoint.py)."""

    def __init__(
        self, remote: Remote, name: str, info: BackendInfo, chat: bool, system: str | None, echo: bool = True
    ) -> None:
        self.remote, self.name, self.info, self.chat, self.system = remote, name, info, chat, system
        self.echo = echo
        self.warnings: list[str] = []
        self._listed = LISTS[0]

    def answer(self, requests: Sequence[Request], done: Collection[int] = ()) -> Iterator[Answers]:
        left = [i for i in range(len(requests)) if i not in done]
        refuse_without_tokenizer([requests[i] for i in left], self.chat)
        order = [i for part in parts(left, requests) for i in part]  # a shared prompt's requests together
        unanswered = Unanswered(bool(done))
        for n, found in self.remote.map(partial(self._one, requests[i]) for i in order):
            if isinstance(found, HarnessError):
                raise found
            if passed := unanswered.take(order[n], *found):
                yield passed
        unanswered.end()

    def _one(self, request: Request) -> tuple[Response, str]:
        """The response, and why there is no answer in it."""
        if isinstance(request, Generate):
            said = self._chat(request) if self.chat else self._write(request)
            text, stopped = before_stop(said.text, request.stop)
            return response(said, text, stopped or said.stopped), missing_of(said)
        assert isinstance(request, Choice | Loglikelihood)
        return self._score(request), ""

    def _write(self, request: Generate) -> replies.Said:
        reply = self.remote.complete(
            model=self.name,
            prompt=request.prompt.shared + request.prompt.own,
            max_tokens=request.max_tokens,
            **sampling_of(request, STOPS),
        )
        return replies.completion(reply)

    def _chat(self, request: Generate) -> replies.Said:
        messages = conversation(request.prompt, request.prompt.shared, self.system)
        reply = self.remote.chat(
            model=self.name, messages=messages, max_tokens=request.max_tokens, **sampling_of(request, STOPS)
        )
        return replies.chat(reply)

    def _score(self, request: Choice | Loglikelihood) -> Response:
        moved = move_space(request, False)
        assert moved is not None
        prompt, options = moved
        text = prompt.shared + prompt.own
        top, best, asked = self._likeliest(text)
        if all(option[:1].isspace() and option in top for option in options):
            return Response(
                logprobs=tuple(top[o] for o in options), greedy=tuple(o == best for o in options), asked=asked
            )
        if not self.echo:
            raise ModelError(
                "Not all options are among the likeliest next tokens, and vLLM with adapters is not asked for "
                "log-probabilities of a prompt: its engine can end by it. Give the model's tokenizer with --tokenizer "
                "FOLDER."
            )
        found = [self._echo(text, asked, option) for option in options]
        return Response(
            logprobs=tuple(f[0] for f in found),
            greedy=tuple(f[1] for f in found),
            asked=asked + sum(f[2] for f in found),
        )

    def _likeliest(self, text: str) -> tuple[dict[str, float], str, int]:
        """The likeliest next tokens' texts with their log-probabilities ({} where the server gives none), the likeliest
        (several may be listed as one, when they are parts of a character), and the number of the text's tokens."""
        count = self._listed
        try:
            reply = self._complete(text, **({"logprobs": count} if count else {}))
        except RefusedError as error:
            if not count or error.status not in (400, 422):
                raise
            self._listed = LISTS[LISTS.index(count) + 1]
            return self._likeliest(text)
        if not count:
            return {}, "", _asked(reply)
        try:
            told = reply["choices"][0]["logprobs"]
            return dict(told["top_logprobs"][0]), str(told["tokens"][0]), _asked(reply)
        except (KeyError, IndexError, TypeError, ValueError):
            self._listed = 0
            return {}, "", _asked(reply)

    def _echo(self, text: str, asked: int, option: str) -> tuple[float, bool, int]:
        """(log-probability, would greedy decoding say it, prompt tokens). The option's tokens are those that it adds
        to the text's own."""
        try:
            reply = self._complete(text + option, logprobs=1, echo=True)
        except RefusedError as error:
            if error.status not in (400, 422):
                raise
            raise MissingPartError(f"echo with logprobs: {error}") from error
        try:
            told, end = reply["choices"][0]["logprobs"], reply["usage"]["prompt_tokens"]
            values, top = told["token_logprobs"][asked:end], told["top_logprobs"][asked:end]
            total = sum(map(float, values))
            greedy = all(value >= max(each.values()) for value, each in zip(values, top, strict=True))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise MissingPartError("the options among the likeliest tokens, or echo with logprobs") from error
        if not asked or len(values) != end - asked:
            raise MissingPartError("echo with logprobs of every token, and usage.prompt_tokens")
        return total, greedy, end

    def _complete(self, text: str, **more: Any) -> dict[str, Any]:
        return self.remote.complete(model=self.name, prompt=text, max_tokens=1, temperature=0.0, **more)


def refuse_without_tokenizer(requests: Sequence[Request], chat: bool) -> None:
    """UsageError for what cannot be asked with text."""
    if chat and not all(isinstance(r, Generate) for r in requests):
        raise UsageError(
            "A chat server gives no log-probabilities of given answers, so multiple choice cannot be asked with --chat "
            "here. Leave --chat out (/completions is asked then), give the model's --tokenizer, or take other tasks."
        )
    if any(isinstance(r, Rolling) for r in requests):
        raise UsageError("Log-probabilities of whole texts need the model's tokenizer: --tokenizer FOLDER.")


def sampling_of(request: Generate, most_stops: int | None = None) -> dict[str, Any]:
    """Sampling and stops in the API's words. A stop that is left out costs tokens, not the right text."""
    sampling = request.sampling
    body: dict[str, Any] = {"temperature": sampling.temperature}
    if sampling.temperature:
        body |= {"top_p": sampling.top_p, "seed": sampling.seed}
    if stop := [s for s in request.stop if s][:most_stops]:
        body["stop"] = stop
    return body


def _asked(reply: dict[str, Any]) -> int:
    usage = reply.get("usage")
    return (usage.get("prompt_tokens") or 0) if isinstance(usage, dict) else 0
